//! The token of a form that comes from a visitor without a session, whose token it could repeat.
//!
//! It is in a cookie and in a field, which must be the same: another site cannot arrange that.

use axum::http::{HeaderMap, HeaderValue};

use super::visitor::cookie;
use crate::secret::{Secret, are_same};
use crate::store::StoreError;

/// The cookie of this name, with a token in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct FormToken(pub(super) &'static str);

impl FormToken {
    /// Returns the token for a form, and the cookie to set unless the visitor has it.
    pub(super) fn give(self, headers: &HeaderMap) -> Result<(String, Option<HeaderValue>), StoreError> {
        if let Some(token) = self.kept(headers) {
            return Ok((token, None));
        }
        let token = Secret::generate("")?.reveal().to_owned();
        let line = format!("{}={token}; Path=/; Secure; HttpOnly; SameSite=Lax", self.0);
        Ok((token, HeaderValue::from_str(&line).ok()))
    }

    /// Returns whether a form repeats the token of the visitor's cookie.
    pub(super) fn is_repeated(self, headers: &HeaderMap, shown: &str) -> bool {
        self.kept(headers).is_some_and(|token| are_same(shown, &token))
    }

    fn kept(self, headers: &HeaderMap) -> Option<String> {
        cookie(headers, self.0).filter(|token| is_token(token))
    }
}

fn is_token(text: &str) -> bool {
    (20..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
