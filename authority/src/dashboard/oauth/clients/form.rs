//! The form that a client is registered and changed with: what was typed, so that it can be shown
//! again, and what it means.

use std::time::Duration;

use flint_contract::key::Environment;
use serde_json::Value;

use crate::dashboard::fields::{Errors, Fields};
use crate::dashboard::parts::grid::Grid;
use crate::model::DAY;
use crate::model::draft::Mistake;
use crate::oauth::client::{Amendment, AuthMethod, GrantType, Kind, NewClient, Registration};
use crate::store::keys::catalogue::Offered;

/// The fields of the form, as typed.
#[derive(Clone, Debug)]
pub(super) struct ClientForm {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) environment: String,
    pub(super) redirect_uris: String,
    pub(super) grid: Grid,
    grant_types: Vec<String>,
    method: String,
    pub(super) jwks: String,
    pub(super) access: String,
    pub(super) refresh_idle: String,
    pub(super) refresh_max: String,
}

/// A length of time in the largest unit that divides it: `30d`.
const UNITS: [(i64, &str); 4] = [(DAY, "d"), (3_600, "h"), (60, "m"), (1, "s")];

impl ClientForm {
    /// An empty form, with what is usual.
    pub(super) fn new(catalogue: &[Offered]) -> Self {
        Self {
            name: String::new(),
            kind: Kind::Confidential.as_str().into(),
            environment: String::new(),
            redirect_uris: String::new(),
            grid: Grid::new(catalogue),
            grant_types: [GrantType::AuthorizationCode, GrantType::RefreshToken]
                .map(|one| one.as_str().into())
                .into(),
            method: AuthMethod::Basic.as_str().into(),
            jwks: String::new(),
            access: "10m".into(),
            refresh_idle: "30d".into(),
            refresh_max: "90d".into(),
        }
    }

    /// A form that shows a client as it is.
    pub(super) fn of(catalogue: &[Offered], client: &Registration) -> Self {
        let jwks = client.jwks.as_ref().and_then(|jwks| serde_json::to_string_pretty(jwks).ok());
        Self {
            name: client.name.clone(),
            kind: client.kind.as_str().into(),
            environment: client.environment.as_str().into(),
            redirect_uris: client.redirect_uris.join("\n"),
            grid: Grid::of_grants(catalogue, &client.permissions),
            grant_types: client.grant_types.iter().map(|one| one.as_str().into()).collect(),
            method: client.auth_method.as_str().into(),
            jwks: jwks.unwrap_or_default(),
            access: span(client.lifetimes.access),
            refresh_idle: span(client.lifetimes.refresh_idle),
            refresh_max: span(client.lifetimes.refresh_max),
        }
    }

    /// A form as it was sent; `client` is the one that it changes, whose kind and environment stay.
    pub(super) fn sent(catalogue: &[Offered], fields: &Fields, client: Option<&Registration>) -> Self {
        let kept = |name, of: Option<&'static str>| of.unwrap_or(fields.get(name)).to_owned();
        Self {
            name: fields.get("name").into(),
            kind: kept("kind", client.map(|client| client.kind.as_str())),
            environment: kept("environment", client.map(|client| client.environment.as_str())),
            redirect_uris: fields.get("redirect_uris").into(),
            grid: Grid::of_fields(catalogue, fields),
            grant_types: fields.all("grant_types").map(Into::into).collect(),
            method: fields.get("token_endpoint_auth_method").into(),
            jwks: fields.get("jwks").into(),
            access: fields.get("access_token_seconds").into(),
            refresh_idle: fields.get("refresh_idle_seconds").into(),
            refresh_max: fields.get("refresh_max_seconds").into(),
        }
    }

    pub(super) fn is_public(&self) -> bool {
        self.kind == Kind::Public.as_str()
    }

    pub(super) fn is_live(&self) -> bool {
        self.environment == Environment::Live.as_str()
    }

