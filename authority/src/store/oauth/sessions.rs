//! Sessions of users. They work like those of operators (`people::sessions`), with a separate table
//! and cookie.

use flint_contract::key::Digest;
use sqlx::{AssertSqlSafe, FromRow};

use super::read_list;
use super::users::{COLUMNS, User, UserRow};
use crate::secret;
use crate::store::people::sessions::{Beginning, IDLE, SignIn};
use crate::store::people::throttle::{Attempt, Realm, Verdict};
use crate::store::{Actor, Store, StoreError};

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
    /// Whether a form has shown this session's token again.
    #[must_use]
    pub fn csrf_is(&self, shown: &str) -> bool {
        secret::are_same(shown, &self.csrf_token)
    }

    /// The user, for the audit log.
    #[must_use]
    pub fn actor(&self, address: Option<String>) -> Actor {
        Actor { kind: "user", name: self.user.name.clone(), address }
    }
}

impl Store {
    /// Tries to sign a user in. Attempts are counted and slowed down as operators' are, and apart
    /// from theirs.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn sign_in_user(
        &self,
        name: &str,
        password: String,
        address: Option<&str>,
        now: i64,
    ) -> Result<SignIn<UserSession>, StoreError> {
        let realm = Realm::User;
        let account = match self.attempt(Attempt { realm, name, password, address, now }).await? {
            Verdict::Right(account) => account,
            Verdict::Wrong => return Ok(SignIn::Wrong),
            Verdict::Throttled(wait) => return Ok(SignIn::Throttled(wait)),
        };
        let mut write = self.write().await?;
        let sql = format!("UPDATE oauth_user SET last_sign_in_at = $1 WHERE id = $2 RETURNING {COLUMNS}");
        let row: UserRow = sqlx::query_as(AssertSqlSafe(sql))
            .bind(now)
            .bind(account.id.as_str())
            .fetch_one(&mut *write.tx)
            .await?;
        let user = row.try_into()?;
        let (secret, csrf) = write.begin_session(&account, Beginning { realm, name, address, now }).await?;
        write.commit().await?;
        let session = UserSession { user, csrf_token: csrf.reveal().into(), digest: secret.digest() };
        Ok(SignIn::Done(secret, session))
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
        self.note_request(Realm::User, &digest, row.seen_at, now).await?;
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
        self.end_session(Realm::User, cookie).await
    }
}
