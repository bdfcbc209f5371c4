//! Adding up what gateways report: by minute, hour and day, and when each key was last met.
//!
//! Reports wait as they came until a batch of them is added up in memory and written as a few sorted statements. So the
//! cost follows the number of different keys, not of reports, and a report counts once whoever adds it up: a batch and
//! its mark are one transaction.

use std::collections::BTreeMap;

use flint_auth::protocol::UsageEntry;
use sqlx::{AssertSqlSafe, FromRow};

use super::{Store, StoreError, Write};

/// A minute, an hour and a day, in seconds.
pub const SPANS: [i64; 3] = [60, 3_600, 86_400];
/// What stands for all keys together in the sums.
pub const ALL_KEYS: &str = "*";

/// How many reports are added up together.
const BATCH: i64 = 300;
/// How many rows one statement writes.
const ROWS: usize = 500;

/// How long things are kept, in seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Retention {
    /// Sums by minute.
    pub minutes: i64,
    /// Sums by hour.
    pub hours: i64,
    /// Sums by day.
    pub days: i64,
    /// The ids of reports, to know one that comes again.
    pub reports: i64,
}

#[derive(FromRow)]
struct Report {
    report_id: String,
    received_at: i64,
    from_at: i64,
    to_at: i64,
    entries: String,
}

/// Key, span, start and outcome of a sum.
type Slot = (String, i64, i64, String);

#[derive(Default)]
struct Sums {
    counts: BTreeMap<Slot, i64>,
    last_used: BTreeMap<String, i64>,
}

impl Default for Retention {
    fn default() -> Self {
        Self { minutes: 2 * 86_400, hours: 35 * 86_400, days: 400 * 86_400, reports: 2 * 86_400 }
    }
}

impl Store {
    /// Adds up one batch of reports and tells how many there were. Fewer than were waiting: call again.
    ///
    /// # Errors
    /// Where the database fails; nothing is added up then.
    pub async fn roll_up_usage(&self, now: i64) -> Result<usize, StoreError> {
        let sql = "SELECT report_id, received_at, from_at, to_at, entries FROM usage_report \
                   WHERE rolled_up_at IS NULL ORDER BY received_at, report_id LIMIT $1";
        let reports: Vec<Report> = sqlx::query_as(sql).bind(BATCH).fetch_all(&self.pool).await?;
        if reports.is_empty() {
            return Ok(0);
        }
        let count = reports.len();
        let mut write = self.write().await?;
        let mut sums = Sums::default();
        for report in reports {
            // Another program on the same database may have been faster.
            let sql = "UPDATE usage_report SET rolled_up_at = $1, entries = '' \
                       WHERE report_id = $2 AND rolled_up_at IS NULL";
            let done =
                sqlx::query(sql).bind(now).bind(report.report_id.as_str()).execute(&mut *write.tx).await?;
            if done.rows_affected() == 1 {
                sums.add(&report)?;
            }
        }
        write.add_counts(&sums.counts).await?;
        write.move_last_used(&sums.last_used).await?;
        write.commit().await?;
        Ok(count)
    }

    /// Forgets sums and reports that are older than is kept.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn prune_usage(&self, keep: Retention, now: i64) -> Result<(), StoreError> {
        for (span, kept) in SPANS.into_iter().zip([keep.minutes, keep.hours, keep.days]) {
            let mut write = self.write().await?;
            let sql = "DELETE FROM usage_rollup WHERE span = $1 AND start < $2";
            sqlx::query(sql).bind(span).bind(now - kept).execute(&mut *write.tx).await?;
            write.commit().await?;
        }
        let mut write = self.write().await?;
        let sql = "DELETE FROM usage_report WHERE rolled_up_at IS NOT NULL AND rolled_up_at < $1";
        sqlx::query(sql).bind(now - keep.reports).execute(&mut *write.tx).await?;
        write.commit().await
    }
}

