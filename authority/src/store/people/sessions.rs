//! Staying signed in: what sessions of operators and of users have in common, and those of
//! operators.
//!
//! 1. A session is a random secret in a cookie; the database has its digest. Signing in always
//!    makes a new one.
//! 2. It ends 12 hours after signing in, after one hour without a request, when its owner signs
//!    out, is disabled or gets another password.
//! 3. A form shows the session's CSRF token again; it is compared by digest, so that time tells
//!    nothing.
//!
//! How often somebody may try to sign in is in `throttle`.

use flint_contract::key::Digest;
use serde_json::json;
use sqlx::{AssertSqlSafe, FromRow};

use super::operators::Operator;
use super::throttle::{Account, Attempt, Realm, Verdict};
use crate::secret::{self, Secret};
use crate::store::audit::AuditEvent;
use crate::store::{Actor, Store, StoreError, Write};

/// The most sessions of one operator or user; the oldest ends for another.
const MOST: i64 = 20;
/// How long a session lasts at most, in seconds.
pub const LIFETIME: i64 = 12 * 3_600;
/// How long it lasts without a request, in seconds.
pub const IDLE: i64 = 3_600;
/// How often a request is noted, in seconds: most requests write nothing.
const NOTED: i64 = 60;

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct Session {
    /// Who.
    pub operator: Operator,
    /// What every form must show again.
    pub csrf_token: String,
}

/// What came of an attempt to sign in.
#[derive(Debug)]
pub enum SignIn<S> {
    /// This goes into the cookie.
    Done(Secret, S),
    /// Wrong name or wrong password; which of them is not told.
    Wrong,
    /// Not even tried. Again in this many seconds.
    Throttled(i64),
}

/// Where a session begins.
pub(in crate::store) struct Beginning<'a> {
    pub(in crate::store) realm: Realm,
    pub(in crate::store) name: &'a str,
    pub(in crate::store) address: Option<&'a str>,
    pub(in crate::store) now: i64,
}

#[derive(FromRow)]
struct SessionRow {
    id: String,
    name: String,
    created_at: i64,
    created_by: String,
    csrf_token: String,
    seen_at: i64,
}

impl Realm {
    /// The table of sessions, and its column for whose they are.
    const fn sessions(self) -> (&'static str, &'static str) {
        match self {
            Self::Operator => ("session", "operator_id"),
            Self::User => ("oauth_session", "user_id"),
        }
    }
}

impl Session {
    /// Whether a form has shown this session's token again.
    #[must_use]
    pub fn csrf_is(&self, shown: &str) -> bool {
        secret::are_same(shown, &self.csrf_token)
    }

    /// The operator, for the audit log.
    #[must_use]
    pub fn actor(&self, address: Option<String>) -> Actor {
        Actor { kind: "operator", name: self.operator.name.clone(), address }
    }
}

