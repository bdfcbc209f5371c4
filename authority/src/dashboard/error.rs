//! Errors as pages: the one place with the status codes of the dashboard.

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};

use super::fields::link;
use super::shell::{Bare, Theme, html};
use crate::store::StoreError;

/// A page that says what is wrong and where to go from there. The middleware makes the page
/// (`headers`).
#[derive(Clone, Debug)]
pub(super) struct PageError {
    status: StatusCode,
    title: &'static str,
    message: String,
    redirect: Option<String>,
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    bare: Bare,
    status: u16,
    title: &'static str,
    message: String,
    /// Where to go from there: what the link says, and its address.
    way_out: Option<(&'static str, &'static str)>,
}

impl PageError {
    fn new(status: StatusCode, title: &'static str, message: impl Into<String>) -> Self {
        Self { status, title, message: message.into(), redirect: None }
    }

    /// There is no such thing, or not any more.
    pub(super) fn not_found(what: &str) -> Self {
        let message =
            format!("This {what} does not exist. It may have been removed, or the address may be mistyped.");
        Self::new(StatusCode::NOT_FOUND, "Not found", message)
    }

    /// The page is there, and does not take this.
    pub(super) fn method_not_allowed() -> Self {
        let message = "This page does not support that method.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", message)
    }

    /// Nobody is signed in. A page leads to the one for signing in and back; a form that was sent
    /// is lost, and says so.
    pub(super) fn signed_out(back: Option<&str>) -> Self {
        let to = back.map_or_else(|| "/sign-in?ended=1".into(), |path| link("/sign-in", &[("next", path)]));
        Self { redirect: Some(to), ..Self::new(StatusCode::SEE_OTHER, "Sign in", "Sign in first.") }
    }

    /// The form does not show the session's token.
    pub(super) fn forged() -> Self {
        let message = "The page that you sent is out of date, most likely because you signed in again since it was \
                       loaded. Nothing was changed. Go back, reload the page and send it again.";
        Self::new(StatusCode::FORBIDDEN, "Please reload the page", message)
    }

    /// Another site sent this.
    pub(super) fn foreign() -> Self {
        let message = "The request came from another site’s page. Nothing was changed.";
        Self::new(StatusCode::FORBIDDEN, "Refused", message)
    }

    /// The form is larger than any of ours.
    pub(super) fn too_large() -> Self {
        let message = "The form you sent is too large. Nothing was changed.";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "Too large", message)
    }

    /// The form came too slowly.
    pub(super) fn too_slow() -> Self {
        let message = "The form arrived too slowly. Nothing was changed. Try again.";
        Self::new(StatusCode::REQUEST_TIMEOUT, "Too slow", message)
    }

    /// The form or the query cannot be read.
    pub(super) fn unreadable() -> Self {
        let message = "The form could not be read. Nothing was changed.";
        Self::new(StatusCode::BAD_REQUEST, "Unreadable request", message)
    }

    /// The address has something in it that no page of ours puts there.
    pub(super) fn bad_link(what: &str) -> Self {
        let message = format!("This address is not valid: {what}. Start again from the list.");
        Self::new(StatusCode::BAD_REQUEST, "Invalid address", message)
    }

    /// Nothing can be done with a revoked key.
    pub(super) fn revoked() -> Self {
        let message = "The key is revoked, and a revoked key can never be used again. Nothing was changed.";
        Self::new(StatusCode::CONFLICT, "Already revoked", message)
    }

    /// Nobody shuts themselves out by accident.
    pub(super) fn not_oneself() -> Self {
        let message = "You cannot do this to yourself. Ask another operator, or use the command line.";
        Self::new(StatusCode::CONFLICT, "Not on yourself", message)
    }

    /// An application sent the user here with a request that cannot be answered to it.
    pub(super) fn bad_request_of_client(what: &str) -> Self {
        let message =
            format!("The application that sent you here made a mistake. {what} Nothing was granted.");
        Self::new(StatusCode::BAD_REQUEST, "This request cannot be answered", message)
    }

    /// The answer to a question has something that was not offered.
    pub(super) fn not_offered() -> Self {
        let message = "The form contains something that was not requested. Nothing was granted.";
        Self::new(StatusCode::BAD_REQUEST, "Not what was requested", message)
    }

    /// The question was answered before.
    pub(super) fn answered_before() -> Self {
        let message = "You have answered this question before. Start again from the application.";
        Self::new(StatusCode::CONFLICT, "Already answered", message)
    }

    /// The form was already submitted.
    pub(super) fn sent_before(what: &str) -> Self {
        let message = format!(
            "This form was already submitted: {what} is not created twice. A secret is shown once and cannot be shown \
             again. If there was one and you did not save it, rotate or revoke it, and create a new one."
        );
        Self::new(StatusCode::CONFLICT, "Already done", message)
    }

    /// The database does not answer.
    pub(super) fn unavailable() -> Self {
        let message = "The authority cannot reach its database. Try again in a moment.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Unavailable", message)
    }

    /// Somebody has changed the files of the database.
    fn unsafe_files() -> Self {
        let message = "The files of the authority's database were changed from outside. It refuses to write to them until \
                       flint serve is restarted; its log says what happened.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Not available", message)
    }

    /// As much is under way as may be.
    fn busy() -> Self {
        let message = "Too much is being asked of the authority at the moment. Nothing was changed. Try again in a moment.";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "Busy", message)
    }

    /// Something is wrong with the program or with what is in its database.
    pub(super) fn internal() -> Self {
        let message = "The authority failed. Its log says why; trying again does not help.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong", message)
    }

    /// The page with everything that it needs to know of who asked. Users are not led to the pages
    /// of operators, and nobody who came with a request is led anywhere.
    pub(super) fn render(self, path: &str, theme: Theme) -> Response {
        if let Some(to) = self.redirect {
            return Redirect::to(&to).into_response();
        }
        let (bare, way_out) = match (is_for_users(path), path.starts_with("/account/")) {
            (false, _) => (Bare::new(theme), Some(("Back to API keys", super::HOME))),
            (true, true) => (Bare::for_users(theme), Some(("Your apps", "/account/apps"))),
            (true, false) => (Bare::for_users(theme), None),
        };
        let page = ErrorPage {
            bare,
            way_out,
            status: self.status.as_u16(),
            title: self.title,
            message: self.message,
        };
        let mut response = html(&page);
        *response.status_mut() = self.status;
        response
    }
}

/// Whether a path is one of users, and not of operators.
fn is_for_users(path: &str) -> bool {
    path.starts_with("/oauth/") || path.starts_with("/account/")
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(what) => Self::not_found(what),
            StoreError::Invalid(mistakes) => {
                let list: Vec<_> =
                    mistakes.iter().map(|one| format!("{} {}", one.field, one.message)).collect();
                let message = format!("{}. Nothing was changed.", list.join("; "));
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Not possible", message)
            }
            StoreError::Exists(_)
            | StoreError::Full(_)
            | StoreError::NotPossible(_)
            | StoreError::GatewayRevoked
            | StoreError::KeyWasRevoked
            | StoreError::Refused(_) => {
                Self::new(StatusCode::CONFLICT, "Not possible", format!("Nothing was changed: {error}."))
            }
            StoreError::Busy => Self::busy(),
            StoreError::Unsafe(_) => Self::unsafe_files(),
            failed => {
                tracing::error!(error = %failed, "a page failed");
                if failed.is_away() { Self::unavailable() } else { Self::internal() }
            }
        }
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response.extensions_mut().insert(self);
        response
    }
}
