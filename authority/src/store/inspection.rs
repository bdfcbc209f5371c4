//! What can be seen of the database's health, for `flint doctor` to judge.

use super::{Store, StoreError};

impl Store {
    /// What SQLite finds wrong with the file; nothing, if it is sound. Only for SQLite.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn damage(&self) -> Result<Option<String>, StoreError> {
        let verdict: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&self.pool).await?;
        Ok(Some(verdict).filter(|verdict| verdict != "ok"))
    }

    /// By how many seconds the clocks of gateways are ahead and behind, as their reports since a
    /// time say: the end of what was counted against when it came in. A report may be late, so a
    /// clock is behind only if all of a process's reports say so. Nothing, if there are no reports.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn clock_offsets(&self, since: i64) -> Result<Option<(i64, i64)>, StoreError> {
        let sql = "SELECT CAST(MAX(ahead) AS BIGINT), CAST(MAX(behind) AS BIGINT) FROM (SELECT \
                   MAX(to_at - received_at) AS ahead, MIN(received_at - to_at) AS behind FROM usage_report \
                   WHERE received_at > $1 GROUP BY gateway_id, process_id) AS clocks";
        let (ahead, behind): (Option<i64>, Option<i64>) =
            sqlx::query_as(sql).bind(since).fetch_one(&self.pool).await?;
        Ok(ahead.zip(behind))
    }

    /// When the oldest report came in that is not added up yet.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn oldest_pending_report(&self) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT MIN(received_at) FROM usage_report WHERE rolled_up_at IS NULL";
        Ok(sqlx::query_scalar(sql).fetch_one(&self.pool).await?)
    }
}
