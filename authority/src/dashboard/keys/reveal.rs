//! A new key's secret, in the one answer that has it.

use askama::Template;
use axum::response::Response;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::path_of;
use crate::dashboard::parts::when::When;
use crate::dashboard::shell::{Section, Shell, html};
use crate::dashboard::visitor::Visitor;
use crate::model::Key;
use crate::store::keys::Made;

#[derive(Template)]
#[template(path = "keys/reveal.html")]
struct RevealPage<'a> {
    shell: Shell,
    secret: Reveal<'a>,
    name: &'a str,
    path: String,
    environment: &'static str,
    expires: Option<When>,
    old: Option<Old>,
}

/// What any page that reveals a secret shows.
pub(in crate::dashboard) struct Reveal<'a> {
    pub(in crate::dashboard) value: &'a str,
    pub(in crate::dashboard) masked: String,
    /// A `.env` file, as an address that holds it. A password has none.
    pub(in crate::dashboard) file: Option<String>,
}

/// The key that is taken over from.
struct Old {
    name: String,
    path: String,
    end: Option<When>,
}

impl<'a> Reveal<'a> {
    /// `variable` is what the secret is called in an environment; empty for what belongs in none.
    pub(in crate::dashboard) fn new(value: &'a str, masked: String, variable: &'static str) -> Self {
        let file = Some(variable).filter(|name| !name.is_empty()).map(|name| {
            let line = format!("{name}={value}\n");
            format!("data:text/plain;charset=utf-8,{}", utf8_percent_encode(&line, NON_ALPHANUMERIC))
        });
        Self { value, masked, file }
    }
}

/// The page, for a key that was made or that takes over from `old`.
pub(super) fn page(visitor: &Visitor, made: &Made, old: Option<&Key>) -> Response {
    let key = &made.key;
    let title = if old.is_some() { "Key rotated" } else { "Key generated" };
    html(&RevealPage {
        shell: Shell::new(visitor, Section::Keys, title).in_environment(Some(key.environment)).leading_home(),
        secret: Reveal::new(made.secret.reveal(), made.secret.hint(), "FLINT_API_KEY"),
        name: &key.name,
        path: path_of(&key.id),
        environment: key.environment.as_str(),
        expires: key.expires_at.map(When::day),
        old: old.map(|old| Old {
            name: old.name.clone(),
            path: path_of(&old.id),
            end: old
                .expires_at
                .filter(|_| old.revoked_at.is_none())
                .map(|end| When::from_now(end, visitor.now)),
        }),
    })
}
