//! Errors as answers: the one place with the status codes of the API.
//!
//! `{"error":{"code":"…","message":"…"}}` (contract §1). If single fields are at fault,
//! `error.details` lists them. The caller is told little about what failed inside; the log has the
//! cause.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use serde_json::json;

use crate::model::Refusal;
use crate::model::draft::Mistake;
use crate::store::StoreError;

/// An answer that is not the one that was hoped for.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    details: Vec<Mistake>,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), details: Vec::new() }
    }

    /// The request as a whole is not what it should be.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_REQUEST", message)
    }

    /// Single fields are not what they should be.
    pub(crate) fn invalid_fields(details: Vec<Mistake>) -> Self {
        let list: Vec<String> = details.iter().map(|one| format!("{} {}", one.field, one.message)).collect();
        Self { details, ..Self::invalid(list.join("; ")) }
    }

    /// As [`Self::invalid_fields`], where `left_out` more are not listed: an answer must not grow
    /// with what is wrong.
    pub(crate) fn some_of_many(details: Vec<Mistake>, left_out: usize, what: &str) -> Self {
        let mut error = Self::invalid_fields(details);
        if left_out > 0 {
            error.message.push_str(&format!("; {left_out} {what}"));
        }
        error
    }

    /// No credential, or one that is not good here.
    pub(crate) fn unauthenticated() -> Self {
        let message = "This resource requires a valid bearer token of its kind";
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", message)
    }

    /// The credential is good, and not for this.
    pub(crate) fn forbidden(permission: &str) -> Self {
        let message = format!("This token lacks the permission {permission}");
        Self::new(StatusCode::FORBIDDEN, "FORBIDDEN", message)
    }

    /// There is no such thing.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", format!("There is no such {what}"))
    }

    /// The path is right, the method is not.
    pub(crate) fn method_not_allowed() -> Self {
        let message = "This resource does not support that method";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", message)
    }

    /// The body is larger than is read.
    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!("The body is larger than {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", message)
    }

    /// The body came too slowly.
    pub(crate) fn too_slow() -> Self {
        let message = "The body arrived too slowly";
        Self::new(StatusCode::REQUEST_TIMEOUT, "REQUEST_TIMEOUT", message)
    }

    /// The body is not JSON and says so.
    pub(crate) fn unsupported_media_type() -> Self {
        let message = "The body must be application/json, without content-encoding";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", message)
    }

    /// The body of an import is neither of the two kinds.
    pub(crate) fn unsupported_import() -> Self {
        let message = "The body must be text/csv or application/x-ndjson";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", message)
    }

    /// It may be done, and not now: so many are at it already.
    pub(crate) fn too_many(message: &str) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS", message)
    }

    /// Something is wrong with the program or with what is in its database: trying again does not
    /// help.
    pub(crate) fn internal() -> Self {
        let message = "The authority failed; its log says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", message)
    }

    /// The program cannot serve now, and may again soon.
    pub(crate) fn unavailable() -> Self {
        let message = "The authority cannot reach its database";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", message)
    }

    /// The program is to issue tokens and cannot sign any.
    pub(crate) fn unsigned() -> Self {
        let message = "The private half of the key that signs access tokens is missing here";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", message)
    }

    /// Somebody has changed the files of the database.
    fn unsafe_files() -> Self {
        let message = "The files of the authority's database were changed from outside; it must be restarted";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", message)
    }

    fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(what) => Self::not_found(what),
            StoreError::Invalid(mistakes) => Self::invalid_fields(mistakes),
            StoreError::Busy => Self::too_many("Too many such requests are already running"),
            StoreError::Exists(message) => Self::conflict("ALREADY_EXISTS", message),
            StoreError::Full(_) => Self::conflict("LIMIT_REACHED", error.to_string()),
            StoreError::NotPossible(message) => Self::conflict("NOT_POSSIBLE", message),
            StoreError::GatewayRevoked => Self::conflict("GATEWAY_REVOKED", error.to_string()),
            StoreError::KeyWasRevoked => Self::conflict("KEY_REVOKED", error.to_string()),
            StoreError::Refused(refusal) => {
                let code = match refusal {
                    Refusal::Revoked => "KEY_REVOKED",
                    Refusal::Expired => "KEY_EXPIRED",
                    Refusal::Superseded(_) => "KEY_ALREADY_ROTATED",
                    Refusal::NotOver => "KEY_NOT_OVER",
                    Refusal::Stale(_) => "CHANGED_MEANWHILE",
                };
                Self::conflict(code, refusal.to_string())
            }
            // It was logged when it was noticed, and goes for every request.
            StoreError::Unsafe(_) => Self::unsafe_files(),
            failed => {
                tracing::error!(error = %failed, "a request failed");
                if failed.is_away() { Self::unavailable() } else { Self::internal() }
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut error = json!({ "code": self.code, "message": self.message });
        if !self.details.is_empty() {
            error["details"] = json!(self.details);
        }
        let mut response = (self.status, Json(json!({ "error": error }))).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"flint\""));
        }
        if matches!(self.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