impl Sums {
    fn add(&mut self, report: &Report) -> Result<(), StoreError> {
        let entries: Vec<UsageEntry> =
            serde_json::from_str(&report.entries).map_err(|_| StoreError::Corrupt("usage_report.entries"))?;
        // A gateway whose clock is wrong cannot move a key's last use into the future.
        let latest = report.to_at.min(report.received_at);
        for entry in entries {
            let at = entry.last_used.clamp(report.from_at.min(latest), latest);
            let count = i64::try_from(entry.count).unwrap_or(i64::MAX);
            for span in SPANS {
                for key in [&entry.key_id, ALL_KEYS] {
                    let slot = (key.to_owned(), span, at - at.rem_euclid(span), entry.outcome.clone());
                    let sum = self.counts.entry(slot).or_default();
                    *sum = sum.saturating_add(count);
                }
            }
            let last = self.last_used.entry(entry.key_id).or_default();
            *last = (*last).max(at);
        }
        Ok(())
    }
}

impl Write<'_> {
    async fn add_counts(&mut self, counts: &BTreeMap<Slot, i64>) -> Result<(), StoreError> {
        let rows: Vec<_> = counts.iter().collect();
        for chunk in rows.chunks(ROWS) {
            let sql = format!(
                "INSERT INTO usage_rollup (key_id, span, start, outcome, count) VALUES {} \
                 ON CONFLICT (key_id, span, start, outcome) DO UPDATE SET count = usage_rollup.count + excluded.count",
                place_holders::<5>(chunk.len())
            );
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for ((key, span, start, outcome), count) in chunk {
                query =
                    query.bind(key.as_str()).bind(*span).bind(*start).bind(outcome.as_str()).bind(**count);
            }
            query.execute(&mut *self.tx).await?;
        }
        Ok(())
    }

    async fn move_last_used(&mut self, times: &BTreeMap<String, i64>) -> Result<(), StoreError> {
        let rows: Vec<_> = times.iter().collect();
        for chunk in rows.chunks(ROWS) {
            let sql = format!(
                "INSERT INTO key_last_used (key_id, last_used) VALUES {} ON CONFLICT (key_id) DO UPDATE SET \
                 last_used = excluded.last_used WHERE excluded.last_used > key_last_used.last_used",
                place_holders::<2>(chunk.len())
            );
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for (key, time) in chunk {
                query = query.bind(key.as_str()).bind(**time);
            }
            query.execute(&mut *self.tx).await?;
        }
        Ok(())
    }
}

/// `($1, $2), ($3, $4)` and so on.
fn place_holders<const COLUMNS: usize>(rows: usize) -> String {
    let row = |row: usize| {
        let numbers = (1..=COLUMNS).map(|column| format!("${}", row * COLUMNS + column));
        format!("({})", numbers.collect::<Vec<_>>().join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_holders_are_numbered_through() {
        assert_eq!(place_holders::<2>(3), "($1, $2), ($3, $4), ($5, $6)");
    }

    #[test]
    fn a_report_is_added_at_its_time_and_never_in_the_future() {
        let entries = r#"[{"key_id": "a", "outcome": "allowed", "count": 2, "last_used": 130},
                          {"key_id": "a", "outcome": "allowed", "count": 3, "last_used": 9999999}]"#;
        let report = Report {
            report_id: "r".into(),
            received_at: 200,
            from_at: 120,
            to_at: 9_000,
            entries: entries.into(),
        };
        let mut sums = Sums::default();
        sums.add(&report).unwrap();
        let minute = |start: i64| sums.counts.get(&("a".into(), 60, start, "allowed".into())).copied();
        assert_eq!((minute(120), minute(180), minute(9_999_960)), (Some(2), Some(3), None));
        assert_eq!(sums.counts.get(&(ALL_KEYS.into(), 86_400, 0, "allowed".into())), Some(&5));
        assert_eq!(sums.last_used.get("a"), Some(&200));
    }
}
