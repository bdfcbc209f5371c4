//! The pages on which users grant: the authorization endpoint, signing in, the consent, and what
//! was granted (RFC 6749 §4.1).
//!
//! 1. The rules of a request are in `oauth::request` and `oauth::consent`; here they become pages
//!    and redirects.
//! 2. A question is bound to the session that it was asked in and to one request; its form shows a
//!    secret that only this page has, and is good once.
//! 3. After a form everything is a 303: a password never travels on (RFC 9700 §4.12).
//! 4. Browsers hold the redirects after a form to `form-action`, those of the client's site too. So
//!    these pages do without (`headers`).

mod apps;
mod authorize;
mod consent;
mod session;
mod sign_in;

use axum::Router;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};

use super::Site;
use super::error::PageError;
use super::headers::FormsLeadAway;
use crate::oauth::fault::Fault;
use crate::oauth::issuer::Issuer;
use crate::oauth::metadata::AUTHORIZE_PATH;
use crate::oauth::redirect::with_answer;
use crate::oauth::request::{Back, Unsafe};

/// Where a user sees what was granted.
const APPS: &str = "/account/apps";
/// Where a user signs in who came without a request.
const SIGN_IN: &str = "/account/sign-in";
/// Where the answer to a question goes.
const CONSENT: &str = "/oauth/consent";

/// The pages; they are there only if this server issues tokens.
pub(super) fn router() -> Router<Site> {
    Router::new()
        .route(AUTHORIZE_PATH, get(authorize::page))
        .route(CONSENT, post(consent::answer))
        .route(APPS, get(apps::page).post(apps::withdraw))
        .route(SIGN_IN, get(sign_in::page).post(sign_in::sign_in))
        .route("/account/sign-out", post(sign_in::sign_out))
}

/// Sends the user back with a code, or with what went wrong; always with `state` and `iss` (RFC
/// 9207).
fn send_back(issuer: &Issuer, back: &Back, outcome: Result<&str, Fault>) -> Response {
    let mut answer: Vec<(&str, &[u8])> = match &outcome {
        Ok(code) => vec![("code", code.as_bytes())],
        Err(fault) => {
            vec![("error", fault.code.as_bytes()), ("error_description", fault.description.as_bytes())]
        }
    };
    if let Some(state) = &back.state {
        answer.push(("state", state));
    }
    answer.push(("iss", issuer.as_str().as_bytes()));
    let mut response = Redirect::to(&with_answer(&back.redirect_uri, &answer)).into_response();
    response.extensions_mut().insert(FormsLeadAway);
    response
}

/// A page, for nobody may be sent anywhere.
fn page_of(fault: Unsafe) -> PageError {
    PageError::bad_request_of_client(match fault {
        Unsafe::Client => "No application of that id is registered here, or it is disabled.",
        Unsafe::RedirectUri => "The address to return to is not registered for this application.",
    })
}
