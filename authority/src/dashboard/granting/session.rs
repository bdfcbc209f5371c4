//! The user behind a request.

use axum::http::{HeaderMap, HeaderValue};

use super::super::Site;
use super::super::visitor::cookie;
use crate::store::StoreError;
use crate::store::oauth::sessions::UserSession;

/// The cookie of a user's session. The prefix makes browsers insist on `Secure`, on this host and
/// on `Path=/`.
pub(super) const COOKIE: &str = "__Host-flint_user";

/// The session of a request, if a user is signed in.
pub(super) async fn of(
    site: &Site,
    headers: &HeaderMap,
    now: i64,
) -> Result<Option<UserSession>, StoreError> {
    match cookie(headers, COOKIE) {
        Some(value) => site.store.user_session(&value, now).await,
        None => Ok(None),
    }
}

/// The line that sets a session's cookie, or takes it away with an age of 0.
pub(super) fn set(value: &str, age: i64) -> HeaderValue {
    let line = format!("{COOKIE}={value}; Path=/; Max-Age={age}; Secure; HttpOnly; SameSite=Lax");
    // A secret is letters and digits.
    HeaderValue::from_str(&line).unwrap_or(HeaderValue::from_static(""))
}
