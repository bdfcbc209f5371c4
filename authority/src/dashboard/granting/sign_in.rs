//! Signing in and out as a user.
//!
//! The form has its own token, a cookie and a field that must be the same, as that of operators
//! has. Afterwards the user is led back to where they came from: a page of this server, and one of
//! two.

use askama::Template;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Redirect, Response};

use super::super::error::PageError;
use super::super::fields::{Fields, link};
use super::super::form_token::FormToken;
use super::super::headers::FormsLeadAway;
use super::super::shell::{Bare, Theme, html};
use super::super::visitor::{cookie, read_form};
use super::super::{MAX_FORM, Site};
use super::{APPS, SIGN_IN, session};
use crate::clock;
use crate::oauth::metadata::AUTHORIZE_PATH;
use crate::oauth::params::Params;
use crate::oauth::request::client_id;
use crate::server::address;
use crate::store::people::sessions::{LIFETIME, SignIn};

const FORM_TOKEN: FormToken = FormToken("__Host-flint_user_form");
/// The longest way back, in bytes: a request may have a long state.
const MAX_NEXT: usize = 32 * 1024;

/// What the form shows.
#[derive(Default)]
pub(super) struct Form {
    pub(super) next: String,
    pub(super) name: String,
    pub(super) problem: String,
    pub(super) notice: &'static str,
    /// What people call the application that sent them here, if one did.
    pub(super) client: String,
}

#[derive(Template)]
#[template(path = "granting/sign_in.html")]
struct SignInPage<'a> {
    bare: Bare,
    token: String,
    next: &'a str,
    name: &'a str,
    problem: &'a str,
    notice: &'static str,
    client: &'a str,
}

/// The form.
pub(super) async fn page(
    State(site): State<Site>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let query = Fields::of_query(&uri)?;
    let next = way_back(query.get("next"));
    if session::of(&site, &headers, clock::now()).await?.is_some() {
        return Ok(Redirect::to(&next).into_response());
    }
    let notice = if query.get("out").is_empty() { "" } else { "You are signed out." };
    let client = client_of(&site, &next).await?;
    show(&headers, Form { next, notice, client, ..Form::default() }, StatusCode::OK)
}

/// What people call the application behind the request that they came with.
async fn client_of(site: &Site, next: &str) -> Result<String, PageError> {
    let query = next.strip_prefix(AUTHORIZE_PATH).and_then(|rest| rest.strip_prefix('?')).unwrap_or_default();
    let params = Params::parse(query.as_bytes());
    let Some(id) = params.as_ref().and_then(client_id) else {
        return Ok(String::new());
    };
    let client = site.store.find_oauth_client(id).await?.filter(|client| client.disabled_at.is_none());
    Ok(client.map(|client| client.registration.name).unwrap_or_default())
}

/// Shows the form.
pub(super) fn show(headers: &HeaderMap, form: Form, status: StatusCode) -> Result<Response, PageError> {
    let (token, new_cookie) = FORM_TOKEN.give(headers)?;
    let mut response = html(&SignInPage {
        bare: Bare::for_users(Theme::of(headers)),
        token,
        next: &form.next,
        name: &form.name,
        problem: &form.problem,
        notice: form.notice,
        client: &form.client,
    });
    *response.status_mut() = status;
    response.extensions_mut().insert(FormsLeadAway);
    if let Some(line) = new_cookie {
        response.headers_mut().append(header::SET_COOKIE, line);
    }
    Ok(response)
}

/// Where to go afterwards: to the request that the user came with, or to what was granted. Nowhere
/// else.
fn way_back(next: &str) -> String {
    let is_ours = next == APPS || next.strip_prefix(AUTHORIZE_PATH).is_some_and(|rest| rest.starts_with('?'));
    let is_plain = next.len() <= MAX_NEXT && next.bytes().all(|byte| byte.is_ascii_graphic());
    if is_ours && is_plain { next.into() } else { APPS.into() }
}

/// Takes name and password. Right or wrong, the answer says nothing else about them.
pub(super) async fn sign_in(State(site): State<Site>, request: Request) -> Result<Response, PageError> {
    let (parts, body) = request.into_parts();
    let fields = read_form(&parts.headers, body, MAX_FORM).await?;
    let (next, name) = (way_back(fields.get("next")), fields.get("name").to_owned());
    let client = client_of(&site, &next).await?;
    let again = |status, problem: &str| {
        let (next, name, client) = (next.clone(), name.clone(), client.clone());
        let form = Form { next, name, problem: problem.into(), client, notice: "" };
        show(&parts.headers, form, status)
    };
    if !FORM_TOKEN.is_repeated(&parts.headers, fields.raw("token")) {
        let problem = "This page was out of date. Please try again. Cookies must be enabled.";
        return again(StatusCode::FORBIDDEN, problem);
    }
    let (password, from) = (fields.raw("password").to_owned(), address(&parts.extensions));
    if name.is_empty() || password.is_empty() {
        return again(StatusCode::UNPROCESSABLE_ENTITY, "Enter your name and your password.");
    }
    let _turn = site.store.turns().sign_in().await?;
    match site.store.sign_in_user(&name, password, from.as_deref(), clock::now()).await? {
        SignIn::Wrong => again(StatusCode::UNPROCESSABLE_ENTITY, "Wrong name or password."),
        SignIn::Throttled(wait) => {
            let problem = format!("Too many attempts. Try again in {wait} seconds.");
            let mut response = again(StatusCode::TOO_MANY_REQUESTS, &problem)?;
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait));
            Ok(response)
        }
        SignIn::Done(secret, _) => {
            if let Some(old) = cookie(&parts.headers, session::COOKIE) {
                site.store.sign_out_user(&old).await?;
            }
            let cookies = [(header::SET_COOKIE, session::set(secret.reveal(), LIFETIME))];
            Ok((cookies, Redirect::to(&next)).into_response())
        }
    }
}

/// Ends the session. Who came with a request signs in as somebody else.
pub(super) async fn sign_out(State(site): State<Site>, request: Request) -> Result<Response, PageError> {
    let (parts, body) = request.into_parts();
    let fields = read_form(&parts.headers, body, MAX_FORM).await?;
    let session = session::of(&site, &parts.headers, clock::now()).await?.ok_or_else(PageError::forged)?;
    if !session.csrf_is(fields.raw("csrf")) {
        return Err(PageError::forged());
    }
    if let Some(value) = cookie(&parts.headers, session::COOKIE) {
        site.store.sign_out_user(&value).await?;
    }
    let cookies = [(header::SET_COOKIE, session::set("", 0))];
    let to = match way_back(fields.get("next")) {
        next if next == APPS => link(SIGN_IN, &[("out", "1")]),
        next => next,
    };
    Ok((cookies, Redirect::to(&to)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9700_4_11_nobody_is_led_to_another_site_after_signing_in() {
        let request = "/oauth/authorize?client_id=x&state=%0A";
        assert_eq!(way_back(request), request);
        for bad in [
            "",
            "//evil.example",
            "https://evil.example",
            "/oauth/authorize",
            "/oauth/authorize.evil.example",
            "/oauth/authorize@evil.example",
            "/account/apps/../../x",
            "/settings/api-keys",
            "/oauth/authorize?\r\nx: y",
            "/oauth/authorize?é",
        ] {
            assert_eq!(way_back(bad), APPS, "{bad}");
        }
    }
}
