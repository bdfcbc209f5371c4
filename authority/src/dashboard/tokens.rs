//! Settings → API tokens: what automation shows to the API of this authority.

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;

use super::Site;
use super::confirm::{Confirmation, Question, show_secret};
use super::error::PageError;
use super::fields::{Errors, Fields};
use super::keys::create::once;
use super::keys::reveal::Reveal;
use super::parts::badge::Badge;
use super::parts::when::{When, day, distance};
use super::path::Path;
use super::shell::{Section, Shell, html_with, lead_to};
use super::visitor::{Posted, Visitor};
use crate::model::DAY;
use crate::store::StoreError;
use crate::store::people::api_tokens::{ApiToken, NewApiToken};

const PATH: &str = "/settings/api-tokens";
const DAYS: [i64; 4] = [30, 90, 180, 365];

#[derive(Template)]
#[template(path = "tokens.html")]
struct TokensPage {
    shell: Shell,
    rows: Vec<TokenRow>,
    form: Form,
    errors: Errors,
    once: String,
    is_stale: bool,
}

struct TokenRow {
    token: ApiToken,
    path: String,
    badge: Badge,
    created: When,
    by: String,
    expires: Option<When>,
    last_used: Option<When>,
    is_over: bool,
}

/// The form for a new token, as typed.
struct Form {
    name: String,
    grants: Vec<(&'static str, bool)>,
    days: String,
    now: i64,
}

/// The pages of tokens.
pub(super) fn router() -> Router<Site> {
    Router::new()
        .route(PATH, get(page).post(create))
        .route("/settings/api-tokens/{id}/revoke", get(revoke).post(revoke))
}

async fn page(visitor: Visitor) -> Result<Response, PageError> {
    let form = Form::new(&visitor, &Fields::default());
    show(&visitor, form, Errors::default()).await
}

async fn show(visitor: &Visitor, form: Form, errors: Errors) -> Result<Response, PageError> {
    let tokens = visitor.store.api_tokens().await?;
    let notice = Some("Token revoked.").filter(|_| visitor.query.get("done") == "revoked");
    let status = errors.status();
    let page = TokensPage {
        shell: Shell::new(visitor, Section::Tokens, "API tokens").with_notice(notice),
        rows: tokens.into_iter().map(|token| TokenRow::new(token, visitor.now)).collect(),
        form,
        errors,
        once: once()?,
        is_stale: visitor.is_stale(),
    };
    Ok(html_with(status, &page))
}

impl TokenRow {
    fn new(token: ApiToken, now: i64) -> Self {
        let badge = match (token.revoked_at, token.expires_at) {
            (Some(at), _) => Badge::new("bad", "Revoked", distance(at, now)),
            (None, Some(end)) if end <= now => Badge::new("quiet", "Expired", distance(end, now)),
            _ => Badge::new("good", "Active", String::new()),
        };
        Self {
            path: format!("{PATH}/{}", token.id),
            is_over: badge.tone != "good",
            badge,
            created: When::day(token.created_at),
            by: super::keys::who(&token.created_by),
            expires: token.expires_at.map(When::day),
            last_used: token.last_used_at.map(|at| When::from_now(at, now)),
            token,
        }
    }
}

impl Form {
    fn new(visitor: &Visitor, fields: &Fields) -> Self {
        let chosen = |name: &str| fields.all("grant").any(|grant| grant == name);
        let days = fields.optional("days").unwrap_or_else(|| "90".into());
        Self {
            name: fields.get("name").into(),
            grants: visitor.grants.iter().map(|name| (*name, chosen(name))).collect(),
            days,
            now: visitor.now,
        }
    }

    fn expiries(&self) -> Vec<(String, String, bool)> {
        let mut all: Vec<_> = DAYS
            .map(|days| (days.to_string(), format!("{days} days, until {}", day(self.now + days * DAY))))
            .into();
        all.push(("none".into(), "Never".into()));
        all.into_iter().map(|(word, label)| (word.clone(), label, word == self.days)).collect()
    }

    fn read(&self, errors: &mut Errors) -> NewApiToken {
        let days = DAYS.into_iter().find(|days| days.to_string() == self.days);
        if days.is_none() && self.days != "none" {
            errors.add("days", "Choose when the token expires.");
        }
        let chosen = self.grants.iter().filter(|grant| grant.1).map(|grant| grant.0.to_owned());
        NewApiToken {
            name: self.name.clone(),
            permissions: chosen.collect(),
            expires_at: days.map(|days| self.now + days * DAY),
        }
    }
}

async fn create(posted: Posted) -> Result<Response, PageError> {
    let Posted { mut visitor, fields } = posted;
    let (form, mut errors) = (Form::new(&visitor, &fields), Errors::default());
    let new = form.read(&mut errors);
    if let Err(problem) = visitor.confirm(fields.raw("password")).await? {
        errors.add("password", problem);
    }
    if !errors.is_empty() {
        return show(&visitor, form, errors).await;
    }
    let making = visitor.once(&fields, "the token", |store, now, actor| async move {
        store.create_api_token(new, now, &actor).await
    });
    match making.await? {
        Ok((token, secret)) => {
            let lead = "Programs send it to this authority’s API as a bearer token.";
            let secret = Reveal::new(secret.reveal(), secret.hint(), "FLINT_API_TOKEN");
            Ok(show_secret(&visitor, (Section::Tokens, &token.name), ("API token", lead), secret, PATH))
        }
        Err(StoreError::Invalid(mistakes)) => {
            errors.add_all(mistakes);
            show(&visitor, form, errors).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn find(visitor: &Visitor, id: &str) -> Result<ApiToken, PageError> {
    let found = visitor.store.api_tokens().await?.into_iter().find(|token| token.id == id);
    found.ok_or_else(|| PageError::not_found("token"))
}

fn revocation(token: &ApiToken) -> Question<'static> {
    Question {
        section: Section::Tokens,
        title: format!("Revoke {}?", token.name),
        text: "The API refuses it from now on. A revoked token can never be used again.",
        verb: "Revoke permanently",
        is_grave: true,
        wants_password: false,
        overlaps: &[],
        back: PATH,
    }
}

async fn revoke(Path(id): Path, mut asked: Confirmation) -> Result<Response, PageError> {
    let token = find(&asked.visitor, &id).await?;
    if let Err(again) = asked.answer(&revocation(&token)).await? {
        return Ok(again);
    }
    let Confirmation { visitor, .. } = &asked;
    visitor.store.revoke_api_token(&id, visitor.now, &visitor.actor()).await?;
    Ok(lead_to("/settings/api-tokens?done=revoked"))
}
