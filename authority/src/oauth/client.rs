//! A client, and the rules that make one good. Every mistake is found in one go, each with its
//! field and the rule.
//!
//! 1. A confidential client keeps a secret (`client_secret_basic`, `client_secret_post`) or a key
//!    (`private_key_jwt`); a public one keeps nothing (`none`).
//! 2. Only a confidential client gets tokens for itself (`client_credentials`).
//! 3. One that sends users here (`authorization_code`) has a redirect URI.
//! 4. Kind and environment never change: tokens that are out in the world rest on them.

use flint_contract::key::Environment;
use serde_json::Value;

use super::{jwk, redirect};
use crate::model::DAY;
use crate::model::draft::{Mistake, Mistakes};

/// The most redirect URIs of a client.
pub const MAX_REDIRECT_URIS: usize = 20;
/// The longest life of an access token, in seconds, and its life if nothing is said.
pub const MAX_ACCESS_SECONDS: i64 = 600;
/// The most public keys of a client.
const MAX_KEYS: usize = 10;
/// The most bytes of a client's public keys, as JSON.
const MAX_JWKS: usize = 16 * 1024;

/// Whether a client can keep a secret (RFC 6749 §2.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A server.
    Confidential,
    /// A program on a user's device, or in a browser.
    Public,
}

/// How a client gets tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GrantType {
    /// A user sends a code.
    AuthorizationCode,
    /// With what it got before.
    RefreshToken,
    /// For itself.
    ClientCredentials,
}

/// How a client shows what it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AuthMethod {
    /// A secret in the header.
    Basic,
    /// A secret in the body.
    Post,
    /// A signature (RFC 7523).
    PrivateKeyJwt,
    /// It does not.
    None,
}

/// For how long what a client gets is good, in seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lifetimes {
    /// An access token.
    pub access: i64,
    /// A refresh token that is not used.
    pub refresh_idle: i64,
    /// A family of refresh tokens in all.
    pub refresh_max: i64,
}

/// What people decide of a client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Registration {
    /// What people call it; users see it.
    pub name: String,
    /// Whether it can keep a secret.
    pub kind: Kind,
    /// Of its tokens.
    pub environment: Environment,
    /// Where users may be sent back to.
    pub redirect_uris: Vec<String>,
    /// The most that it may ask for.
    pub permissions: Vec<String>,
    /// How it gets tokens.
    pub grant_types: Vec<GrantType>,
    /// How it shows what it is.
    pub auth_method: AuthMethod,
    /// Its public keys.
    pub jwks: Option<Value>,
    /// For how long what it gets is good.
    pub lifetimes: Lifetimes,
}

/// A registered client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Client {
    /// Its public id.
    pub id: String,
    /// What people decide of it.
    pub registration: Registration,
    /// When it was registered.
    pub created_at: i64,
    /// By whom.
    pub created_by: String,
    /// When it was disabled, if it is.
    pub disabled_at: Option<i64>,
    /// When it last got a token, to the minute.
    pub last_used_at: Option<i64>,
}

/// What a new client shall be, as it was asked for.
#[derive(Clone, Debug, Default)]
pub struct NewClient {
    /// What people will call it.
    pub name: String,
    /// `confidential` or `public`; confidential if nothing is said.
    pub kind: Option<String>,
    /// `live` or `test`.
    pub environment: String,
    /// Everything that can be changed later.
    pub rest: Amendment,
}

/// What shall be different about a client. `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct Amendment {
    /// What people call it.
    pub name: Option<String>,
    /// Where users may be sent back to.
    pub redirect_uris: Option<Vec<String>>,
    /// The most that it may ask for.
    pub permissions: Option<Vec<String>>,
    /// How it gets tokens.
    pub grant_types: Option<Vec<String>>,
    /// How it shows what it is.
    pub auth_method: Option<String>,
    /// Its public keys; `Some(None)` takes them away.
    pub jwks: Option<Option<Value>>,
    /// The life of an access token.
    pub access: Option<i64>,
    /// The life of a refresh token that is not used.
    pub refresh_idle: Option<i64>,
    /// The life of a family.
    pub refresh_max: Option<i64>,
    /// Whether it is disabled.
    pub disabled: Option<bool>,
}

impl Kind {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confidential => "confidential",
            Self::Public => "public",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Confidential, Self::Public].into_iter().find(|kind| kind.as_str() == word)
    }
}

