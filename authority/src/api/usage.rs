//! `POST /v1/usage`: what the gateways counted (contract §7).

use axum::extract::State;
use axum::response::Json;
use flint_contract::protocol::UsageReport;
use serde_json::{Value, json};

use super::App;
use super::error::ApiError;
use super::extract::{GatewayCall, JsonBody};
use super::openapi::wire::ReportSchema;
use crate::clock;
use crate::model::usage::GoodReport;
use crate::store::usage::received::{Received, Sender};

/// The largest report in bytes. Ten thousand pairs of key and outcome are about a megabyte.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// Report what was counted. The same report may come any number of times.
#[utoipa::path(post, path = "/v1/usage",
    params(("x-flint-gateway" = String, Header, description = "The id of the Envoy process")),
    request_body(content = ReportSchema, description = "A usage report"),
    responses((status = 200, description = "The report is stored", body = Object)))]
pub(super) async fn receive(
    State(app): State<App>,
    call: GatewayCall,
    JsonBody(report): JsonBody<UsageReport, MAX_BYTES>,
) -> Result<Json<Value>, ApiError> {
    let report = GoodReport::check(report).map_err(ApiError::invalid_fields)?;
    let sender =
        Sender { gateway_id: &call.gateway_id, process_id: &call.process_id, received_at: clock::now() };
    let received = app.store.receive_usage(&report, sender).await?;
    if received == Received::Full {
        return Err(ApiError::too_many("Too many reports of this gateway are waiting to be added up"));
    }
    Ok(Json(json!({ "report_id": report.get().report_id, "duplicate": received == Received::Again })))
}
