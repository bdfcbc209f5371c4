//! Clients, users and signing keys as people and programs see them, in the API and on the command
//! line alike.

use serde::Serialize;
use serde_json::Value;

use crate::oauth::key_life::{KeyTimes, state};
use crate::store::oauth::clients::Described;
use crate::store::oauth::signing_keys::SigningKey;
use crate::store::oauth::users::User;

/// A client without anything that would help to guess its secrets. Times are Unix seconds.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = OauthClient)]
pub struct ClientView {
    /// Its public id.
    pub id: String,
    /// What people call it; users see it.
    pub name: String,
    /// `confidential` or `public`.
    pub kind: &'static str,
    /// `live` or `test`: of its tokens.
    pub environment: &'static str,
    /// Where users may be sent back to.
    pub redirect_uris: Vec<String>,
    /// The most that it may ask for.
    pub permissions: Vec<String>,
    /// How it gets tokens.
    pub grant_types: Vec<&'static str>,
    /// How it shows what it is.
    pub token_endpoint_auth_method: &'static str,
    /// Its public keys, if it signs.
    #[schema(value_type = Option<Object>)]
    pub jwks: Option<Value>,
    /// How long an access token lives.
    pub access_token_seconds: i64,
    /// How long a refresh token lives that is not used.
    pub refresh_idle_seconds: i64,
    /// How long refresh tokens of one consent live in all.
    pub refresh_max_seconds: i64,
    /// When it was registered.
    pub created_at: i64,
    /// By whom.
    pub created_by: String,
    /// When it was disabled, if it is.
    pub disabled_at: Option<i64>,
    /// When it last got a token, to the minute.
    pub last_used_at: Option<i64>,
    /// Its secrets, the oldest first.
    pub secrets: Vec<SecretView>,
    /// The secret itself, in the answer that made it and in no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
}

/// What may be told of a client's secret.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = OauthClientSecret)]
pub struct SecretView {
    /// Its beginning and its end.
    pub hint: String,
    /// When it was made.
    pub created_at: i64,
    /// The first second in which it is no longer good.
    pub expires_at: Option<i64>,
}

/// A user, with the password in the answer that made it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct UserView {
    /// The user.
    #[serde(flatten)]
    pub user: User,
    /// The password that was made, in no other answer ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// A signing key. Times are Unix seconds.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = OauthSigningKey)]
pub struct SigningKeyView {
    /// Its id, which the headers of tokens have.
    pub kid: String,
    /// What it signs with.
    pub algorithm: &'static str,
    /// `next`, `current` or `previous`.
    pub state: &'static str,
    /// When it was made.
    pub created_at: i64,
    /// The first second in which it signs.
    pub signs_from: i64,
    /// The first second in which it is no longer published, once that is known.
    pub published_until: Option<i64>,
}

impl ClientView {
    /// The client as it is now.
    #[must_use]
    pub fn new(described: Described, client_secret: Option<String>) -> Self {
        let Described { client, secrets } = described;
        let registration = client.registration;
        let secret = |one: crate::store::oauth::clients::SecretFacts| SecretView {
            hint: one.hint,
            created_at: one.created_at,
            expires_at: one.expires_at,
        };
        Self {
            id: client.id,
            name: registration.name,
            kind: registration.kind.as_str(),
            environment: registration.environment.as_str(),
            redirect_uris: registration.redirect_uris,
            permissions: registration.permissions,
            grant_types: registration.grant_types.iter().map(|one| one.as_str()).collect(),
            token_endpoint_auth_method: registration.auth_method.as_str(),
            jwks: registration.jwks,
            access_token_seconds: registration.lifetimes.access,
            refresh_idle_seconds: registration.lifetimes.refresh_idle,
            refresh_max_seconds: registration.lifetimes.refresh_max,
            created_at: client.created_at,
            created_by: client.created_by,
            disabled_at: client.disabled_at,
            last_used_at: client.last_used_at,
            secrets: secrets.into_iter().map(secret).collect(),
            client_secret,
        }
    }
}

impl SigningKeyView {
    /// All of them as they are now.
    #[must_use]
    pub fn all(keys: &[SigningKey], now: i64) -> Vec<Self> {
        let times: Vec<KeyTimes> = keys.iter().map(|key| key.times.clone()).collect();
        let view = |key: &KeyTimes| Self {
            kid: key.kid.clone(),
            algorithm: key.algorithm.as_str(),
            state: state(key, &times, now).as_str(),
            created_at: key.created_at,
            signs_from: key.signs_from,
            published_until: key.published_until,
        };
        times.iter().map(view).collect()
    }
}
