//! Deletes what can no longer be used, so that tables hold only what is alive.

use sqlx::AssertSqlSafe;

use super::questions::ANSWERABLE;
use crate::model::DAY;
use crate::oauth::keyring::Keyring;
use crate::oauth::token::MAX_SKEW;
use crate::store::{Store, StoreError};

/// How many rows are forgotten in one step: nobody waits long for one.
const STEP: i64 = 1_000;
/// How long a withdrawn grant is listed, in seconds.
const LISTED: i64 = 90 * DAY;
/// How long a gateway may need to hear of a revoked token's end, in seconds.
const HEARD: i64 = 3_600;

/// Tables, what names their rows, and which of these rows are of no use from a time on.
const STALE: [(&str, &str, &str, i64); 7] = [
    ("oauth_access_token", "jti", "expires_at <= $1", MAX_SKEW),
    ("oauth_revoked_token", "jti", "expires_at <= $1", HEARD),
    ("oauth_assertion", "digest", "expires_at <= $1", 0),
    ("oauth_question", "digest", "asked_at <= $1", ANSWERABLE),
    ("oauth_session", "digest", "expires_at <= $1", 0),
    ("oauth_client_secret", "digest", "expires_at <= $1", 0),
    ("oauth_grant", "id", "revoked_at <= $1", LISTED),
];

impl Store {
    /// Forgets what is of no use any more.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn forget_oauth(&self, now: i64) -> Result<(), StoreError> {
        for (table, name, which, after) in STALE {
            let sql = format!(
                "DELETE FROM {table} WHERE {name} IN (SELECT {name} FROM {table} WHERE {which} LIMIT {STEP})"
            );
            while self.forget(&sql, now - after).await? == STEP as u64 {}
        }
        let stale =
            format!("SELECT id FROM oauth_family WHERE forget_at <= $1 ORDER BY forget_at, id LIMIT {STEP}");
        let tokens = format!("DELETE FROM oauth_refresh_token WHERE family_id IN ({stale})");
        let families = format!("DELETE FROM oauth_family WHERE id IN ({stale})");
        loop {
            self.forget(&tokens, now).await?;
            if self.forget(&families, now).await? < STEP as u64 {
                return Ok(());
            }
        }
    }

    /// Takes the private halves of withdrawn keys away, a day after. Their public halves stay
    /// listed nowhere.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn forget_signing_keys(&self, keyring: &Keyring, now: i64) -> Result<(), StoreError> {
        let sql = "SELECT kid FROM oauth_signing_key WHERE published_until <= $1";
        let withdrawn: Vec<String> = sqlx::query_scalar(sql).bind(now - DAY).fetch_all(&self.pool).await?;
        for kid in withdrawn {
            keyring.forget(&kid);
        }
        Ok(())
    }

    async fn forget(&self, sql: &str, until: i64) -> Result<u64, StoreError> {
        let mut write = self.write().await?;
        let done = sqlx::query(AssertSqlSafe(sql.to_owned())).bind(until).execute(&mut *write.tx).await?;
        write.commit().await?;
        Ok(done.rows_affected())
    }
}
