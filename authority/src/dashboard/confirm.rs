//! Two small pages that several sections share: "do you mean it?", and a secret that is shown once.

use askama::Template;
use axum::extract::{FromRequest, Request};
use axum::http::Method;
use axum::response::Response;

use super::Site;
use super::error::PageError;
use super::fields::{Errors, Fields};
use super::keys::create::once;
use super::keys::reveal::Reveal;
use super::shell::{Section, Shell, html, html_with};
use super::visitor::{Posted, Visitor};

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
    /// Whether the password is asked for again after a while. Revoking goes without: it only makes
    /// things safer, and nobody who keeps an operator from giving it shall keep them from revoking.
    pub(super) wants_password: bool,
    /// For how long what is replaced continues, where that is asked.
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

/// Somebody who comes to the question, or who answers it.
pub(super) struct Confirmation {
    pub(super) visitor: Visitor,
    /// The form that answers.
    pub(super) fields: Fields,
    is_answered: bool,
}

impl FromRequest<Site> for Confirmation {
    type Rejection = PageError;

    async fn from_request(request: Request, site: &Site) -> Result<Self, PageError> {
        if request.method() == Method::POST {
            let Posted { visitor, fields } = Posted::from_request(request, site).await?;
            return Ok(Self { visitor, fields, is_answered: true });
        }
        let visitor = Visitor::from_request(request, site).await?;
        Ok(Self { visitor, fields: Fields::default(), is_answered: false })
    }
}

impl Confirmation {
    /// What was answered: the overlap, once the password has been confirmed. The error is the page
    /// that asks, where nothing was answered yet or something is missing.
    pub(super) async fn answer(
        &mut self,
        question: &Question<'_>,
    ) -> Result<Result<i64, Response>, PageError> {
        let mut errors = Errors::default();
        if !self.is_answered {
            return self.ask(question, errors).map(Err);
        }
        let overlap = self.fields.get("overlap").parse().ok();
        let overlap = overlap.filter(|one| question.overlaps.iter().any(|(seconds, _)| seconds == one));
        if overlap.is_none() && !question.overlaps.is_empty() {
            errors.add("overlap", "Choose for how long.");
        }
        if errors.is_empty()
            && question.wants_password
            && let Err(problem) = self.visitor.confirm(self.fields.raw("password")).await?
        {
            errors.add("password", problem);
        }
        if !errors.is_empty() {
            return self.ask(question, errors).map(Err);
        }
        Ok(Ok(overlap.unwrap_or_default()))
    }

    fn ask(&self, question: &Question<'_>, errors: Errors) -> Result<Response, PageError> {
        let status = errors.status();
        let page = ConfirmPage {
            shell: Shell::new(&self.visitor, question.section, question.title.clone()),
            question,
            errors,
            once: once()?,
            is_stale: question.wants_password && self.visitor.is_stale(),
        };
        Ok(html_with(status, &page))
    }
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
    html(&SecretPage { shell, lead, what, secret, back })
}