impl Store {
    /// Tries to sign in.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn sign_in(
        &self,
        name: &str,
        password: String,
        address: Option<&str>,
        now: i64,
    ) -> Result<SignIn<Session>, StoreError> {
        let verdict = self.attempt(Attempt { realm: Realm::Operator, name, password, address, now }).await?;
        self.follow(verdict, name, address, now).await
    }

    /// Tries the password again that the operator of a session has given before. A success begins
    /// another session.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn confirm(
        &self,
        cookie: &str,
        name: &str,
        password: String,
        address: Option<&str>,
        now: i64,
    ) -> Result<SignIn<Session>, StoreError> {
        let attempt = Attempt { realm: Realm::Operator, name, password, address, now };
        let verdict = self.attempt_again(cookie, attempt).await?;
        self.follow(verdict, name, address, now).await
    }

    async fn follow(
        &self,
        verdict: Verdict,
        name: &str,
        address: Option<&str>,
        now: i64,
    ) -> Result<SignIn<Session>, StoreError> {
        let account = match verdict {
            Verdict::Right(account) => account,
            Verdict::Wrong => return Ok(SignIn::Wrong),
            Verdict::Throttled(wait) => return Ok(SignIn::Throttled(wait)),
        };
        let mut write = self.write().await?;
        let sql = "SELECT id, name, created_at, created_by, disabled_at FROM operator WHERE id = $1";
        let operator = sqlx::query_as(sql).bind(account.id.as_str()).fetch_one(&mut *write.tx).await?;
        let beginning = Beginning { realm: Realm::Operator, name, address, now };
        let (secret, csrf) = write.begin_session(&account, beginning).await?;
        write.commit().await?;
        Ok(SignIn::Done(secret, Session { operator, csrf_token: csrf.reveal().into() }))
    }

    /// The session of a cookie, if it is one and has not ended. It stays alive because of this.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn session(&self, cookie: &str, now: i64) -> Result<Option<Session>, StoreError> {
        self.check_files()?;
        let sql = "SELECT operator.id, name, operator.created_at, created_by, csrf_token, seen_at FROM session \
                   JOIN operator ON operator.id = session.operator_id \
                   WHERE digest = $1 AND expires_at > $2 AND seen_at > $3 AND disabled_at IS NULL";
        let digest = Digest::of(cookie.as_bytes());
        let row: Option<SessionRow> = sqlx::query_as(sql)
            .bind(digest.as_bytes().to_vec())
            .bind(now)
            .bind(now - IDLE)
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        self.note_request(Realm::Operator, &digest, row.seen_at, now).await?;
        let SessionRow { id, name, created_at, created_by, csrf_token, .. } = row;
        let operator = Operator { id, name, created_at, created_by, disabled_at: None };
        Ok(Some(Session { operator, csrf_token }))
    }

    /// Ends the session of a cookie.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn sign_out(&self, cookie: &str) -> Result<(), StoreError> {
        self.end_session(Realm::Operator, cookie).await
    }

    /// Forgets what has ended: sessions, and failures of long ago.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn forget_ended_sessions(&self, now: i64) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let sql = "DELETE FROM session WHERE expires_at <= $1 OR seen_at <= $2";
        sqlx::query(sql).bind(now).bind(now - IDLE).execute(&mut *write.tx).await?;
        write.forget_failures(now).await?;
        write.commit().await
    }

    /// Keeps a session alive that was seen with a request.
    pub(in crate::store) async fn note_request(
        &self,
        realm: Realm,
        digest: &Digest,
        seen_at: i64,
        now: i64,
    ) -> Result<(), StoreError> {
        if now - seen_at < NOTED {
            return Ok(());
        }
        let (table, _) = realm.sessions();
        let sql = format!("UPDATE {table} SET seen_at = $1 WHERE digest = $2 AND seen_at < $1");
        let mut write = self.write().await?;
        sqlx::query(AssertSqlSafe(sql))
            .bind(now)
            .bind(digest.as_bytes().to_vec())
            .execute(&mut *write.tx)
            .await?;
        write.commit().await
    }

    pub(in crate::store) async fn end_session(&self, realm: Realm, cookie: &str) -> Result<(), StoreError> {
        let (table, _) = realm.sessions();
        let sql = format!("DELETE FROM {table} WHERE digest = $1");
        let digest = Digest::of(cookie.as_bytes()).as_bytes().to_vec();
        let mut write = self.write().await?;
        sqlx::query(AssertSqlSafe(sql)).bind(digest).execute(&mut *write.tx).await?;
        write.commit().await
    }
}

impl Write<'_> {
    /// Begins a session of somebody who gave the right password, and takes their attempt back.
    /// Returns what goes into the cookie, and the token of the session's forms.
    pub(in crate::store) async fn begin_session(
        &mut self,
        account: &Account,
        beginning: Beginning<'_>,
    ) -> Result<(Secret, Secret), StoreError> {
        let Beginning { realm, name, address, now } = beginning;
        let (secret, csrf) = (Secret::generate("")?, Secret::generate("")?);
        let (digest, (table, owner)) = (secret.digest(), realm.sessions());
        let sql = format!(
            "INSERT INTO {table} (digest, {owner}, csrf_token, address, created_at, seen_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $5, $6)"
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(digest.as_bytes().to_vec())
            .bind(account.id.as_str())
            .bind(csrf.reveal())
            .bind(address)
            .bind(now)
            .bind(now + LIFETIME)
            .execute(&mut *self.tx)
            .await?;
        self.keep_few_sessions(realm, &account.id, &digest).await?;
        self.take_back_attempt(account).await?;
        let actor = Actor { kind: realm.kind(), name: name.into(), address: address.map(Into::into) };
        let (action, after) = (realm.sign_in(), Some(json!({ "name": name })));
        let line =
            AuditEvent { action, subject_kind: realm.kind(), subject: &account.id, before: None, after };
        self.record(now, &actor, line).await?;
        Ok((secret, csrf))
    }

    /// Ends the oldest sessions of an account, if it has more than may be. The newest stays
    /// whatever the clock said.
    async fn keep_few_sessions(&mut self, realm: Realm, id: &str, newest: &Digest) -> Result<(), StoreError> {
        let (table, owner) = realm.sessions();
        let sql = format!(
            "DELETE FROM {table} WHERE {owner} = $1 AND digest <> $3 AND digest NOT IN (SELECT digest FROM {table} \
             WHERE {owner} = $1 AND digest <> $3 ORDER BY created_at DESC, seen_at DESC LIMIT $2)"
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(id)
            .bind(MOST - 1)
            .bind(newest.as_bytes().to_vec())
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// Ends all sessions of an account.
    pub(in crate::store) async fn end_sessions_of(
        &mut self,
        realm: Realm,
        id: &str,
    ) -> Result<(), StoreError> {
        let (table, owner) = realm.sessions();
        let sql = format!("DELETE FROM {table} WHERE {owner} = $1");
        sqlx::query(AssertSqlSafe(sql)).bind(id).execute(&mut *self.tx).await?;
        Ok(())
    }
}
