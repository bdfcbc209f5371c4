//! How many there may be of what people make besides keys. Lists of these are read whole, so they
//! must not grow for ever.
//!
//! If there are as many as may be, what ended longest ago is forgotten for another; the audit log
//! still knows of it. If nothing has ended, another is refused.

use super::{StoreError, Write};

/// The most gateways, API tokens, offered permissions and operators, of each kind.
pub const MOST: i64 = 2_000;
/// The most tokens of one gateway that are good at once.
const MOST_OF_A_GATEWAY: i64 = 20;

impl Write<'_> {
    /// Sees to it that there may be another API token.
    pub(super) async fn room_for_api_token(&mut self, now: i64) -> Result<(), StoreError> {
        if self.count("SELECT COUNT(*) FROM api_token").await? < MOST {
            return Ok(());
        }
        let sql = "SELECT id FROM api_token WHERE revoked_at <= $1 OR expires_at <= $1 \
                   ORDER BY COALESCE(revoked_at, expires_at), id LIMIT 1";
        let ended: Option<String> = sqlx::query_scalar(sql).bind(now).fetch_optional(&mut *self.tx).await?;
        let ended = ended.ok_or(StoreError::Full("API tokens"))?;
        self.delete("DELETE FROM api_token WHERE id = $1", &ended).await
    }

    /// Sees to it that there may be another gateway.
    pub(super) async fn room_for_gateway(&mut self) -> Result<(), StoreError> {
        if self.count("SELECT COUNT(*) FROM gateway").await? < MOST {
            return Ok(());
        }
        let sql = "SELECT id FROM gateway WHERE revoked_at IS NOT NULL ORDER BY revoked_at, id LIMIT 1";
        let revoked: Option<String> = sqlx::query_scalar(sql).fetch_optional(&mut *self.tx).await?;
        let revoked = revoked.ok_or(StoreError::Full("gateways"))?;
        for sql in [
            "DELETE FROM gateway_token WHERE gateway_id = $1",
            "DELETE FROM gateway_process WHERE gateway_id = $1",
            "DELETE FROM gateway WHERE id = $1",
        ] {
            self.delete(sql, &revoked).await?;
        }
        Ok(())
    }

    /// Takes those of a gateway's tokens that end first, if it has more than may be.
    pub(super) async fn keep_few_tokens(&mut self, gateway_id: &str) -> Result<(), StoreError> {
        let sql = "DELETE FROM gateway_token WHERE gateway_id = $1 AND digest NOT IN \
                   (SELECT digest FROM gateway_token WHERE gateway_id = $1 \
                   ORDER BY COALESCE(expires_at, 9223372036854775807) DESC, created_at DESC LIMIT $2)";
        let query = sqlx::query(sql).bind(gateway_id.to_owned()).bind(MOST_OF_A_GATEWAY);
        query.execute(&mut *self.tx).await?;
        Ok(())
    }

    /// Refuses to offer another permission if there are as many as may be. One that is there may be
    /// described again.
    pub(super) async fn room_for_permission(&mut self, name: &str) -> Result<(), StoreError> {
        let sql = "SELECT COUNT(*) FROM permission WHERE name <> $1";
        let count: i64 = sqlx::query_scalar(sql).bind(name.to_owned()).fetch_one(&mut *self.tx).await?;
        if count < MOST { Ok(()) } else { Err(StoreError::Full("permissions")) }
    }

    /// Refuses another operator if there are as many as may be.
    pub(super) async fn room_for_operator(&mut self) -> Result<(), StoreError> {
        let count = self.count("SELECT COUNT(*) FROM operator").await?;
        if count < MOST { Ok(()) } else { Err(StoreError::Full("operators")) }
    }

    async fn count(&mut self, sql: &'static str) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar(sql).fetch_one(&mut *self.tx).await?)
    }

    async fn delete(&mut self, sql: &'static str, id: &str) -> Result<(), StoreError> {
        sqlx::query(sql).bind(id.to_owned()).execute(&mut *self.tx).await?;
        Ok(())
    }
}
