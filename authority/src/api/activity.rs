//! Activity: of a key, of an owner, and of all.

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Json, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::App;
use super::access::Caller;
use super::error::ApiError;
use super::query::Query;
use crate::clock;
use crate::store::usage::activity::{Range, Whose};
use crate::views::activity::{ActivityView, to_csv};

/// How far to look back, and how the answer is written.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct KeyActivityQuery {
    /// `1h`, `24h`, `7d`, `30d` or `90d`; 24 hours where nothing is said.
    #[param(pattern = "^(1h|24h|7d|30d|90d)$")]
    range: Option<String>,
    /// `json` or `csv`.
    #[param(pattern = "^(json|csv)$")]
    format: Option<String>,
}

/// The same, and whose keys.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ActivityQuery {
    /// `1h`, `24h`, `7d`, `30d` or `90d`; 24 hours where nothing is said.
    #[param(pattern = "^(1h|24h|7d|30d|90d)$")]
    range: Option<String>,
    /// `json` or `csv`.
    #[param(pattern = "^(json|csv)$")]
    format: Option<String>,
    /// Keys of this owner only.
    #[param(max_length = 200)]
    owner: Option<String>,
}

/// What a key was used for.
#[utoipa::path(get, path = "/v1/keys/{id}/activity",
    params(("id" = String, Path, description = "The key's id"), KeyActivityQuery),
    responses((status = 200, description = "The key's activity", content(
        (ActivityView = "application/json"), (String = "text/csv")))))]
pub(super) async fn of_key(
    State(app): State<App>,
    _: Caller,
    Path(id): Path<String>,
    Query(query): Query<KeyActivityQuery>,
) -> Result<Response, ApiError> {
    let key = app.store.key(&id).await?;
    answer(&app, Whose::Key(key.id), query).await
}

/// What keys were used for: all, or those of an owner.
#[utoipa::path(get, path = "/v1/activity", params(ActivityQuery),
    responses((status = 200, description = "The activity", content(
        (ActivityView = "application/json"), (String = "text/csv")))))]
pub(super) async fn of_all(
    State(app): State<App>,
    _: Caller,
    Query(query): Query<ActivityQuery>,
) -> Result<Response, ApiError> {
    let whose = match &query.owner {
        Some(owner) if owner.chars().count() > 200 || owner.contains('\0') => {
            return Err(ApiError::invalid("The parameter owner must be at most 200 characters without NUL"));
        }
        Some(owner) => Whose::Owner(owner.clone()),
        None => Whose::Everyone,
    };
    answer(&app, whose, KeyActivityQuery { range: query.range, format: query.format }).await
}

async fn answer(app: &App, whose: Whose, query: KeyActivityQuery) -> Result<Response, ApiError> {
    let range = query.range.as_deref().map_or(Some(Range::default()), Range::parse);
    let range =
        range.ok_or_else(|| ApiError::invalid("The parameter range must be 1h, 24h, 7d, 30d or 90d"))?;
    let as_csv = match query.format.as_deref() {
        None | Some("json") => false,
        Some("csv") => true,
        Some(_) => return Err(ApiError::invalid("The parameter format must be json or csv")),
    };
    let activity = app.store.activity(&whose, range, clock::now()).await?;
    if as_csv {
        let headers = [
            (header::CONTENT_TYPE, "text/csv"),
            (header::CONTENT_DISPOSITION, "attachment; filename=activity.csv"),
        ];
        return Ok((headers, to_csv(&activity)).into_response());
    }
    Ok(Json(ActivityView::from(activity)).into_response())
}
