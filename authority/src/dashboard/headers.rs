//! What every answer of the dashboard carries, and how a refusal becomes a page.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::error::PageError;
use super::shell::Theme;
use super::visitor::Renewal;
use crate::server::{is_over_tls, is_text};

/// Only what this server sends: no script or style inside a page, no frame around it, no form to
/// elsewhere. `connect-src` is for the page that refreshes itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The same for pages whose forms end at a client: browsers hold every redirect after a form to
/// `form-action`, those of the client's site too, which nobody here knows.
const POLICY_AWAY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                           frame-ancestors 'none'; base-uri 'none'";

/// Marks an answer whose forms end elsewhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct FormsLeadAway;

/// Refuses what another site sends, makes a page of a refusal, and sets the headers.
pub(super) async fn dress(mut request: Request, next: Next) -> Response {
    let renewal = Renewal::default();
    request.extensions_mut().insert(renewal.clone());
    let theme = Theme::of(request.headers());
    let path = request.uri().path().to_owned();
    let over_tls = is_over_tls(request.extensions());
    let mut response = if !request.method().is_safe() && !comes_from_here(request.headers()) {
        PageError::foreign().into_response()
    } else if !is_text(&path) {
        PageError::not_found("page").into_response()
    } else {
        next.run(request).await
    };
    if let Some(error) = response.extensions_mut().remove::<PageError>() {
        let kept = std::mem::take(response.headers_mut());
        response = error.render(&path, theme);
        response.headers_mut().extend(kept.into_iter().filter_map(|(name, value)| Some((name?, value))));
    }
    let leads_away = response.extensions_mut().remove::<FormsLeadAway>().is_some();
    let policy = if leads_away { POLICY_AWAY } else { POLICY };
    let headers = response.headers_mut();
    if let Some(cookie) = renewal.take() {
        headers.append(header::SET_COOKIE, cookie);
    }
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.insert("permissions-policy", HeaderValue::from_static("clipboard-write=(self)"));
    if over_tls {
        // Over plain HTTP anyone on the way could have written it, and browsers do not heed it.
        let year = HeaderValue::from_static("max-age=31536000; includeSubDomains");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    response
}

/// Whether a browser says that a page of this server sent the request. One that says nothing is an
/// old one or none: the token in the form decides alone then.
fn comes_from_here(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none")
}
