//! Adding up what gateways report: by minute, hour and day, and when each key was last met.
//!
//! 1. Reports wait as they came until a batch of them is added up in memory. So the cost follows
//!    the number of different keys, not of reports: where many wait, more of them meet in one sum.
//! 2. The sums of a batch are written in small steps, so that nobody who has a key to revoke waits
//!    long for their turn.
//! 3. A step and its mark are one transaction. A program that continues after an interruption, or
//!    works on the same batch at the same time, makes the same steps in the same order, and each
//!    step is made once.
//! 4. The entries of a report go when its whole batch is written; its id stays a while, to know it
//!    again.
//! 5. A batch is bounded by its entries, so that what it takes in memory does not depend on how
//!    much waits. One that was begun and of which nothing is written after a while is given back,
//!    and half as much is tried (`batch`).
//! 6. Gateways may report anything. Only use of a real key is written under an id; all of it counts
//!    towards the total of all keys.
//! 7. No sum is larger than [`MAX_SUM`]: what would be stays there.

mod batch;
mod sums;

use std::collections::HashSet;

use flint_contract::protocol::UsageEntry;
use sqlx::{AssertSqlSafe, FromRow};

use crate::store::{Store, StoreError, Write};
use batch::Batch;
use sums::{Slot, Sums, Times};
pub(crate) use sums::{add, sum_of};

/// A minute, an hour and a day, in seconds.
pub const SPANS: [i64; 3] = [60, 3_600, 86_400];
/// What stands for all keys together in the sums.
pub const ALL_KEYS: &str = "*";

/// The largest sum, 2^53 - 1: the largest whole number that everybody who reads JSON takes for what
/// it is.
pub const MAX_SUM: i64 = 9_007_199_254_740_991;

/// How many reports are read, or put away, at a time.
const PART: i64 = 50;
/// How many rows one step writes.
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

/// One step of a batch.
enum RollupStep<'a> {
    Counts(&'a [(Slot, i64)]),
    LastUsed(&'a [(String, i64)]),
}

impl Default for Retention {
    fn default() -> Self {
        Self { minutes: 2 * 86_400, hours: 35 * 86_400, days: 400 * 86_400, reports: 2 * 86_400 }
    }
}

impl Store {
    /// Adds up one batch of reports, and returns whether more are waiting already. Those that come
    /// in the meantime do not count: the longer they wait, the more of them meet in one sum.
    ///
    /// # Errors
    /// If the database fails; the next call continues where this one ended.
    pub async fn roll_up_usage(&self, now: i64) -> Result<bool, StoreError> {
        let Some((batch, more)) = self.next_batch(now).await? else {
            return Ok(false);
        };
        if batch.added_at.is_none() && !self.add_batch(&batch, now).await? {
            // Another program is at it, and a step ahead.
            return Ok(false);
        }
        self.put_batch_away(&batch.id, now).await?;
        Ok(more)
    }

    /// Writes the steps that are still to be made. `false`: somebody else has made one of them.
    async fn add_batch(&self, batch: &Batch, now: i64) -> Result<bool, StoreError> {
        let sums = self.sums_of(&batch.id).await?;
        let counts: Vec<_> = sums.counts.into_iter().collect();
        let last_used: Vec<_> = sums.last_used.into_iter().collect();
        let steps = counts
            .chunks(ROWS)
            .map(RollupStep::Counts)
            .chain(last_used.chunks(ROWS).map(RollupStep::LastUsed));
        for (number, step) in (0..).zip(steps).skip(usize::try_from(batch.steps_done).unwrap_or(0)) {
            let mut write = self.write().await?;
            let sql = "UPDATE usage_batch SET steps_done = $1 WHERE id = $2 AND steps_done = $3";
            let mark = sqlx::query(sql).bind(number + 1).bind(batch.id.as_str()).bind(number);
            if mark.execute(&mut *write.tx).await?.rows_affected() == 0 {
                return Ok(false);
            }
            match step {
                RollupStep::Counts(rows) => write.add_counts(rows).await?,
                RollupStep::LastUsed(rows) => write.move_last_used(rows).await?,
            }
            write.commit().await?;
        }
        let mut write = self.write().await?;
        let sql = "UPDATE usage_batch SET added_at = $1 WHERE id = $2";
        sqlx::query(sql).bind(now).bind(batch.id.as_str()).execute(&mut *write.tx).await?;
        write.commit().await?;
        Ok(true)
    }

    async fn sums_of(&self, batch_id: &str) -> Result<Sums, StoreError> {
        let sql = "SELECT report_id, received_at, from_at, to_at, entries FROM usage_report \
                   WHERE batch_id = $1 AND rolled_up_at IS NULL AND report_id > $2 ORDER BY report_id LIMIT $3";
        let (mut sums, mut after) = (Sums::default(), String::new());
        loop {
            let query = sqlx::query_as(sql).bind(batch_id.to_owned()).bind(after.clone()).bind(PART);
            let reports: Vec<Report> = query.fetch_all(&self.pool).await?;
            let Some(last) = reports.last() else {
                return Ok(sums);
            };
            after.clone_from(&last.report_id);
            for report in reports {
                let entries: Vec<UsageEntry> = serde_json::from_str(&report.entries)
                    .map_err(|_| StoreError::Corrupt("usage_report.entries"))?;
                let times = Times { from: report.from_at, to: report.to_at, received: report.received_at };
                sums.add(entries, times);
            }
        }
    }

    /// Lets the entries of a batch go, all of whose sums are written, and closes it.
    async fn put_batch_away(&self, batch_id: &str, now: i64) -> Result<(), StoreError> {
        let sql = "UPDATE usage_report SET rolled_up_at = $1, entries = '' WHERE report_id IN \
                   (SELECT report_id FROM usage_report WHERE batch_id = $2 AND rolled_up_at IS NULL \
                   ORDER BY report_id LIMIT $3)";
        loop {
            let mut write = self.write().await?;
            let query = sqlx::query(sql).bind(now).bind(batch_id.to_owned()).bind(PART);
            let put_away = query.execute(&mut *write.tx).await?.rows_affected();
            if put_away == 0 {
                let sql = "UPDATE usage_batch SET finished_at = $1 WHERE id = $2";
                sqlx::query(sql).bind(now).bind(batch_id.to_owned()).execute(&mut *write.tx).await?;
            }
            write.commit().await?;
            if put_away == 0 {
                return Ok(());
            }
        }
    }

    /// Forgets sums and reports that are older than is kept.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn prune_usage(&self, keep: Retention, now: i64) -> Result<(), StoreError> {
        for (span, kept) in SPANS.into_iter().zip([keep.minutes, keep.hours, keep.days]) {
            let mut write = self.write().await?;
            let sql = "DELETE FROM usage_rollup WHERE span = $1 AND start < $2";
            sqlx::query(sql).bind(span).bind(now - kept).execute(&mut *write.tx).await?;
            write.commit().await?;
        }
        for sql in [
            "DELETE FROM usage_report WHERE rolled_up_at IS NOT NULL AND rolled_up_at < $1",
            "DELETE FROM usage_batch WHERE finished_at IS NOT NULL AND finished_at < $1",
        ] {
            let mut write = self.write().await?;
            sqlx::query(sql).bind(now - keep.reports).execute(&mut *write.tx).await?;
            write.commit().await?;
        }
        Ok(())
    }
}

