//! Signing in and out, and the choice of light or dark.
//!
//! A visitor who is not signed in has no session whose token a form could repeat. The form to sign
//! in has its own token: see `form_token`.

use askama::Template;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Redirect, Response};

use super::HOME;
use super::Site;
use super::error::PageError;
use super::fields::Fields;
use super::form_token::FormToken;
use super::shell::{Bare, Theme, html};
use super::visitor::{COOKIE, Posted, cookie, local_path, read_form, session_cookie};
use crate::clock;
use crate::server::address;
use crate::store::people::sessions::{LIFETIME, SignIn};

/// The largest form for signing in, in bytes: a name, a password and where to go, each letter as
/// three.
const MAX_FORM: usize = 16 * 1024;
const FORM_TOKEN: FormToken = FormToken("__Host-flint_form");

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    bare: Bare,
    token: String,
    next: String,
    name: String,
    problem: String,
    notice: &'static str,
}

/// The form.
pub(super) async fn page(
    State(site): State<Site>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let query = Fields::of_query(&uri)?;
    let next = local_path(query.get("next")).unwrap_or(HOME).to_owned();
    if let Some(cookie) = cookie(&headers, COOKIE)
        && site.store.session(&cookie, clock::now()).await?.is_some()
    {
        return Ok(Redirect::to(&next).into_response());
    }
    let notice = match (query.get("ended"), query.get("out")) {
        ("", "") => "",
        ("", _) => "You are signed out.",
        _ => "Your session has ended. Nothing was changed.",
    };
    show(&headers, next, String::new(), "", StatusCode::OK, notice)
}

fn show(
    headers: &HeaderMap,
    next: String,
    name: String,
    problem: &str,
    status: StatusCode,
    notice: &'static str,
) -> Result<Response, PageError> {
    let (token, new_cookie) = FORM_TOKEN.give(headers)?;
    let bare = Bare::new(Theme::of(headers));
    let mut response = html(&SignInPage { bare, token, next, name, problem: problem.into(), notice });
    *response.status_mut() = status;
    if let Some(line) = new_cookie {
        response.headers_mut().append(header::SET_COOKIE, line);
    }
    Ok(response)
}

/// Takes name and password. Right or wrong, the answer says nothing else about them.
pub(super) async fn sign_in(State(site): State<Site>, request: Request) -> Result<Response, PageError> {
    let (parts, body) = request.into_parts();
    let fields = read_form(&parts.headers, body, MAX_FORM).await?;
    let next = local_path(fields.get("next")).unwrap_or(HOME).to_owned();
    let name = fields.get("name").to_owned();
    let again = |status, problem: &str| show(&parts.headers, next.clone(), name.clone(), problem, status, "");
    if !FORM_TOKEN.is_repeated(&parts.headers, fields.raw("token")) {
        let problem = "This page was out of date. Please try again. Cookies must be enabled.";
        return again(StatusCode::FORBIDDEN, problem);
    }
    let (password, from) = (fields.raw("password").to_owned(), address(&parts.extensions));
    if name.is_empty() || password.is_empty() {
        return again(StatusCode::UNPROCESSABLE_ENTITY, "Enter your name and your password.");
    }
    let _turn = site.store.turns().sign_in().await?;
    match site.store.sign_in(&name, password, from.as_deref(), clock::now()).await? {
        SignIn::Wrong => again(StatusCode::UNPROCESSABLE_ENTITY, "Wrong name or password."),
        SignIn::Throttled(wait) => {
            let problem = format!("Too many attempts. Try again in {wait} seconds.");
            let mut response = again(StatusCode::TOO_MANY_REQUESTS, &problem)?;
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait));
            Ok(response)
        }
        SignIn::Done(secret, _) => {
            if let Some(old) = cookie(&parts.headers, COOKIE) {
                site.store.sign_out(&old).await?;
            }
            let cookies = [(header::SET_COOKIE, session_cookie(secret.reveal(), LIFETIME))];
            Ok((cookies, Redirect::to(&next)).into_response())
        }
    }
}

/// Ends the session.
pub(super) async fn sign_out(posted: Posted) -> Result<Response, PageError> {
    posted.visitor.sign_out().await?;
    Ok(([(header::SET_COOKIE, session_cookie("", 0))], Redirect::to("/sign-in?out=1")).into_response())
}

/// Light, dark, or as the system has it: kept in a cookie, because it belongs to a screen and not
/// to a person.
pub(super) async fn theme(posted: Posted) -> Response {
    let theme = Theme::parse(posted.fields.get("theme"));
    let line = format!(
        "{}={}; Path=/; Max-Age=31536000; Secure; HttpOnly; SameSite=Lax",
        Theme::COOKIE,
        theme.as_str()
    );
    let to = local_path(posted.fields.get("back")).unwrap_or(HOME);
    let mut response = Redirect::to(to).into_response();
    if let Ok(line) = HeaderValue::from_str(&line) {
        response.headers_mut().append(header::SET_COOKIE, line);
    }
    response
}
