//! `GET /v1/audit`: who did what, when, from where, before and after.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Json, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::App;
use super::access::Caller;
use super::error::ApiError;
use super::query::Query;
use crate::store::audit::{AuditFilter, AuditPage as Page};
use crate::views::audit::{AuditPage, to_csv, to_json_lines};

/// Which lines, and how they are written.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditQuery {
    /// Only entries about this id.
    #[param(max_length = 200)]
    subject: Option<String>,
    /// Only what was done by this actor.
    #[param(max_length = 200)]
    actor: Option<String>,
    /// Only actions that begin like this, such as `key.`.
    #[param(max_length = 200)]
    action: Option<String>,
    /// From this time on, in Unix seconds.
    since: Option<i64>,
    /// How many lines, 1 to 10000; 100 where nothing is said.
    #[param(minimum = 1, maximum = 10_000)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<i64>,
    /// `json`, `jsonl` or `csv`. The latter two have the next cursor in the header
    /// `x-flint-next-cursor`.
    #[param(pattern = "^(json|jsonl|csv)$")]
    format: Option<String>,
}

/// Read the audit log.
#[utoipa::path(get, path = "/v1/audit", params(AuditQuery),
    responses((status = 200, description = "A page of the audit log", content((AuditPage = "application/json"),
        (String = "application/x-ndjson"), (String = "text/csv")))))]
pub(super) async fn read(
    State(app): State<App>,
    _: Caller,
    Query(query): Query<AuditQuery>,
) -> Result<Response, ApiError> {
    let limit = query.limit.unwrap_or(100);
    if !(1..=10_000).contains(&limit) {
        return Err(ApiError::invalid("The parameter limit must be 1 to 10000"));
    }
    let texts = [&query.subject, &query.actor, &query.action];
    if texts.into_iter().flatten().any(|text| text.chars().count() > 200 || text.contains('\0')) {
        return Err(ApiError::invalid(
            "subject, actor and action must be at most 200 characters without NUL",
        ));
    }
    let filter = AuditFilter {
        subject: query.subject,
        actor: query.actor,
        action: query.action,
        since: query.since,
        before: query.cursor,
        limit,
    };
    let Page { lines, next: next_cursor } = app.store.audit(&filter).await?;
    let next = next_cursor.map_or_else(String::new, |seq| seq.to_string());
    let file = |kind: &'static str, text: String| {
        ([(header::CONTENT_TYPE, kind)], [("x-flint-next-cursor", next)], text).into_response()
    };
    Ok(match query.format.as_deref() {
        None | Some("json") => Json(AuditPage { lines, next_cursor }).into_response(),
        Some("csv") => file("text/csv", to_csv(&lines)),
        Some("jsonl") => file("application/x-ndjson", to_json_lines(&lines)),
        Some(_) => return Err(ApiError::invalid("The parameter format must be json, jsonl or csv")),
    })
}