impl Write<'_> {
    async fn add_counts(&mut self, rows: &[(Slot, i64)]) -> Result<(), StoreError> {
        let known = self.known_keys(rows.iter().map(|((key, ..), _)| key.as_str())).await?;
        let is_kept = |key: &str| key == ALL_KEYS || known.contains(key);
        let rows: Vec<_> = rows.iter().filter(|((key, ..), _)| is_kept(key)).collect();
        if rows.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "INSERT INTO usage_rollup (key_id, span, start, outcome, count) VALUES {} \
             ON CONFLICT (key_id, span, start, outcome) DO UPDATE SET \
             count = CASE WHEN usage_rollup.count > {MAX_SUM} - excluded.count THEN {MAX_SUM} \
             ELSE usage_rollup.count + excluded.count END",
            place_holders::<5>(rows.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for ((key, span, start, outcome), count) in rows {
            query = query.bind(key.as_str()).bind(*span).bind(*start).bind(outcome.as_str()).bind(*count);
        }
        query.execute(&mut *self.tx).await?;
        Ok(())
    }

    async fn move_last_used(&mut self, rows: &[(String, i64)]) -> Result<(), StoreError> {
        let known = self.known_keys(rows.iter().map(|(key, _)| key.as_str())).await?;
        let rows: Vec<_> = rows.iter().filter(|(key, _)| known.contains(key)).collect();
        if rows.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "INSERT INTO key_last_used (key_id, last_used) VALUES {} ON CONFLICT (key_id) DO UPDATE SET \
             last_used = excluded.last_used WHERE excluded.last_used > key_last_used.last_used",
            place_holders::<2>(rows.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (key, time) in rows {
            query = query.bind(key.as_str()).bind(*time);
        }
        query.execute(&mut *self.tx).await?;
        Ok(())
    }
}

impl Write<'_> {
    /// Those of these ids that are keys', removed ones included. Asked for in the step that writes
    /// and not before, so that which rows a step has never depends on when it is made (rule 3).
    async fn known_keys(&mut self, ids: impl Iterator<Item = &str>) -> Result<HashSet<String>, StoreError> {
        let ids: HashSet<&str> = ids.filter(|id| *id != ALL_KEYS).collect();
        if ids.is_empty() {
            return Ok(HashSet::new());
        }
        let places: Vec<String> = (1..=ids.len()).map(|number| format!("${number}")).collect();
        let sql = format!("SELECT id FROM api_key WHERE id IN ({})", places.join(", "));
        let mut query = sqlx::query_scalar(AssertSqlSafe(sql));
        for id in ids {
            query = query.bind(id.to_owned());
        }
        Ok(query.fetch_all(&mut *self.tx).await?.into_iter().collect())
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
}
