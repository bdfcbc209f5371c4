//! Since when a key is used, as far as activity by day is kept.

use crate::model::DAY;
use crate::store::{Store, StoreError};

impl Store {
    /// The first day on which a gateway met a key, by its first second.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn first_used(&self, key_id: &str) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT MIN(start) FROM usage_rollup WHERE key_id = $1 AND span = $2";
        Ok(sqlx::query_scalar(sql).bind(key_id.to_owned()).bind(DAY).fetch_one(&self.pool).await?)
    }
}
