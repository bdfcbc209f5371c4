//! `/metrics`: what a Prometheus should watch. Numbers only: nothing here names a key, an owner or
//! a person.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::App;
use super::error::ApiError;
use crate::clock;
use crate::store::feed::propagation::Standing;
use crate::store::keys::counts::KeyCounts;

/// What was counted last, and when.
pub(super) type Counted = Mutex<Option<(Instant, Counts)>>;

/// All that takes work which grows with what there is.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    keys: KeyCounts,
    /// The number of the latest change.
    change: i64,
    /// Processes by how they stand to it.
    standings: [(&'static str, usize); 3],
    /// Usage reports that wait.
    pending: i64,
}

/// How long a count is told again.
const COUNT_AGAIN: Duration = Duration::from_secs(10);

/// Numbers for Prometheus.
#[utoipa::path(get, path = "/metrics",
    responses((status = 200, description = "The Prometheus text format", body = String, content_type = "text/plain")))]
pub(super) async fn read(State(app): State<App>) -> Result<impl IntoResponse, ApiError> {
    let Counts { keys: counts, change, standings, pending } = count(&app).await?;
    let mut text = String::new();
    gauge(&mut text, "flint_keys", "Keys by state");
    for (state, count) in &counts.by_state {
        line(&mut text, &format!("flint_keys{{status=\"{}\"}}", state.as_str()), *count);
    }
    gauge(&mut text, "flint_keys_rotation_due", "Keys that are due for rotation");
    line(&mut text, "flint_keys_rotation_due", counts.due);
    gauge(&mut text, "flint_keys_expiring_soon", "Active keys that expire within seven days");
    line(&mut text, "flint_keys_expiring_soon", counts.expiring);
    gauge(&mut text, "flint_latest_change", "The number of the latest change of any key");
    line(&mut text, "flint_latest_change", change);
    gauge(
        &mut text,
        "flint_gateway_processes",
        "Gateway processes by whether they have applied the latest change",
    );
    for (word, count) in standings {
        line(&mut text, &format!("flint_gateway_processes{{standing=\"{word}\"}}"), count as i64);
    }
    gauge(&mut text, "flint_held_calls", "Gateway calls that are held until there is a change");
    line(&mut text, "flint_held_calls", app.store.held_calls() as i64);
    gauge(&mut text, "flint_usage_reports_pending", "Usage reports that are stored but not yet added up");
    line(&mut text, "flint_usage_reports_pending", pending);
    counter(&mut text, "flint_notices_sent_total", "Notices that the webhook accepted", &app.notices.sent);
    let help = "Failed deliveries of notices, each attempt counted";
    counter(&mut text, "flint_notices_failed_total", help, &app.notices.failed);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text))
}

/// Counting reads every key and every process, so what was counted is told again for a while,
/// however many ask. Who may ask is not asked.
async fn count(app: &App) -> Result<Counts, ApiError> {
    let mut counted = app.counted.lock().await;
    if let Some((_, counts)) = counted.as_ref().filter(|(at, _)| at.elapsed() < COUNT_AGAIN) {
        return Ok(counts.clone());
    }
    let now = clock::now();
    let keys = app.store.key_counts(now).await?;
    let change = app.store.latest_change().await?;
    let told = app.store.propagation(change, now).await?;
    let number = |standing| told.followers.iter().filter(|one| one.standing == standing).count();
    let standings = [
        ("applied", number(Standing::Applied)),
        ("pending", number(Standing::Pending)),
        ("silent", number(Standing::Silent)),
    ];
    let pending = app.store.pending_reports().await?;
    let counts = Counts { keys, change, standings, pending };
    *counted = Some((Instant::now(), counts.clone()));
    Ok(counts)
}

fn gauge(text: &mut String, name: &str, help: &str) {
    // Writing to a `String` does not fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
}

fn counter(text: &mut String, name: &str, help: &str, count: &AtomicU64) {
    let count = count.load(Ordering::Relaxed);
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {count}");
}

fn line(text: &mut String, series: &str, value: i64) {
    let _ = writeln!(text, "{series} {value}");
}
