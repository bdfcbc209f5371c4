//! `POST /v1/usage`: what the gateways counted (contract §7).

use axum::extract::State;
use axum::response::Json;
use flint_contract::entry::is_id;
use flint_contract::outcome::Outcome;
use flint_contract::protocol::UsageReport;
use serde_json::{Value, json};

use super::App;
use super::error::ApiError;
use super::extract::{GatewayCall, JsonBody};
use super::openapi::wire::ReportSchema;
use crate::clock;
use crate::model::MAX_TIME;
use crate::model::draft::{Mistake, Mistakes};
use crate::store::usage::received::{Received, Sender};

/// The largest report in bytes. Ten thousand pairs of key and outcome are about a megabyte.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// The most entries of a report.
const MAX_ENTRIES: usize = 50_000;
/// The largest count of one entry: what a key meets in days at a million requests a second.
const MAX_COUNT: u64 = 1 << 40;
/// How many mistakes are listed; a report of ten thousand wrong lines need not come back whole.
const MAX_MISTAKES: usize = 20;

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
    check(&report).map_err(ApiError::invalid_fields)?;
    let sender =
        Sender { gateway_id: &call.gateway_id, process_id: &call.process_id, received_at: clock::now() };
    let received = app.store.receive_usage(&report, sender).await?;
    if received == Received::Full {
        return Err(ApiError::too_many("Too many reports of this gateway wait to be added up"));
    }
    Ok(Json(json!({ "report_id": report.report_id, "duplicate": received == Received::Again })))
}

fn check(report: &UsageReport) -> Result<(), Vec<Mistake>> {
    let mut mistakes = Mistakes::default();
    let id = &report.report_id;
    if !(1..=128).contains(&id.len()) || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        mistakes.add("report_id", "must be 1 to 128 printable ASCII characters without spaces");
    }
    mistakes.time("from", Some(report.from));
    mistakes.time("to", Some(report.to));
    if report.to < report.from {
        mistakes.add("to", "must not be before from");
    }
    if report.entries.len() > MAX_ENTRIES {
        mistakes.add("entries", "must be at most 50000");
    }
    let mut bad = 0;
    for (index, entry) in report.entries.iter().enumerate() {
        let rules = [
            ("key_id", is_id(&entry.key_id), "must be 1 to 64 of [A-Za-z0-9_-]"),
            ("outcome", Outcome::parse(&entry.outcome).is_some(), "must be an outcome"),
            ("count", (1..=MAX_COUNT).contains(&entry.count), "must be 1 to 1099511627776"),
            ("last_used", (0..=MAX_TIME).contains(&entry.last_used), "must be whole Unix seconds"),
        ];
        for (field, _, rule) in rules.iter().filter(|(_, good, _)| !good) {
            bad += 1;
            if bad <= MAX_MISTAKES {
                mistakes.add(&format!("entries[{index}].{field}"), rule);
            }
        }
    }
    mistakes.none_or(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flint_contract::protocol::UsageEntry;

    fn report() -> UsageReport {
        let entry = UsageEntry {
            key_id: "key_1".into(),
            outcome: "allowed".into(),
            count: 12,
            last_used: 1_790_000_005,
        };
        UsageReport {
            report_id: "r-1".into(),
            from: 1_790_000_000,
            to: 1_790_000_010,
            entries: vec![entry],
            dropped: 0,
        }
    }

    #[test]
    fn a_good_report_passes_and_so_does_an_empty_one() {
        assert_eq!(check(&report()), Ok(()));
        assert_eq!(check(&UsageReport { entries: vec![], ..report() }), Ok(()));
    }

    #[test]
    fn every_rule_is_kept() {
        type Change = fn(&mut UsageReport);
        let changes: [(&str, Change); 9] = [
            ("report_id", |report| report.report_id.clear()),
            ("report_id", |report| report.report_id = "a b".into()),
            ("from", |report| report.from = -1),
            ("to", |report| report.to = report.from - 1),
            ("entries[0].key_id", |report| report.entries[0].key_id = "a.b".into()),
            ("entries[0].outcome", |report| report.entries[0].outcome = "Allowed".into()),
            ("entries[0].count", |report| report.entries[0].count = 0),
            ("entries[0].count", |report| report.entries[0].count = MAX_COUNT + 1),
            ("entries[0].last_used", |report| report.entries[0].last_used = i64::MAX),
        ];
        for (field, change) in changes {
            let mut bad = report();
            change(&mut bad);
            assert_eq!(check(&bad).unwrap_err()[0].field, field);
        }
    }

    #[test]
    fn a_wholly_wrong_report_is_answered_briefly() {
        let mut bad = report();
        bad.entries[0].count = 0;
        bad.entries = vec![bad.entries[0].clone(); 1_000];
        assert_eq!(check(&bad).unwrap_err().len(), MAX_MISTAKES);
    }
}
