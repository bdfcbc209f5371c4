//! `/v1/keys`: making, listing, showing and changing keys.

pub(super) mod import;
pub(super) mod life;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use flint_contract::key::Environment;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::access::Caller;
use super::error::ApiError;
use super::extract::{JsonBody, present};
use super::query::Query;
use crate::clock;
use crate::model::State as KeyState;
use crate::model::draft::{Amendment, Mistakes, NewKey};
use crate::store::keys::listing::{Filter, MAX_PAGE, Sort};
use crate::views::key::{KeyList, KeyView, KeyWithSecret};

/// The largest body of a request about one key, in bytes.
pub(super) const SMALL: usize = 64 * 1024;

/// What a new key shall be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateKey {
    /// What people will call it: 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// `live` or `test`.
    #[schema(pattern = "^(live|test)$")]
    environment: String,
    /// Grants such as `documents:read`; left out, the key has full access, which is written `*`.
    #[serde(default)]
    permissions: Option<Vec<String>>,
    /// The owner, such as a customer: 1 to 128 printable ASCII characters without spaces.
    #[serde(default)]
    owner: Option<String>,
    /// Where it may be used from: addresses or blocks; left out or `null` is everywhere, an empty
    /// list nowhere.
    #[serde(default)]
    allowed_cidrs: Option<Vec<String>>,
    /// The first second in which it passes.
    #[serde(default)]
    not_before: Option<i64>,
    /// The first second in which it no longer passes; left out is in 90 days, `null` is never.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<i64>)]
    expires_at: Option<Option<i64>>,
    /// When it is due for rotation; left out is in 90 days, `null` is never.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<i64>)]
    rotate_by: Option<Option<i64>>,
}

/// What shall be different about a key. What is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AmendKey {
    /// What people call it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, required = false)]
    name: Option<String>,
    /// Grants.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Vec<String>, required = false)]
    permissions: Option<Vec<String>>,
    /// The owner, such as a customer; `null` is nobody.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    owner: Option<Option<String>>,
    /// Where it may be used from; `null` is everywhere.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<String>>)]
    allowed_cidrs: Option<Option<Vec<String>>>,
    /// The first second in which it no longer passes; `null` is never.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<i64>)]
    expires_at: Option<Option<i64>>,
    /// When it is due for rotation; `null` is never.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<i64>)]
    rotate_by: Option<Option<i64>>,
    /// The version that the change was made from; if the key is at another one, nothing is changed.
    /// `If-Match` with the key's `ETag` does the same.
    #[serde(default)]
    version: Option<i64>,
}

/// Which keys, and in which order.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListKeys {
    /// Word prefixes of the name, owner, id or the visible parts of the key; a key must have all of
    /// them.
    #[param(max_length = 200)]
    search: Option<String>,
    /// `live` or `test`.
    #[param(pattern = "^(live|test)$")]
    environment: Option<String>,
    /// `pending`, `active`, `expired` or `revoked`.
    #[param(pattern = "^(pending|active|expired|revoked)$")]
    status: Option<String>,
    /// Keys of this owner.
    #[param(max_length = 200)]
    owner: Option<String>,
    /// Only keys that are due for rotation.
    #[serde(default)]
    due: bool,
    /// `created`, `name`, `expires` or `used`. By last use, keys that were never used come first,
    /// and last with `desc`.
    #[param(pattern = "^(created|name|expires|used)$")]
    sort: Option<String>,
    /// `asc` or `desc`.
    #[param(pattern = "^(asc|desc)$")]
    order: Option<String>,
    /// How many keys, 1 to 500; 50 where nothing is said.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// The `next_cursor` or the `previous_cursor` of another page with the same filters and order.
    cursor: Option<String>,
}

/// Make a key.
#[utoipa::path(post, path = "/v1/keys", request_body = CreateKey,
    responses((status = 201, description = "The key, with its secret", body = KeyWithSecret)))]
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    JsonBody(body): JsonBody<CreateKey, SMALL>,
) -> Result<Response, ApiError> {
    let now = clock::now();
    let new = NewKey {
        name: body.name,
        environment: body.environment,
        permissions: body.permissions,
        owner: body.owner,
        allowed_cidrs: body.allowed_cidrs,
        not_before: body.not_before,
        expires_at: body.expires_at,
        rotate_by: body.rotate_by,
    };
    let draft = new.check(now).map_err(ApiError::invalid_fields)?;
    let made = app.store.create_key(draft, now, &caller.actor).await?;
    let place = format!("/v1/keys/{}", made.key.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(KeyWithSecret::new(made, now)))
        .into_response())
}

