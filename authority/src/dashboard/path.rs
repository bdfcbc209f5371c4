//! The part of an address that names something.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::error::PageError;

/// It, decoded. What is no UTF-8 names nothing, and is answered by a page like any other name of
/// nothing.
pub(super) struct Path(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Path {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        let named = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        named.map(|path| Self(path.0)).map_err(|_| PageError::not_found("page"))
    }
}
