//! Two small pages that several sections share: "do you mean it?", and a secret that is shown once.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use super::error::PageError;
use super::fields::{Errors, Fields};
use super::keys::create::once;
use super::keys::reveal::Reveal;
use super::shell::{Section, Shell};
use super::visitor::Visitor;

/// A question before something is done.
#[derive(Template)]
#[template(path = "confirm.html")]
struct ConfirmPage<'a> {
    shell: Shell,
    question: &'a Question<'a>,
    errors: Errors,
    once: String,
    is_stale: bool,
}

/// What is asked.
pub(super) struct Question<'a> {
    pub(super) section: Section,
    pub(super) title: String,
    pub(super) text: &'a str,
    /// What the button says.
    pub(super) verb: &'a str,
    pub(super) is_grave: bool,
    /// For how long what is replaced goes on, where that is asked.
    pub(super) overlaps: &'a [(i64, &'a str)],
    /// The page that Cancel leads to.
    pub(super) back: &'a str,
}

/// A secret, shown once.
#[derive(Template)]
#[template(path = "secret.html")]
struct SecretPage<'a> {
    shell: Shell,
    lead: &'a str,
    what: &'a str,
    secret: Reveal<'a>,
    back: &'a str,
}

/// Asks.
pub(super) fn ask(visitor: &Visitor, question: &Question<'_>, errors: Errors) -> Result<Response, PageError> {
    let is_wrong = !errors.is_empty();
    let page = ConfirmPage {
        shell: Shell::new(visitor, question.section, question.title.clone()),
        question,
        errors,
        once: once()?,
        is_stale: visitor.is_stale(),
    };
    let mut response = visitor.page(&page);
    if is_wrong {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}

/// What was answered: the overlap, once the password has been confirmed. Asks again where something is missing.
pub(super) async fn answered(
    visitor: &mut Visitor,
    fields: &Fields,
    question: &Question<'_>,
) -> Result<Result<i64, Response>, PageError> {
    let mut errors = Errors::default();
    let overlap = fields.get("overlap").parse().ok();
    let overlap = overlap.filter(|one| question.overlaps.iter().any(|(seconds, _)| seconds == one));
    if overlap.is_none() && !question.overlaps.is_empty() {
        errors.add("overlap", "Choose for how long.");
    }
    if errors.is_empty()
        && let Err(problem) = visitor.confirm(fields.raw("password")).await?
    {
        errors.add("password", problem);
    }
    if !errors.is_empty() {
        return ask(visitor, question, errors).map(Err);
    }
    Ok(Ok(overlap.unwrap_or_default()))
}

/// Shows a secret in the answer to the form that made it.
pub(super) fn show_secret<'a>(
    visitor: &Visitor,
    (section, title): (Section, &str),
    (what, lead): (&'a str, &'a str),
    secret: Reveal<'a>,
    back: &'a str,
) -> Response {
    let shell = Shell::new(visitor, section, title).leading_home();
    visitor.page(&SecretPage { shell, lead, what, secret, back })
}
