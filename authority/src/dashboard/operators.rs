//! Settings → Operators: who may sign in, and one's own password.

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};

use super::Site;
use super::confirm::{Confirmation, Question, show_secret};
use super::error::PageError;
use super::fields::Errors;
use super::keys::create::once;
use super::keys::reveal::Reveal;
use super::parts::badge::Badge;
use super::parts::when::{When, distance};
use super::path::Path;
use super::shell::{Section, Shell, html_with, lead_to};
use super::visitor::{Posted, Visitor};
use crate::store::StoreError;
use crate::store::people::operators::Operator;

const PATH: &str = "/settings/operators";
/// What stands for a password that is not shown.
const DOTS: &str = "••••••••••••••••";

#[derive(Template)]
#[template(path = "operators.html")]
struct OperatorsPage {
    shell: Shell,
    rows: Vec<OperatorRow>,
    name: String,
    errors: Errors,
    once: String,
    is_stale: bool,
}

struct OperatorRow {
    name: String,
    path: String,
    created: When,
    by: String,
    badge: Badge,
    is_self: bool,
    is_out: bool,
}

/// The pages of operators.
pub(super) fn router() -> Router<Site> {
    Router::new()
        .route(PATH, get(page).post(create))
        .route("/settings/password", post(change_own))
        .route("/settings/operators/{id}/password", get(reset_password).post(reset_password))
        .route("/settings/operators/{id}/disable", get(disable).post(disable))
}

async fn page(visitor: Visitor) -> Result<Response, PageError> {
    show(&visitor, String::new(), Errors::default()).await
}

async fn show(visitor: &Visitor, name: String, errors: Errors) -> Result<Response, PageError> {
    let notice = match visitor.query.get("done") {
        "disabled" => Some("The operator is disabled and signed out everywhere."),
        "password" => Some("Your password was changed. You are signed out everywhere else."),
        _ => None,
    };
    let own = &visitor.session.operator.id;
    let rows = visitor.store.operators().await?.into_iter().map(|operator| OperatorRow {
        path: format!("{PATH}/{}", operator.id),
        created: When::day(operator.created_at),
        by: super::keys::who(&operator.created_by),
        badge: match operator.disabled_at {
            Some(at) => Badge::new("bad", "Disabled", distance(at, visitor.now)),
            None => Badge::new("good", "Active", String::new()),
        },
        is_self: operator.id == *own,
        is_out: operator.disabled_at.is_some(),
        name: operator.name,
    });
    let status = errors.status();
    let page = OperatorsPage {
        shell: Shell::new(visitor, Section::Operators, "Operators").with_notice(notice),
        rows: rows.collect(),
        name,
        errors,
        once: once()?,
        is_stale: visitor.is_stale(),
    };
    Ok(html_with(status, &page))
}

async fn create(posted: Posted) -> Result<Response, PageError> {
    let Posted { mut visitor, fields } = posted;
    let (name, mut errors) = (fields.get("name").to_owned(), Errors::default());
    if let Err(problem) = visitor.confirm(fields.raw("password")).await? {
        errors.add("password", problem);
        return show(&visitor, name, errors).await;
    }
    let new = name.clone();
    let making = visitor.once(&fields, "the operator", |store, now, actor| async move {
        store.create_operator(&new, now, &actor).await
    });
    match making.await? {
        Ok((operator, password)) => {
            let lead = "Pass it on in person or through a password manager. The operator can change it after signing in.";
            let secret = Reveal::new(password.reveal(), DOTS.into(), "");
            Ok(show_secret(&visitor, (Section::Operators, &operator.name), ("Password", lead), secret, PATH))
        }
        Err(StoreError::Invalid(mistakes)) => {
            errors.add_all(mistakes);
            show(&visitor, name, errors).await
        }
        Err(StoreError::Exists(_)) => {
            errors.add("name", "An operator with this name already exists.");
            show(&visitor, name, errors).await
        }
        Err(error) => Err(error.into()),
    }
}

/// One's own password: the present one proves who asks, whatever the session says.
async fn change_own(posted: Posted) -> Result<Response, PageError> {
    let Posted { mut visitor, fields } = posted;
    let (new, mut errors) = (fields.raw("new").to_owned(), Errors::default());
    if new != fields.raw("again") {
        errors.add("again", "The passwords do not match.");
        return show(&visitor, String::new(), errors).await;
    }
    visitor.require_password();
    if let Err(problem) = visitor.confirm(fields.raw("current")).await? {
        errors.add("current", problem);
        return show(&visitor, String::new(), errors).await;
    }
    let name = visitor.session.operator.name.clone();
    match visitor.store.set_password(&name, Some(new.clone()), visitor.now, &visitor.actor()).await {
        Ok(_) => {}
        Err(StoreError::Invalid(_)) => {
            errors.add("new", "Use at least 12 characters and at most 1024 bytes.");
            return show(&visitor, String::new(), errors).await;
        }
        Err(error) => return Err(error.into()),
    }
    // All sessions have ended; this one begins again.
    visitor.require_password();
    match visitor.confirm(&new).await? {
        Ok(()) => Ok(lead_to("/settings/operators?done=password")),
        Err(_) => Err(PageError::signed_out(None)),
    }
}

async fn find(visitor: &Visitor, id: &str) -> Result<Operator, PageError> {
    let found = visitor.store.operators().await?.into_iter().find(|operator| operator.id == id);
    let found = found.ok_or_else(|| PageError::not_found("operator"))?;
    if found.id == visitor.session.operator.id {
        return Err(PageError::not_oneself());
    }
    Ok(found)
}

fn password_question(operator: &Operator) -> Question<'static> {
    Question {
        section: Section::Operators,
        title: format!("Reset the password of {}?", operator.name),
        text: "You will see the new password once. The operator is signed out everywhere.",
        verb: "Reset password",
        is_grave: false,
        wants_password: true,
        overlaps: &[],
        back: PATH,
    }
}

async fn reset_password(Path(id): Path, mut asked: Confirmation) -> Result<Response, PageError> {
    let operator = find(&asked.visitor, &id).await?;
    if let Err(again) = asked.answer(&password_question(&operator)).await? {
        return Ok(again);
    }
    let Confirmation { visitor, fields, .. } = &asked;
    let name = operator.name.clone();
    let making = visitor.once(fields, "the password", |store, now, actor| async move {
        store.set_password(&name, None, now, &actor).await
    });
    let password = making.await??.ok_or_else(PageError::unreadable)?;
    let lead =
        "Pass it on in person or through a password manager. The operator can change it after signing in.";
    let secret = Reveal::new(password.reveal(), DOTS.into(), "");
    Ok(show_secret(visitor, (Section::Operators, &operator.name), ("Password", lead), secret, PATH))
}

fn disable_question(operator: &Operator) -> Question<'static> {
    Question {
        section: Section::Operators,
        title: format!("Disable {}?", operator.name),
        text: "The operator is signed out everywhere and can no longer sign in. Their entries stay in the audit log.",
        verb: "Disable",
        is_grave: true,
        wants_password: true,
        overlaps: &[],
        back: PATH,
    }
}

async fn disable(Path(id): Path, mut asked: Confirmation) -> Result<Response, PageError> {
    let operator = find(&asked.visitor, &id).await?;
    if let Err(again) = asked.answer(&disable_question(&operator)).await? {
        return Ok(again);
    }
    let Confirmation { visitor, .. } = &asked;
    visitor.store.disable_operator(&operator.name, visitor.now, &visitor.actor()).await?;
    Ok(lead_to("/settings/operators?done=disabled"))
}
