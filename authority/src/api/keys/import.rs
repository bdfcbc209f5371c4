//! `POST /v1/keys/import`: keys of elsewhere, by their digests.

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::App;
use crate::api::access::Caller;
use crate::api::error::ApiError;
use crate::api::extract::read;
use crate::api::query::Query;
use crate::clock;
use crate::model::draft::Mistake;
use crate::model::import::{BadLines, Format};
use crate::store::keys::importing::File;
use crate::views::key::Imported;

/// The largest file, in bytes.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// The most lines of one request: they are one transaction.
const MAX_LINES: usize = 10_000;

/// How to import.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct ImportQuery {
    /// Only show what would happen.
    #[serde(default)]
    dry_run: bool,
    /// Skip lines whose digest belongs to another key, instead of refusing the file.
    #[serde(default)]
    skip_existing: bool,
}

/// Import keys by their digests, all or none.
///
/// A line whose key is here already, just as the line says, is left out: the same file may be sent
/// again. The body is `text/csv` with a line of headings, or `application/x-ndjson`. See
/// docs/authority.md for the fields.
#[utoipa::path(post, path = "/v1/keys/import", params(ImportQuery),
    request_body(content((String = "text/csv"), (String = "application/x-ndjson"))),
    responses((status = 200, description = "The imported keys, or those that would be", body = Imported)))]
pub(in crate::api) async fn import(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ImportQuery>,
    request: Request,
) -> Result<Response, ApiError> {
    let kind =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = match kind.split(';').next().unwrap_or_default().trim() {
        "text/csv" => Format::Csv,
        "application/x-ndjson" | "application/jsonl" => Format::JsonLines,
        _ => return Err(ApiError::unsupported_import()),
    };
    let bytes = read(request.into_body(), MAX_BYTES).await?;
    let text = String::from_utf8(bytes.into()).map_err(|_| ApiError::invalid("The file is not UTF-8"))?;
    let _turn = app.store.turns().import().await?;
    let now = clock::now();
    let file = File { text, format, most_lines: MAX_LINES };
    let plan = app.store.plan_import(file, query.skip_existing, now).await?;
    if !plan.bad.is_empty() {
        return Err(refuse(&plan.bad));
    }
    let count = plan.good.len();
    let ids = if query.dry_run || count == 0 {
        Vec::new()
    } else {
        app.store.import_keys(&plan.good, now, &caller.actor).await?
    };
    let answer = Imported { dry_run: query.dry_run, imported: count, skipped: plan.skipped, ids };
    Ok((StatusCode::OK, Json(answer)).into_response())
}

/// The first mistakes, each with its line: `line 7: sha256`; and how many more lines there are.
fn refuse(bad: &BadLines) -> ApiError {
    let name =
        |line: u64, one: &Mistake| Mistake { field: format!("line {line}: {}", one.field), ..one.clone() };
    let named = bad.first().iter().flat_map(|line| line.mistakes.iter().map(move |one| name(line.line, one)));
    ApiError::some_of_many(named.collect(), bad.unnamed(), "more lines cannot be used")
}
