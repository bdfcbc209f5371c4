//! Which reports are added up together, and what becomes of a batch that is not.
//!
//! A batch is open from its first step until its reports are put away. A program that finds one
//! open continues it: another program may have been ended in the middle of it, or be at it still.
//! If nothing of it is written after a while, it may be that adding it up is what ended the
//! program; then its reports are given back and half as many are gathered, down to a single report,
//! which is left out at last. A batch that is partly written cannot be given back, and need not be:
//! all of it has been in memory before its first step is written.

use sqlx::FromRow;

use super::{Store, StoreError};
use crate::clock;
use crate::secret;

/// How many entries are added up together at most, but for those of a single report that has more.
const MOST_ENTRIES: i64 = 50_000;
/// How many reports are added up together at most.
const MOST_REPORTS: i64 = 600;
/// After how long a batch of which nothing is written is taken for one that cannot be added up, in
/// seconds.
const STUCK_AFTER: i64 = 60;

/// Reports that are added up together.
#[derive(Debug, FromRow)]
pub(super) struct Batch {
    pub(super) id: String,
    pub(super) steps_done: i64,
    pub(super) added_at: Option<i64>,
    begun_at: i64,
    most_entries: Option<i64>,
}

/// A report that waits.
#[derive(FromRow)]
struct Waiting {
    report_id: String,
    received_at: i64,
    entry_count: i64,
}

impl Batch {
    /// Whether nothing of it is written though there was time for it.
    const fn is_stuck(&self, now: i64) -> bool {
        self.steps_done == 0 && self.added_at.is_none() && now - self.begun_at >= STUCK_AFTER
    }
}

impl Store {
    /// The batch that is to be added up next, and whether more is waiting behind it.
    pub(super) async fn next_batch(&self, now: i64) -> Result<Option<(Batch, bool)>, StoreError> {
        let sql = "SELECT id, steps_done, added_at, begun_at, most_entries FROM usage_batch \
                   WHERE finished_at IS NULL ORDER BY begun_at, id LIMIT 1";
        match sqlx::query_as::<_, Batch>(sql).fetch_optional(&self.pool).await? {
            Some(batch) if batch.is_stuck(now) => self.halve(&batch, now).await,
            Some(batch) => Ok(Some((batch, true))),
            None => self.gather(MOST_ENTRIES, now).await,
        }
    }

    /// Makes a batch of what has waited longest, of so many entries or of one report.
    async fn gather(&self, most_entries: i64, now: i64) -> Result<Option<(Batch, bool)>, StoreError> {
        let mut write = self.write().await?;
        let sql = "SELECT report_id, received_at, entry_count FROM usage_report \
                   WHERE batch_id IS NULL AND rolled_up_at IS NULL ORDER BY received_at, report_id LIMIT $1";
        let waiting: Vec<Waiting> = sqlx::query_as(sql).bind(MOST_REPORTS).fetch_all(&mut *write.tx).await?;
        let count = how_many(&waiting, most_entries);
        let Some(last) = count.checked_sub(1).and_then(|place| waiting.get(place)) else {
            return Ok(None);
        };
        let id = secret::new_id("batch", clock::since_epoch().as_millis())?;
        let sql = "INSERT INTO usage_batch (id, begun_at, steps_done, most_entries) VALUES ($1, $2, 0, $3)";
        sqlx::query(sql).bind(id.as_str()).bind(now).bind(most_entries).execute(&mut *write.tx).await?;
        let sql = "UPDATE usage_report SET batch_id = $1 WHERE batch_id IS NULL AND rolled_up_at IS NULL \
                   AND (received_at, report_id) <= ($2, $3)";
        let update = sqlx::query(sql).bind(id.as_str()).bind(last.received_at).bind(last.report_id.as_str());
        if update.execute(&mut *write.tx).await?.rows_affected() == 0 {
            // Another program has gathered them in the meantime.
            return Ok(None);
        }
        write.commit().await?;
        let more = count < waiting.len() || waiting.len() as i64 == MOST_REPORTS;
        let batch =
            Batch { id, steps_done: 0, added_at: None, begun_at: now, most_entries: Some(most_entries) };
        Ok(Some((batch, more)))
    }

    /// Closes a batch of which nothing is written, gives its reports back, and gathers half as
    /// much. Another program that is at it finds that its first step is made.
    async fn halve(&self, batch: &Batch, now: i64) -> Result<Option<(Batch, bool)>, StoreError> {
        let most = batch.most_entries.unwrap_or(2 * MOST_ENTRIES);
        let is_last_try = most <= 1;
        let mut write = self.write().await?;
        let sql = "UPDATE usage_batch SET steps_done = -1, finished_at = $1 \
                   WHERE id = $2 AND steps_done = 0 AND added_at IS NULL AND finished_at IS NULL";
        let closed = sqlx::query(sql).bind(now).bind(batch.id.as_str()).execute(&mut *write.tx).await?;
        if closed.rows_affected() == 0 {
            return Ok(None);
        }
        let sql = if is_last_try {
            "UPDATE usage_report SET rolled_up_at = $1, entries = '' WHERE batch_id = $2 AND rolled_up_at IS NULL"
        } else {
            "UPDATE usage_report SET batch_id = NULL WHERE $1 > 0 AND batch_id = $2 AND rolled_up_at IS NULL"
        };
        sqlx::query(sql).bind(now).bind(batch.id.as_str()).execute(&mut *write.tx).await?;
        write.commit().await?;
        if is_last_try {
            tracing::error!(batch = batch.id, "a usage report cannot be added up and is left out");
        } else {
            tracing::warn!(batch = batch.id, "adding up usage reports has ended early; trying fewer at once");
        }
        self.gather((most / 2).max(1), now).await
    }
}

/// How many of these reports are one batch.
fn how_many(waiting: &[Waiting], most_entries: i64) -> usize {
    let mut entries = 0_i64;
    let fits = |report: &&Waiting| {
        entries = entries.saturating_add(report.entry_count);
        entries <= most_entries
    };
    waiting.iter().take_while(fits).count().max(1).min(waiting.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_so_many_entries_or_one_report() {
        let count = |entries: &[i64], most| {
            let report = |entry_count: &i64| Waiting {
                report_id: String::new(),
                received_at: 0,
                entry_count: *entry_count,
            };
            how_many(&entries.iter().map(report).collect::<Vec<_>>(), most)
        };
        assert_eq!(count(&[], 10), 0);
        assert_eq!(count(&[4, 4, 4], 10), 2);
        assert_eq!(count(&[5, 5, 0, 0, 1], 10), 4);
        assert_eq!(count(&[99, 1], 10), 1);
        assert_eq!(count(&[1, i64::MAX, i64::MAX], 10), 1);
    }

    #[test]
    fn a_batch_that_is_partly_written_is_not_stuck() {
        let batch = |steps_done, added_at| Batch {
            id: "b".into(),
            steps_done,
            added_at,
            begun_at: 100,
            most_entries: None,
        };
        assert!(!batch(0, None).is_stuck(159));
        assert!(batch(0, None).is_stuck(160));
        assert!(!batch(1, None).is_stuck(160));
        assert!(!batch(0, Some(101)).is_stuck(160));
    }
}