    /// The ways to get tokens: word, label, explanation, whether it is chosen.
    pub(super) fn ways(&self) -> [(&'static str, &'static str, &'static str, bool); 3] {
        [
            (GrantType::AuthorizationCode, "Users allow it", "They sign in here and choose what it may do."),
            (GrantType::RefreshToken, "It stays connected", "It renews its tokens while the user is away."),
            (
                GrantType::ClientCredentials,
                "It acts for itself",
                "No user is involved. Confidential clients only.",
            ),
        ]
        .map(|(grant, label, about)| {
            let word = grant.as_str();
            (word, label, about, self.grant_types.iter().any(|one| one == word))
        })
    }

    /// How a confidential client can show what it is: word, label, whether it is chosen.
    pub(super) fn methods(&self) -> [(&'static str, &'static str, bool); 3] {
        [
            (AuthMethod::Basic, "Client secret, in the header or the body"),
            (AuthMethod::Post, "Client secret, in the body only"),
            (AuthMethod::PrivateKeyJwt, "Signed assertion (private_key_jwt)"),
        ]
        .map(|(method, label)| (method.as_str(), label, method.as_str() == self.method))
    }

    /// The client that is asked for. What is wrong with it is noted, all of it.
    pub(super) fn new_client(&self, errors: &mut Errors) -> NewClient {
        let (kind, environment) = (Some(self.kind.clone()), self.environment.clone());
        let new = NewClient { name: self.name.clone(), kind, environment, rest: self.amendment(errors) };
        if let Err(mistakes) = new.clone().check() {
            note(mistakes, errors);
        }
        new
    }

    /// What the form makes of a client. What is wrong with it is noted, all of it.
    pub(super) fn change(&self, client: &Registration, errors: &mut Errors) -> Amendment {
        let amendment = self.amendment(errors);
        if let Err(mistakes) = client.clone().amend(amendment.clone()) {
            note(mistakes, errors);
        }
        amendment
    }

    fn amendment(&self, errors: &mut Errors) -> Amendment {
        let permissions = self.grid.grants().unwrap_or_else(|problem| {
            errors.add("permissions", problem);
            Vec::new()
        });
        let method = if self.is_public() { AuthMethod::None.as_str() } else { &self.method };
        let jwks = Some(&self.jwks).filter(|_| method == AuthMethod::PrivateKeyJwt.as_str());
        let jwks = jwks.filter(|text| !text.is_empty()).and_then(|text| {
            let read = serde_json::from_str::<Value>(text);
            read.inspect_err(|_| errors.add("jwks", "It must be a JWK set in JSON.")).ok()
        });
        let mut time = |field, text: &str| {
            let seconds = seconds(text);
            if seconds.is_none() {
                errors.add(field, "Enter a length of time such as 10m, 12h or 30d.");
            }
            seconds
        };
        Amendment {
            access: time("access_token_seconds", &self.access),
            refresh_idle: time("refresh_idle_seconds", &self.refresh_idle),
            refresh_max: time("refresh_max_seconds", &self.refresh_max),
            name: Some(self.name.clone()),
            redirect_uris: Some(self.redirect_uris.split_whitespace().map(Into::into).collect()),
            permissions: Some(permissions),
            grant_types: Some(self.grant_types.clone()),
            auth_method: Some(method.into()),
            jwks: Some(jwks),
            disabled: None,
        }
    }
}

/// Notes what the rules say, in the words of the form.
fn note(mistakes: Vec<Mistake>, errors: &mut Errors) {
    let in_words = |Mistake { field, message }| {
        let message = match field.as_str() {
            "access_token_seconds" => "must be 30s to 10m".into(),
            "refresh_max_seconds" => "must be 1m to 365d".into(),
            "refresh_idle_seconds" => "must be 1m up to the longest time in all".into(),
            "redirect_uris" if message.contains("authorization_code") => {
                "must not be empty for a client that users allow".into()
            }
            "grant_types" if message.contains("client_credentials for") => {
                "must not include “acts for itself” for a public client".into()
            }
            _ => message,
        };
        Mistake { field: field.replace("jwks.keys[", "jwks["), message }
    };
    let mistakes: Vec<_> = mistakes.into_iter().map(in_words).collect();
    errors.add_all(mistakes.into_iter().filter(|one| !errors.has(&one.field)).collect());
}

/// A length of time as the form shows it.
pub(super) fn span(seconds: i64) -> String {
    let unit = UNITS.iter().find(|(length, _)| seconds % length == 0);
    unit.map_or_else(|| seconds.to_string(), |(length, word)| format!("{}{word}", seconds / length))
}

/// A length of time as it was typed.
fn seconds(text: &str) -> Option<i64> {
    let span = humantime::parse_duration(text).ok().filter(|span| span.subsec_nanos() == 0);
    span.as_ref().map(Duration::as_secs).and_then(|seconds| i64::try_from(seconds).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_comes_back_as_it_is() {
        for (length, text) in [(600, "10m"), (30 * DAY, "30d"), (90, "90s"), (43_200, "12h"), (0, "0d")] {
            assert_eq!((span(length).as_str(), seconds(text)), (text, Some(length)));
        }
        for bad in ["", "x", "10", "1.5s", "-1d", "99999999999999999d"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_form_says_what_the_client_is_and_is_read_back_unchanged() {
        let rest = Amendment {
            redirect_uris: Some(vec!["https://app.example/cb".into()]),
            permissions: Some(vec!["documents:read".into(), "other:*".into()]),
            access: Some(45),
            ..Amendment::default()
        };
        for kind in ["confidential", "public"] {
            let (name, environment, rest) = ("App".into(), "live".into(), rest.clone());
            let client = NewClient { name, kind: Some(kind.into()), environment, rest }.check().unwrap();
            let form = ClientForm::of(&[("documents:read", "").into()], &client);
            let mut errors = Errors::default();
            let amendment = form.change(&client, &mut errors);
            assert!(errors.is_empty(), "{errors:?}");
            assert_eq!(client.clone().amend(amendment).unwrap(), client);
        }
    }

    #[test]
    fn every_mistake_is_noted_at_once_each_at_its_field() {
        let text = "kind=public&environment=live&preset=chosen&redirect_uris=x&grant_types=client_credentials\
                    &access_token_seconds=1h&refresh_idle_seconds=&refresh_max_seconds=400d";
        let form = ClientForm::sent(&[], &Fields::parse(text.as_bytes()).unwrap(), None);
        let mut errors = Errors::default();
        form.new_client(&mut errors);
        for field in [
            "name",
            "permissions",
            "redirect_uris",
            "grant_types",
            "access_token_seconds",
            "refresh_idle_seconds",
            "refresh_max_seconds",
        ] {
            assert!(errors.has(field), "{field}: {errors:?}");
        }
        assert!(!errors.has("token_endpoint_auth_method"), "{errors:?}");
    }
}
