//! A code, and every token that came of it: the state machine of a grant in use.
//!
//! A family is waiting (its code was not exchanged), alive, or ended. Nothing leads away from
//! ended.
//!
//! 1. A code is exchanged once, within its 60 seconds, by its client, with its redirect URI if one
//!    is sent, and with the verifier of its challenge. Whatever is wrong, the answer is the same.
//! 2. An exchanged code that comes again from its client ends the family, whatever comes with it.
//! 3. A refresh token is used once, before it was idle for too long and before the family is too
//!    old.
//! 4. A used one that comes again from its client ends the family.
//! 5. What another client shows changes nothing.

use super::client::Client;
use super::{pkce, scope};

/// How long a code lives, in seconds.
pub const CODE_SECONDS: i64 = 60;

/// A family as it is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Family {
    /// Its id.
    pub id: String,
    /// The grant that it is of.
    pub grant_id: String,
    /// The client that the code was for.
    pub client_id: String,
    /// Who granted.
    pub user_id: String,
    /// Where the code was sent.
    pub redirect_uri: String,
    /// The challenge.
    pub challenge: String,
    /// What its tokens are for.
    pub resource: String,
    /// What the user left ticked.
    pub scope: Vec<String>,
    /// The first second in which the code is no longer good.
    pub code_expires_at: i64,
    /// When the code was exchanged.
    pub used_at: Option<i64>,
    /// The first second in which no refresh token is good any more.
    pub expires_at: Option<i64>,
    /// When it was ended.
    pub ended_at: Option<i64>,
}

/// What is shown with a code.
#[derive(Clone, Copy, Debug)]
pub struct ShownCode<'a> {
    /// Whose authentication was good.
    pub client_id: &'a str,
    /// The redirect URI, if one was sent.
    pub redirect_uri: Option<&'a str>,
    /// The verifier.
    pub verifier: Option<&'a str>,
}

/// A refresh token as it is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RefreshToken {
    /// The first second in which it was idle for too long.
    pub expires_at: i64,
    /// When it was used.
    pub used_at: Option<i64>,
}

/// Why nothing is issued.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// It is not good, or not for this client.
    Invalid,
    /// It comes again: the family has to end.
    Replay,
}

impl Family {
    /// Whether the code may be exchanged now.
    ///
    /// # Errors
    /// If it may not.
    pub fn exchange(&self, shown: &ShownCode<'_>, now: i64) -> Result<(), Refusal> {
        if shown.client_id != self.client_id {
            return Err(Refusal::Invalid);
        }
        if self.used_at.is_some() {
            return Err(self.replayed());
        }
        let is_in_time = now < self.code_expires_at && self.ended_at.is_none();
        let is_same_place = shown.redirect_uri.is_none_or(|uri| uri == self.redirect_uri);
        let is_proved = shown.verifier.is_some_and(|verifier| pkce::matches(&self.challenge, verifier));
        if is_in_time && is_same_place && is_proved { Ok(()) } else { Err(Refusal::Invalid) }
    }

    /// Whether a refresh token may be used now.
    ///
    /// # Errors
    /// If it may not.
    pub fn refresh(&self, token: RefreshToken, client_id: &str, now: i64) -> Result<(), Refusal> {
        if client_id != self.client_id {
            return Err(Refusal::Invalid);
        }
        if token.used_at.is_some() {
            return Err(self.replayed());
        }
        let is_in_time = now < token.expires_at && self.expires_at.is_some_and(|end| now < end);
        if is_in_time && self.ended_at.is_none() { Ok(()) } else { Err(Refusal::Invalid) }
    }

    /// The first second in which a refresh token that is issued now was idle for too long.
    #[must_use]
    pub fn idle_end(&self, client: &Client, now: i64) -> i64 {
        let idle = now + client.registration.lifetimes.refresh_idle;
        self.expires_at.map_or(idle, |end| end.min(idle))
    }

    fn replayed(&self) -> Refusal {
        if self.ended_at.is_some() { Refusal::Invalid } else { Refusal::Replay }
    }
}

/// What a new token of a family may do: what is wanted of it, as far as client, user and grant
/// still may.
#[must_use]
pub fn still_allowed(wanted: &[String], client: &[String], user: &[String], grant: &[String]) -> Vec<String> {
    scope::narrow(&scope::narrow(&scope::narrow(wanted, client), user), grant)
}

#[cfg(test)]
mod tests;
