//! Users who are signed in: as operators are (`people::sessions`), in a table and with a cookie apart from theirs.

use flint_contract::key::Digest;
use sqlx::FromRow;

use super::read_list;
use super::users::User;
use crate::password;
use crate::secret::Secret;
use crate::store::audit::AuditEvent;
use crate::store::people::sessions::{IDLE, LIFETIME, MOST, Realm};
use crate::store::{Actor, Store, StoreError, Write};

/// A user who is signed in.
#[derive(Clone, Debug)]
pub struct UserSession {
    /// Who.
    pub user: User,
    /// What every form must show again.
    pub csrf_token: String,
    /// The digest of the cookie: what questions are bound to.
    pub digest: Digest,
}

/// What came of an attempt to sign in.
#[derive(Debug)]
pub enum UserSignIn {
    /// This goes into the cookie.
    Done(Secret),
    /// Wrong name or wrong password; which of them is not told.
    Wrong,
    /// Not even tried. Again in this many seconds.
    Throttled(i64),
}

#[derive(FromRow)]
struct UserSessionRow {
    id: String,
    name: String,
    permissions: String,
    created_at: i64,
    last_sign_in_at: Option<i64>,
    csrf_token: String,
    seen_at: i64,
}

impl UserSession {
    /// Whether a form has shown this session's token again. Compared by digest, so that time tells nothing.
    #[must_use]
    pub fn csrf_is(&self, shown: &str) -> bool {
        Digest::of(shown.as_bytes()) == Digest::of(self.csrf_token.as_bytes())
    }

    /// The user, for the audit log.
    #[must_use]
    pub fn actor(&self, address: Option<String>) -> Actor {
        Actor { kind: "user", name: self.user.name.clone(), address }
    }
}

impl Store {
    /// Tries to sign a user in. Attempts are counted and slowed down as operators' are, and apart from theirs.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn sign_in_user(
        &self,
        name: &str,
        password: String,
        address: Option<&str>,
        now: i64,
    ) -> Result<UserSignIn, StoreError> {
        let wait = self.begin_attempt(Realm::User, name, address, now).await?;
        if wait > 0 {
            return Ok(UserSignIn::Throttled(wait));
        }
        let sql = "SELECT id, password_hash FROM oauth_user WHERE name = $1 AND disabled_at IS NULL";
        let found: Option<(String, String)> =
            sqlx::query_as(sql).bind(name.to_owned()).fetch_optional(&self.pool).await?;
        let (id, hash) = found.unzip();
        let is_right = password.len() <= password::MAX_BYTES && password::verify(password, hash).await;
        match id {
            Some(id) if is_right => self.begin_user_session(&id, name, address, now).await,
            id => {
                self.record_user_failure(id.as_deref(), address, now).await?;
                Ok(UserSignIn::Wrong)
            }
        }
    }

    /// The session of a cookie, if it is one and has not ended. It stays alive because of this.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn user_session(&self, cookie: &str, now: i64) -> Result<Option<UserSession>, StoreError> {
        self.check_files()?;
        let sql = "SELECT oauth_user.id, name, permissions, oauth_user.created_at, last_sign_in_at, csrf_token, seen_at \
                   FROM oauth_session JOIN oauth_user ON oauth_user.id = user_id \
                   WHERE digest = $1 AND expires_at > $2 AND seen_at > $3 AND disabled_at IS NULL";
        let digest = Digest::of(cookie.as_bytes());
        let row: Option<UserSessionRow> = sqlx::query_as(sql)
            .bind(digest.as_bytes().to_vec())
            .bind(now)
            .bind(now - IDLE)
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        if now - row.seen_at >= 60 {
            let sql = "UPDATE oauth_session SET seen_at = $1 WHERE digest = $2 AND seen_at < $1";
            let mut write = self.write().await?;
            sqlx::query(sql).bind(now).bind(digest.as_bytes().to_vec()).execute(&mut *write.tx).await?;
            write.commit().await?;
        }
        let user = User {
            permissions: read_list(&row.permissions, "oauth_user.permissions")?,
            id: row.id,
            name: row.name,
            created_at: row.created_at,
            disabled_at: None,
            last_sign_in_at: row.last_sign_in_at,
        };
        Ok(Some(UserSession { user, csrf_token: row.csrf_token, digest }))
    }

    /// Ends the session of a cookie.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn sign_out_user(&self, cookie: &str) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let digest = Digest::of(cookie.as_bytes()).as_bytes().to_vec();
        sqlx::query("DELETE FROM oauth_session WHERE digest = $1")
            .bind(digest)
            .execute(&mut *write.tx)
            .await?;
        write.commit().await
    }

    async fn begin_user_session(
        &self,
        id: &str,
        name: &str,
        address: Option<&str>,
        now: i64,
    ) -> Result<UserSignIn, StoreError> {
        let (secret, csrf) = (Secret::generate("")?, Secret::generate("")?);
        let mut write = self.write().await?;
        let sql = "INSERT INTO oauth_session (digest, user_id, csrf_token, address, created_at, seen_at, expires_at) \
                   VALUES ($1, $2, $3, $4, $5, $5, $6)";
        sqlx::query(sql)
            .bind(secret.digest().as_bytes().to_vec())
            .bind(id)
            .bind(csrf.reveal())
            .bind(address)
            .bind(now)
            .bind(now + LIFETIME)
            .execute(&mut *write.tx)
            .await?;
        let sql = "DELETE FROM oauth_session WHERE user_id = $1 AND digest NOT IN (SELECT digest FROM oauth_session \
                   WHERE user_id = $1 AND digest <> $3 ORDER BY created_at DESC, seen_at DESC LIMIT $2) AND digest <> $3";
        sqlx::query(sql)
            .bind(id)
            .bind(MOST - 1)
            .bind(secret.digest().as_bytes().to_vec())
            .execute(&mut *write.tx)
            .await?;
        let sql = "UPDATE oauth_user SET last_sign_in_at = $1 WHERE id = $2";
        sqlx::query(sql).bind(now).bind(id).execute(&mut *write.tx).await?;
        write.end_attempt(Realm::User, name, address).await?;
        let actor = Actor { kind: "user", name: name.into(), address: address.map(Into::into) };
        let line = AuditEvent {
            action: "user.sign_in",
            subject_kind: "user",
            subject: id,
            before: None,
            after: None,
        };
        write.record(now, &actor, line).await?;
        write.commit().await?;
        Ok(UserSignIn::Done(secret))
    }

    /// Leaves a trace of a failure, and nothing of what was typed.
    async fn record_user_failure(
        &self,
        user_id: Option<&str>,
        address: Option<&str>,
        now: i64,
    ) -> Result<(), StoreError> {
        tracing::warn!(user = user_id, address, "a user's sign-in failed");
        let Some(subject) = user_id else {
            return Ok(());
        };
        let actor = Actor { address: address.map(Into::into), ..Actor::system() };
        let line = AuditEvent {
            action: "user.sign_in_failed",
            subject_kind: "user",
            subject,
            before: None,
            after: None,
        };
        let mut write = self.write().await?;
        write.record(now, &actor, line).await?;
        write.commit().await
    }
}

impl Write<'_> {
    pub(super) async fn end_user_sessions(&mut self, user_id: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM oauth_session WHERE user_id = $1")
            .bind(user_id)
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }
}
