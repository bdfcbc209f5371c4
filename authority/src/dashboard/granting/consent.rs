//! The question whether an application may act for a user, and the answer.

use askama::Template;
use axum::extract::{Request, State};
use axum::response::Response;
use flint_contract::key::Environment;

use super::super::error::PageError;
use super::super::headers::FormsLeadAway;
use super::super::shell::{Bare, Theme, html};
use super::super::visitor::read_form;
use super::super::{MAX_FORM, Site};
use super::authorize::Coming;
use super::{APPS, CONSENT, send_back, session};
use crate::clock;
use crate::oauth::consent::{self, Answer};
use crate::oauth::fault::Fault;
use crate::oauth::redirect::shown_host;
use crate::oauth::request::AuthorizationRequest;
use crate::oauth::scope;
use crate::server::address;
use crate::store::keys::catalogue::Offered;
use crate::store::oauth::questions::Coded;
use crate::store::oauth::sessions::UserSession;

/// How many permissions are listed that were not asked for.
const MOST_NOT_ASKED: usize = 5;

#[derive(Template)]
#[template(path = "granting/consent.html")]
struct ConsentPage<'a> {
    bare: Bare,
    action: &'static str,
    apps: &'static str,
    client: &'a str,
    host: &'a str,
    resource: &'a str,
    is_test: bool,
    user: &'a str,
    token: &'a str,
    csrf: &'a str,
    here: &'a str,
    /// What the user may allow.
    asked: Vec<Permission>,
    is_everything: bool,
    /// What was asked for and the user does not hold.
    withheld: Vec<Permission>,
    /// What the user holds and was not asked for; not more than fits.
    not_asked: Vec<Permission>,
    /// How much more of that there is.
    unlisted: usize,
}

/// A permission in words.
pub(super) struct Permission {
    pub(super) name: String,
    pub(super) words: String,
}

impl Permission {
    /// The catalogue's words, if it has any.
    pub(super) fn all(list: &[String], catalogue: &[Offered]) -> Vec<Self> {
        list.iter().map(|name| Self { name: name.clone(), words: words(name, catalogue) }).collect()
    }
}

fn words(name: &str, catalogue: &[Offered]) -> String {
    let known = catalogue.iter().find(|offered| offered.name == name && !offered.description.is_empty());
    match (known, name.strip_suffix(":*")) {
        (Some(offered), _) => offered.description.clone(),
        (None, Some(resource)) => format!("Everything with {resource}, including what is added later"),
        (None, None) if name == "*" => "Everything, including what is added later".into(),
        (None, None) => String::new(),
    }
}

/// What a token may be used on, as a user is shown it.
pub(super) fn shown_resource(resource: &str) -> &str {
    resource.strip_prefix("https://").unwrap_or(resource)
}

/// What is offered, and somebody holds, and nobody asked for.
fn not_asked(asked: &[String], held: &[String], catalogue: &[Offered]) -> Vec<String> {
    let names = catalogue.iter().map(|offered| &offered.name);
    names.filter(|name| scope::covers(held, name) && !scope::covers(asked, name)).cloned().collect()
}

/// The question.
pub(super) fn show(
    coming: &Coming<'_>,
    session: &UserSession,
    asked: &AuthorizationRequest,
    token: &str,
    catalogue: &[Offered],
) -> Response {
    let mut not_asked = not_asked(&asked.scope, &session.user.permissions, catalogue);
    let unlisted = not_asked.len().saturating_sub(MOST_NOT_ASKED);
    not_asked.truncate(MOST_NOT_ASKED);
    let withheld = coming.asked.scope.iter().filter(|one| !scope::covers(&asked.scope, one));
    let withheld: Vec<String> = withheld.cloned().collect();
    let page = ConsentPage {
        bare: Bare::for_users(Theme::of(coming.headers)),
        action: CONSENT,
        apps: APPS,
        client: &coming.client.registration.name,
        host: shown_host(&asked.back.redirect_uri),
        resource: shown_resource(&asked.resource),
        is_test: coming.client.registration.environment == Environment::Test,
        user: &session.user.name,
        token,
        csrf: &session.csrf_token,
        here: &coming.here,
        asked: Permission::all(&asked.scope, catalogue),
        is_everything: asked.scope.iter().any(|one| one == "*"),
        withheld: Permission::all(&withheld, catalogue),
        not_asked: Permission::all(&not_asked, catalogue),
        unlisted,
    };
    let mut response = html(&page);
    response.extensions_mut().insert(FormsLeadAway);
    response
}

/// The answer. It counts once, in the session that was asked.
pub(super) async fn answer(State(site): State<Site>, request: Request) -> Result<Response, PageError> {
    let (parts, body) = request.into_parts();
    let server = site.oauth.clone().ok_or_else(|| PageError::not_found("page"))?;
    let (fields, now) = (read_form(&parts.headers, body, MAX_FORM).await?, clock::now());
    let session = session::of(&site, &parts.headers, now).await?.ok_or_else(PageError::forged)?;
    let token = fields.raw("request");
    let question = site.store.question(token, &session.digest, now).await?.ok_or_else(PageError::forged)?;
    let ticked: Vec<&str> = fields.all("scope").collect();
    let answer = consent::answer(&question.asked.scope, fields.get("decision"), &ticked);
    let answer = answer.map_err(|_| PageError::not_offered())?;
    if question.is_answered {
        return Err(PageError::answered_before());
    }
    let back = |outcome| send_back(&server.issuer, &question.asked.back, outcome);
    let Answer::Granted(left) = answer else {
        let is_first = site.store.refuse(token, now).await?;
        return if is_first {
            Ok(back(Err(Fault::access_denied())))
        } else {
            Err(PageError::answered_before())
        };
    };
    let (who, actor) =
        ((session.user.id.as_str(), left.as_slice()), session.actor(address(&parts.extensions)));
    match site.store.grant_code(Some(token), &question, who, now, &actor).await? {
        Coded::Code(code) => Ok(back(Ok(code.reveal()))),
        Coded::Again => Err(PageError::answered_before()),
        Coded::Denied => Ok(back(Err(Fault::access_denied()))),
    }
}
