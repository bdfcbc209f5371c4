//! What the dashboard's forms need of the database: that one is sent once, and how old a sign-in
//! is.

use flint_contract::key::Digest;

use crate::store::{Store, StoreError};

/// How long a sent form is remembered, in seconds: longer than any session lasts.
const REMEMBERED: i64 = 2 * 86_400;

impl Store {
    /// Notes that a form was sent. `false`: it was sent before, by a reload, a double click, or
    /// through another server.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn spend_form(&self, token: &str, operator_id: &str, now: i64) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let sql = "DELETE FROM spent_form WHERE spent_at <= $1";
        sqlx::query(sql).bind(now - REMEMBERED).execute(&mut *write.tx).await?;
        let sql = "INSERT INTO spent_form (digest, spent_at) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        let done =
            sqlx::query(sql).bind(digest_of(token, operator_id)).bind(now).execute(&mut *write.tx).await?;
        write.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    /// Takes back that a form was sent: what it asked for was not done.
    ///
    /// # Errors
    /// If the database fails; the form stays used up then.
    pub async fn release_form(&self, token: &str, operator_id: &str) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let sql = "DELETE FROM spent_form WHERE digest = $1";
        sqlx::query(sql).bind(digest_of(token, operator_id)).execute(&mut *write.tx).await?;
        write.commit().await
    }

    /// When the session of a cookie began, which is when its operator last gave a password. `None`:
    /// there is no such session.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn session_began(&self, cookie: &str) -> Result<Option<i64>, StoreError> {
        let digest = Digest::of(cookie.as_bytes()).as_bytes().to_vec();
        let sql = "SELECT created_at FROM session WHERE digest = $1";
        Ok(sqlx::query_scalar(sql).bind(digest).fetch_optional(&self.pool).await?)
    }
}

/// With the operator in it, nobody can spend another's.
fn digest_of(token: &str, operator_id: &str) -> Vec<u8> {
    Digest::of(format!("{operator_id}\n{token}").as_bytes()).as_bytes().to_vec()
}
