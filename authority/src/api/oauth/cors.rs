//! Other origins: which endpoints their scripts may call, always without credentials of the
//! browser.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

/// Lets scripts of any origin call, and answers the question that browsers ask before.
pub(super) async fn any_origin(request: Request, next: Next) -> Response {
    let is_asked_before = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ORIGIN)
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response =
        if is_asked_before { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    set(headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    if is_asked_before {
        set(headers, header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST");
        // The star does not stand for the header with credentials.
        set(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, "*, authorization");
        set(headers, header::ACCESS_CONTROL_MAX_AGE, "600");
    } else {
        set(headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, "www-authenticate, retry-after");
    }
    response
}

fn set(headers: &mut HeaderMap, name: header::HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}