impl GrantType {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::AuthorizationCode, Self::RefreshToken, Self::ClientCredentials];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.as_str() == word)
    }
}

impl AuthMethod {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Basic, Self::Post, Self::PrivateKeyJwt, Self::None];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::None => "none",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == word)
    }

    /// Whether it is a secret that is shown.
    #[must_use]
    pub const fn has_secret(self) -> bool {
        matches!(self, Self::Basic | Self::Post)
    }
}

impl Client {
    /// Whether it may get tokens in this way.
    #[must_use]
    pub fn may_use(&self, grant: GrantType) -> bool {
        self.registration.grant_types.contains(&grant)
    }

    /// Which redirect URI a request means: the one that it names, if it is registered; the only
    /// one, if it names none.
    #[must_use]
    pub fn redirect_uri(&self, asked: Option<&str>) -> Option<String> {
        let registered = &self.registration.redirect_uris;
        match (asked, registered.as_slice()) {
            (None, [only]) => Some(only.clone()),
            (None, _) => None,
            (Some(asked), list) => list
                .iter()
                .any(|one| redirect::is_registered(asked, one, self.registration.kind))
                .then(|| asked.to_owned()),
        }
    }
}

impl NewClient {
    /// Makes a registration of it.
    ///
    /// # Errors
    /// Every rule that is broken.
    pub fn check(self) -> Result<Registration, Vec<Mistake>> {
        let mut mistakes = Mistakes::default();
        let kind = Kind::parse(self.kind.as_deref().unwrap_or("confidential"));
        if kind.is_none() {
            mistakes.add("kind", "must be \"confidential\" or \"public\"");
        }
        let environment = Environment::parse(&self.environment);
        if environment.is_none() {
            mistakes.add("environment", "must be \"live\" or \"test\"");
        }
        let kind = kind.unwrap_or(Kind::Confidential);
        let refresh_max = self.rest.refresh_max.unwrap_or(90 * DAY);
        let usual = Registration {
            name: self.name,
            kind,
            environment: environment.unwrap_or(Environment::Test),
            redirect_uris: Vec::new(),
            permissions: vec!["*".into()],
            grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
            auth_method: if kind == Kind::Public { AuthMethod::None } else { AuthMethod::Basic },
            jwks: None,
            lifetimes: Lifetimes {
                access: MAX_ACCESS_SECONDS,
                refresh_idle: refresh_max.min(30 * DAY),
                refresh_max,
            },
        };
        usual.amended(self.rest, mistakes)
    }
}

impl Registration {
    /// Changes what the amendment names.
    ///
    /// # Errors
    /// Every rule that is broken.
    pub fn amend(self, amendment: Amendment) -> Result<Self, Vec<Mistake>> {
        self.amended(amendment, Mistakes::default())
    }

    fn amended(self, change: Amendment, mut mistakes: Mistakes) -> Result<Self, Vec<Mistake>> {
        let name = mistakes.name(&change.name.unwrap_or(self.name));
        let redirect_uris = change.redirect_uris.unwrap_or(self.redirect_uris);
        check_redirect_uris(&redirect_uris, self.kind, &mut mistakes);
        let permissions = mistakes.permissions(change.permissions.unwrap_or(self.permissions));
        if permissions.is_empty() {
            mistakes.add("permissions", "must not be empty: a client without any can get no token");
        }
        let (grant_types, auth_method) = (
            read_grant_types(change.grant_types, self.grant_types, &mut mistakes),
            read_method(change.auth_method, self.auth_method, &mut mistakes),
        );
        let jwks = change.jwks.unwrap_or(self.jwks);
        let lifetimes = Lifetimes {
            access: change.access.unwrap_or(self.lifetimes.access),
            refresh_idle: change.refresh_idle.unwrap_or(self.lifetimes.refresh_idle),
            refresh_max: change.refresh_max.unwrap_or(self.lifetimes.refresh_max),
        };
        let (kind, environment) = (self.kind, self.environment);
        let registration = Self {
            name,
            kind,
            environment,
            redirect_uris,
            permissions,
            grant_types,
            auth_method,
            jwks,
            lifetimes,
        };
        registration.check(&mut mistakes);
        mistakes.none_or(registration)
    }

