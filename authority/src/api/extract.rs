//! What is read from a request before a handler sees it: the caller and the body. The query is in
//! `query.rs`.
//!
//! A bad body is described by field and rule, never by its content, which might be a secret.

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use flint_contract::key::Digest;
use flint_contract::protocol::GATEWAY_HEADER;
use serde::de::DeserializeOwned;

use super::App;
use super::error::ApiError;
use crate::clock;
use crate::server::Unread;

/// A call of an Envoy process with a good gateway token.
#[derive(Clone, Debug)]
pub(crate) struct GatewayCall {
    /// Which gateway's token it is.
    pub(crate) gateway_id: String,
    /// What the process calls itself.
    pub(crate) process_id: String,
}

/// The body, as `T`, read up to `LIMIT` bytes.
pub(crate) struct JsonBody<T, const LIMIT: usize>(pub(crate) T);

/// The body, as `T`, or what `T` is by default where there is none.
pub(crate) struct OptionalBody<T, const LIMIT: usize>(pub(crate) T);

impl GatewayCall {
    /// Reads who calls.
    pub(super) async fn read(app: &App, headers: &HeaderMap) -> Result<Self, ApiError> {
        let token = bearer(headers).ok_or_else(ApiError::unauthenticated)?;
        let gateway = app.store.gateway_of_token(&Digest::of(token.as_bytes()), clock::now()).await?;
        let gateway_id = gateway.ok_or_else(ApiError::unauthenticated)?;
        let process = headers.get(GATEWAY_HEADER).and_then(|value| value.to_str().ok());
        let process_id = process
            .filter(|id| (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()))
            .ok_or_else(|| {
                let rule =
                    "must be the id of the Envoy process, 1 to 128 printable ASCII characters without spaces, once";
                ApiError::invalid(format!("The header {GATEWAY_HEADER} {rule}"))
            })?;
        Ok(Self { gateway_id, process_id: process_id.into() })
    }
}

impl<T: DeserializeOwned, const LIMIT: usize> FromRequest<App> for JsonBody<T, LIMIT> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &App) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::unsupported_media_type());
        }
        parse(&read(request.into_body(), LIMIT).await?).map(Self)
    }
}

impl<T: DeserializeOwned + Default, const LIMIT: usize> FromRequest<App> for OptionalBody<T, LIMIT> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &App) -> Result<Self, ApiError> {
        let is_json = is_json(request.headers());
        let bytes = read(request.into_body(), LIMIT).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        if is_json {
            parse::<Option<T>>(&bytes).map(|body| Self(body.unwrap_or_default()))
        } else {
            Err(ApiError::unsupported_media_type())
        }
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    // Serde would take a list for an object, its values for the fields in order.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        return Err(ApiError::invalid("The body must be a JSON object, not a list"));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| describe(&error))?;
    reader.end().map_err(|_| ApiError::invalid("The body has trailing data after its JSON"))?;
    Ok(value)
}

/// Reads a field whose absence is not the same as `null`.
pub(crate) fn present<'de, D, T>(reader: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de>,
{
    T::deserialize(reader).map(Some)
}

/// The one bearer token of the request; `None` where there is none, or more than one of anything.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && !token.contains([' ', ',']))
        .then_some(token)
}

/// Whether the body may be JSON: it says so, or says nothing.
fn is_json(headers: &HeaderMap) -> bool {
    let plain = headers.get(header::CONTENT_ENCODING).is_none_or(|value| value.as_bytes() == b"identity");
    plain
        && headers.get(header::CONTENT_TYPE).is_none_or(|value| {
            let kind = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
            kind.eq_ignore_ascii_case("application/json")
        })
}

pub(crate) async fn read(body: Body, limit: usize) -> Result<axum::body::Bytes, ApiError> {
    to_bytes(body, limit).await.map_err(|error| match Unread::of(&error) {
        Unread::Large => ApiError::too_large(limit),
        Unread::Slow => ApiError::too_slow(),
        Unread::Broken => ApiError::invalid("The body is incomplete"),
    })
}

fn describe(error: &serde_path_to_error::Error<serde_json::Error>) -> ApiError {
    let cause = error.inner();
    if !cause.is_data() {
        let place = format!("line {} column {}", cause.line(), cause.column());
        return ApiError::invalid(format!("The body is not JSON: see {place}"));
    }
    let text = cause.to_string();
    // Serde's words begin with what was found; only what was expected is repeated.
    let rule = text
        .split_once("expected ")
        .map(|(_, rule)| format!("must be {}", plain(rule.split(" at line ").next().unwrap_or_default())))
        .or_else(|| text.starts_with("missing field").then(|| "lacks a required field".into()))
        .unwrap_or_else(|| "has an unknown or repeated field, or a value that is not allowed".into());
    let missing = text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    if error.path().to_string() == "." {
        if text.contains("expected struct ") {
            return ApiError::invalid("The body must be a JSON object");
        }
        if text.starts_with("duplicate field") {
            return ApiError::invalid("The body has a duplicate field");
        }
    }
    let path = match (error.path().to_string(), missing) {
        (path, None) => path,
        (path, Some(field)) if path == "." => field.into(),
        (path, Some(field)) => format!("{path}.{field}"),
    };
    let message = if missing.is_some() { "is required".into() } else { rule };
    ApiError::invalid_fields(vec![crate::model::draft::Mistake { field: path, message }])
}

/// Serde's word for what was expected, as somebody says it who does not write Rust.
fn plain(expected: &str) -> &str {
    match expected {
        "i64" | "i32" => "a whole number",
        "u64" | "u32" | "u16" | "u8" | "usize" => "a whole number, not below zero",
        "a sequence" => "a list",
        "a map" => "an object",
        "a boolean" => "true or false",
        other if other.starts_with("struct ") => "an object",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "only read from JSON")]
    struct Sample {
        count: i64,
        names: Vec<String>,
    }

    #[test]
    fn what_is_wrong_with_a_body_is_said_without_the_words_of_rust() {
        let said = |text: &str| format!("{:?}", parse::<Sample>(text.as_bytes()).err().unwrap());
        for (body, message) in [
            ("null", "The body must be a JSON object"),
            ("7", "The body must be a JSON object"),
            ("[]", "The body must be a JSON object, not a list"),
            (r#"{"count":1,"count":2,"names":[]}"#, "The body has a duplicate field"),
            (r#"{"count":1.5,"names":[]}"#, "count must be a whole number"),
            (r#"{"count":99999999999999999999,"names":[]}"#, "count must be a whole number"),
            (r#"{"count":1,"names":"*"}"#, "names must be a list"),
            (r#"{"count":1}"#, "names is required"),
        ] {
            assert!(said(body).contains(&format!("{message}\"")), "{body}: {}", said(body));
        }
    }

    fn with(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn exactly_one_bearer_token_counts() {
        assert_eq!(bearer(&with(&["Bearer abc"])), Some("abc"));
        assert_eq!(bearer(&with(&["bearer   abc"])), Some("abc"));
        for none in [&[][..], &["Bearer"], &["Bearer "], &["Basic abc"], &["Bearer a b"], &["Bearer a,b"]] {
            assert_eq!(bearer(&with(none)), None, "{none:?}");
        }
        assert_eq!(bearer(&with(&["Bearer abc", "Bearer abc"])), None);
    }
}