/// List keys.
#[utoipa::path(get, path = "/v1/keys", params(ListKeys),
    responses((status = 200, description = "A page of keys", body = KeyList)))]
pub(super) async fn list(
    State(app): State<App>,
    _: Caller,
    Query(query): Query<ListKeys>,
) -> Result<Json<KeyList>, ApiError> {
    let now = clock::now();
    let filter = query.filter(now).map_err(ApiError::invalid_fields)?;
    let page = app.store.list_keys(&filter, now).await?;
    Ok(Json(KeyList::new(page, now)))
}

/// Show a key.
#[utoipa::path(get, path = "/v1/keys/{id}", params(("id" = String, Path, description = "The key's id")),
    responses((status = 200, description = "The key", body = KeyView)))]
pub(super) async fn show(
    State(app): State<App>,
    _: Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let listed = app.store.key_with_use(&id).await?;
    Ok(with_tag(KeyView::new(listed.key, listed.last_used, clock::now())))
}

/// Change a key.
#[utoipa::path(patch, path = "/v1/keys/{id}", params(("id" = String, Path, description = "The key's id")),
    request_body = AmendKey, responses((status = 200, description = "The updated key", body = KeyView)))]
pub(super) async fn amend(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<AmendKey, SMALL>,
) -> Result<Response, ApiError> {
    let now = clock::now();
    let amendment = Amendment {
        name: body.name,
        permissions: body.permissions,
        allowed_cidrs: body.allowed_cidrs,
        owner: body.owner,
        expires_at: body.expires_at,
        rotate_by: body.rotate_by,
        version: same_version(if_match(&headers)?, body.version)?,
    };
    let amendment = amendment.check(now).map_err(ApiError::invalid_fields)?;
    app.store.amend_key(&id, amendment, now, &caller.actor).await?;
    let listed = app.store.key_with_use(&id).await?;
    Ok(with_tag(KeyView::new(listed.key, listed.last_used, now)))
}

/// A key with its version as a tag, for `If-Match`.
fn with_tag(key: KeyView) -> Response {
    let tag = format!("\"{}\"", key.version);
    let mut response = Json(key).into_response();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// The version that was named, in one way or in both.
fn same_version(header: Option<i64>, body: Option<i64>) -> Result<Option<i64>, ApiError> {
    if header.is_some() && body.is_some() && header != body {
        return Err(ApiError::invalid(
            "The header if-match and the field version must name the same version",
        ));
    }
    Ok(header.or(body))
}

/// The version that `If-Match` names; `*` is any.
fn if_match(headers: &HeaderMap) -> Result<Option<i64>, ApiError> {
    let mut values = headers.get_all(header::IF_MATCH).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    // Of several, each is one that would do; nobody asks that of a key.
    let text = if values.next().is_none() { value.to_str().unwrap_or_default().trim() } else { "" };
    if text == "*" {
        return Ok(None);
    }
    let version =
        text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).and_then(|text| text.parse().ok());
    version.map(Some).ok_or_else(|| ApiError::invalid("The header if-match must be the ETag of the key"))
}

// === impl ListKeys ===

impl ListKeys {
    fn filter(self, now: i64) -> Result<Filter, Vec<crate::model::draft::Mistake>> {
        let mut mistakes = Mistakes::default();
        let mut word = |field: &str, known: bool, rule: &str| {
            if !known {
                mistakes.add(field, rule);
            }
        };
        let environment = self.environment.as_deref().map(Environment::parse);
        word("environment", environment != Some(None), "must be live or test");
        let state = self.status.as_deref().map(KeyState::parse);
        word("status", state != Some(None), "must be pending, active, expired or revoked");
        let sort = self.sort.as_deref().map(Sort::parse);
        word("sort", sort != Some(None), "must be created, name, expires or used");
        let order = self.order.as_deref().unwrap_or("asc");
        word("order", matches!(order, "asc" | "desc"), "must be asc or desc");
        let limit = self.limit.unwrap_or(50);
        word("limit", (1..=MAX_PAGE).contains(&limit), "must be 1 to 500");
        let plain = |text: &Option<String>| {
            text.as_deref().is_none_or(|text| text.chars().count() <= 200 && !text.contains('\0'))
        };
        word("search", plain(&self.search), "must be at most 200 characters without NUL");
        word("owner", plain(&self.owner), "must be at most 200 characters without NUL");
        mistakes.none_or(Filter {
            search: self.search,
            environment: environment.flatten(),
            state: state.flatten(),
            owner: self.owner,
            due_by: self.due.then_some(now),
            sort: sort.flatten().unwrap_or_default(),
            descending: order == "desc",
            limit,
            after: self.cursor,
            ..Filter::default()
        })
    }
}