    /// The rules that are about more than one field.
    fn check(&self, mistakes: &mut Mistakes) {
        let has = |grant| self.grant_types.contains(&grant);
        if self.kind == Kind::Public && has(GrantType::ClientCredentials) {
            mistakes.add("grant_types", "must be without client_credentials for a public client");
        }
        if has(GrantType::AuthorizationCode) && self.redirect_uris.is_empty() {
            mistakes.add(
                "redirect_uris",
                "must not be empty for a client with the grant type authorization_code",
            );
        }
        if (self.auth_method == AuthMethod::None) != (self.kind == Kind::Public) {
            mistakes.add("token_endpoint_auth_method", "must be none for public clients, and for no others");
        }
        match (&self.jwks, self.auth_method) {
            (None, AuthMethod::PrivateKeyJwt) => mistakes.add("jwks", "is required for private_key_jwt"),
            (Some(jwks), AuthMethod::PrivateKeyJwt) => check_jwks(jwks, mistakes),
            (Some(_), _) => mistakes.add("jwks", "must be absent for any other method than private_key_jwt"),
            (None, _) => {}
        }
        self.lifetimes.check(mistakes);
    }
}

impl Lifetimes {
    fn check(self, mistakes: &mut Mistakes) {
        if !(30..=MAX_ACCESS_SECONDS).contains(&self.access) {
            mistakes.add("access_token_seconds", "must be 30 to 600");
        }
        if !(60..=365 * DAY).contains(&self.refresh_max) {
            mistakes.add("refresh_max_seconds", "must be 60 to 31536000, which is 365 days");
        }
        if !(60..=self.refresh_max.max(60)).contains(&self.refresh_idle) {
            mistakes.add("refresh_idle_seconds", "must be 60 up to refresh_max_seconds");
        }
    }
}

fn check_redirect_uris(list: &[String], kind: Kind, mistakes: &mut Mistakes) {
    if list.len() > MAX_REDIRECT_URIS {
        mistakes.add("redirect_uris", "must be at most 20");
        return;
    }
    for (index, uri) in list.iter().enumerate() {
        if !redirect::may_be_registered(uri, kind) {
            mistakes.add(&format!("redirect_uris[{index}]"), redirect::RULE);
        } else if list[..index].contains(uri) {
            mistakes.add(&format!("redirect_uris[{index}]"), "must not be there twice");
        }
    }
}

fn read_grant_types(
    asked: Option<Vec<String>>,
    usual: Vec<GrantType>,
    mistakes: &mut Mistakes,
) -> Vec<GrantType> {
    let Some(asked) = asked else {
        return usual;
    };
    let read: Option<Vec<_>> = asked.iter().map(|word| GrantType::parse(word)).collect();
    match read {
        Some(list) if !list.is_empty() => {
            GrantType::ALL.into_iter().filter(|one| list.contains(one)).collect()
        }
        _ => {
            let rule = "must be at least one of authorization_code, refresh_token and client_credentials";
            mistakes.add("grant_types", rule);
            usual
        }
    }
}

fn read_method(asked: Option<String>, usual: AuthMethod, mistakes: &mut Mistakes) -> AuthMethod {
    let Some(asked) = asked else {
        return usual;
    };
    AuthMethod::parse(&asked).unwrap_or_else(|| {
        let rule = "must be client_secret_basic, client_secret_post, private_key_jwt or none";
        mistakes.add("token_endpoint_auth_method", rule);
        usual
    })
}

fn check_jwks(jwks: &Value, mistakes: &mut Mistakes) {
    let keys = jwks.get("keys").and_then(Value::as_array);
    let Some(keys) = keys.filter(|keys| (1..=MAX_KEYS).contains(&keys.len())) else {
        mistakes.add("jwks", "must be an object with a list keys of 1 to 10");
        return;
    };
    if jwks.to_string().len() > MAX_JWKS {
        mistakes.add("jwks", "must be at most 16384 bytes");
    }
    for (index, key) in keys.iter().enumerate() {
        if jwk::is_private(key) {
            mistakes.add(
                &format!("jwks.keys[{index}]"),
                "must be a public key; keep the private half to yourself",
            );
        } else if jwk::PublicKey::parse(key).is_none() {
            let rule = "must be a public key: EC P-256 or P-384, OKP Ed25519, or RSA of 2048 to 4096 bits";
            mistakes.add(&format!("jwks.keys[{index}]"), rule);
        }
    }
}

#[cfg(test)]
mod tests;
