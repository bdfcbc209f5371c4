//! How many there are: numbers for metrics, the overview and `flint doctor`.

use crate::model::{DAY, State};
use crate::store::{Store, StoreError};

/// How many keys there are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyCounts {
    /// By state, every state once.
    pub by_state: [(State, i64); 4],
    /// Those that should have been rotated by now.
    pub due: i64,
    /// Active ones that expire within seven days and have no successor.
    pub expiring: i64,
}

impl Store {
    /// Counts keys. Takes some tenths of a second at a million.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn key_counts(&self, now: i64) -> Result<KeyCounts, StoreError> {
        let sql = "SELECT \
            CAST(COALESCE(SUM(CASE WHEN revoked_at <= $1 THEN 1 ELSE 0 END), 0) AS BIGINT), \
            CAST(COALESCE(SUM(CASE WHEN over = 1 THEN 1 ELSE 0 END), 0) AS BIGINT), \
            CAST(COALESCE(SUM(CASE WHEN over = 0 AND not_before > $1 THEN 1 ELSE 0 END), 0) AS BIGINT), \
            CAST(COALESCE(SUM(CASE WHEN over = 0 AND COALESCE(not_before, 0) <= $1 THEN 1 ELSE 0 END), 0) AS BIGINT), \
            CAST(COALESCE(SUM(CASE WHEN over = 0 AND replaced_by IS NULL AND rotate_by <= $1 THEN 1 ELSE 0 END), 0) \
                AS BIGINT), \
            CAST(COALESCE(SUM(CASE WHEN over = 0 AND replaced_by IS NULL AND expires_at <= $2 THEN 1 ELSE 0 END), 0) \
                AS BIGINT) \
            FROM (SELECT revoked_at, expires_at, not_before, rotate_by, replaced_by, \
                CASE WHEN revoked_at <= $1 THEN 2 WHEN expires_at <= $1 THEN 1 ELSE 0 END AS over \
                FROM api_key WHERE removed_at IS NULL) AS keys";
        let row: (i64, i64, i64, i64, i64, i64) =
            sqlx::query_as(sql).bind(now).bind(now + 7 * DAY).fetch_one(&self.pool).await?;
        let (revoked, expired, pending, active, due, expiring) = row;
        let by_state = [
            (State::Active, active),
            (State::Pending, pending),
            (State::Expired, expired),
            (State::Revoked, revoked),
        ];
        Ok(KeyCounts { by_state, due, expiring })
    }

    /// How many reports wait to be added up.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn pending_reports(&self) -> Result<i64, StoreError> {
        let sql = "SELECT COUNT(*) FROM usage_report WHERE rolled_up_at IS NULL";
        Ok(sqlx::query_scalar(sql).fetch_one(&self.pool).await?)
    }
}
