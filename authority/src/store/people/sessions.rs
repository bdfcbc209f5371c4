//! Signing in to the dashboard, and staying signed in.
//!
//! 1. A session is a random secret in a cookie; the database has its digest. Signing in always makes a new one.
//! 2. It ends 12 hours after signing in, after one hour without a request, when the operator signs out, is shut out or
//!    gets another password.
//! 3. Failures are counted by address and, from addresses that are not known to the operator, by name. From the fifth
//!    on, the next attempt is refused unheard for a time that doubles: up to a quarter of an hour by address, up to a
//!    minute by name. An hour without failures clears both. An address is known to an operator who has signed in from
//!    it within 90 days (the audit log says so). So somebody who merely knows a name can keep nobody from signing in
//!    from where they usually do, and guessing stays bounded: 4 tries and then one a minute from all unknown addresses
//!    together, 4 tries and then four an hour from each known one.
//! 4. The password that a session is asked for again is counted by session alone, up to a minute. Nobody else can use
//!    that count up.
//! 5. An attempt counts as a failure before its password is looked at, so that many at once are not many free guesses;
//!    a success is taken back. An IPv6 address counts with its whole /64, which is what one customer is given.
//! 6. A form shows the session's CSRF token again; it is compared by digest, so that time tells nothing.

use std::net::Ipv6Addr;

use flint_contract::key::Digest;
use serde_json::json;
use sqlx::FromRow;

use super::operators::Operator;
use crate::password;
use crate::secret::Secret;
use crate::store::audit::AuditEvent;
use crate::store::{Actor, Store, StoreError, Write};

/// The most sessions of one operator; the oldest ends for another.
pub(in crate::store) const MOST: i64 = 20;
/// How long a session lasts at most, in seconds.
pub const LIFETIME: i64 = 12 * 3_600;
/// How long it lasts without a request, in seconds.
pub const IDLE: i64 = 3_600;

const FREE_FAILURES: i64 = 5;
const MAX_BLOCK_NAME: i64 = 60;
const MAX_BLOCK_ADDRESS: i64 = 900;
const FORGET_FAILURES: i64 = 3_600;
/// For how long an address is known after a sign-in, in seconds.
const KNOWN: i64 = 90 * 86_400;

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
pub enum SignIn {
    /// This goes into the cookie.
    Done(Secret, Session),
    /// Wrong name or wrong password; which of them is not told.
    Wrong,
    /// Not even tried. Again in this many seconds.
    Throttled(i64),
}

/// Who signs in: attempts of the one are counted apart from those of the other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::store) enum Realm {
    /// To the dashboard.
    Operator,
    /// To grant permissions.
    User,
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
    const fn prefix(self) -> &'static str {
        match self {
            Self::Operator => "",
            Self::User => "user ",
        }
    }
}

impl Session {
    /// Whether a form has shown this session's token again.
    #[must_use]
    pub fn csrf_is(&self, shown: &str) -> bool {
        Digest::of(shown.as_bytes()) == Digest::of(self.csrf_token.as_bytes())
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
    ) -> Result<SignIn, StoreError> {
        let mut subjects = Vec::new();
        if !self.is_known(name, address, now).await? {
            subjects.push((by_name(Realm::Operator, name), MAX_BLOCK_NAME));
        }
        subjects.extend(address.map(|address| (by_address(Realm::Operator, address), MAX_BLOCK_ADDRESS)));
        self.attempt(&subjects, name, password, address, now).await
    }

    /// Tries the password again that the operator of a session has given before. A success begins another session.
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
    ) -> Result<SignIn, StoreError> {
        let subject = format!("session:{}", Digest::of(cookie.as_bytes()).to_hex());
        self.attempt(&[(subject, MAX_BLOCK_NAME)], name, password, address, now).await
    }

    async fn attempt(
        &self,
        subjects: &[(String, i64)],
        name: &str,
        password: String,
        address: Option<&str>,
        now: i64,
    ) -> Result<SignIn, StoreError> {
        let wait = self.begin_counted(subjects, now).await?;
        if wait > 0 {
            return Ok(SignIn::Throttled(wait));
        }
        let sql = "SELECT id, password_hash FROM operator WHERE name = $1 AND disabled_at IS NULL";
        let found: Option<(String, String)> =
            sqlx::query_as(sql).bind(name.to_owned()).fetch_optional(&self.pool).await?;
        let (id, hash) = found.unzip();
        if password.len() > password::MAX_BYTES || !password::verify(password, hash).await {
            self.record_failure(id.as_deref(), address, now).await?;
            return Ok(SignIn::Wrong);
        }
        let (secret, session) = self.begin_session(subjects, name, address, now).await?;
        Ok(SignIn::Done(secret, session))
    }

    /// The session of a cookie, if it is one and has not ended. It goes on because of this.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn session(&self, cookie: &str, now: i64) -> Result<Option<Session>, StoreError> {
        self.check_files()?;
        let sql = "SELECT operator.id, name, operator.created_at, created_by, csrf_token, seen_at FROM session \
                   JOIN operator ON operator.id = session.operator_id \
                   WHERE digest = $1 AND expires_at > $2 AND seen_at > $3 AND disabled_at IS NULL";
        let digest = Digest::of(cookie.as_bytes()).as_bytes().to_vec();
        let row: Option<SessionRow> = sqlx::query_as(sql)
            .bind(digest.clone())
            .bind(now)
            .bind(now - IDLE)
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        // Once a minute is often enough, and no write for most requests.
        if now - row.seen_at >= 60 {
            let write = self.write().await?;
            self.touch_session(write, digest, now).await?;
        }
        let SessionRow { id, name, created_at, created_by, csrf_token, .. } = row;
        let operator = Operator { id, name, created_at, created_by, disabled_at: None };
        Ok(Some(Session { operator, csrf_token }))
    }

    /// Ends the session of a cookie.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn sign_out(&self, cookie: &str) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let digest = Digest::of(cookie.as_bytes()).as_bytes().to_vec();
        sqlx::query("DELETE FROM session WHERE digest = $1").bind(digest).execute(&mut *write.tx).await?;
        write.commit().await
    }

    /// Forgets what has ended: sessions, and failures of long ago.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn forget_ended_sessions(&self, now: i64) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let sql = "DELETE FROM session WHERE expires_at <= $1 OR seen_at <= $2";
        sqlx::query(sql).bind(now).bind(now - IDLE).execute(&mut *write.tx).await?;
        let sql = "DELETE FROM sign_in_throttle WHERE last_failure <= $1";
        sqlx::query(sql).bind(now - FORGET_FAILURES).execute(&mut *write.tx).await?;
        write.commit().await
    }

    async fn begin_session(
        &self,
        counted: &[(String, i64)],
        name: &str,
        address: Option<&str>,
        now: i64,
    ) -> Result<(Secret, Session), StoreError> {
        let (secret, csrf) = (Secret::generate("")?, Secret::generate("")?);
        let mut write = self.write().await?;
        let sql = "SELECT id, name, created_at, created_by, disabled_at FROM operator WHERE name = $1";
        let operator: Operator = sqlx::query_as(sql).bind(name.to_owned()).fetch_one(&mut *write.tx).await?;
        let sql = "INSERT INTO session (digest, operator_id, csrf_token, address, created_at, seen_at, expires_at) \
                   VALUES ($1, $2, $3, $4, $5, $5, $6)";
        sqlx::query(sql)
            .bind(secret.digest().as_bytes().to_vec())
            .bind(operator.id.as_str())
            .bind(csrf.reveal())
            .bind(address)
            .bind(now)
            .bind(now + LIFETIME)
            .execute(&mut *write.tx)
            .await?;
        let sql = "DELETE FROM session WHERE operator_id = $1 AND digest NOT IN (SELECT digest FROM session \
                   WHERE operator_id = $1 AND digest <> $3 ORDER BY created_at DESC, seen_at DESC LIMIT $2) AND digest <> $3";
        sqlx::query(sql)
            .bind(operator.id.as_str())
            .bind(MOST - 1)
            .bind(secret.digest().as_bytes().to_vec())
            .execute(&mut *write.tx)
            .await?;
        write.take_back_attempt(counted).await?;
        let session = Session { operator, csrf_token: csrf.reveal().into() };
        let actor = session.actor(address.map(Into::into));
        let after = Some(json!({ "name": name }));
        let subject = &session.operator.id;
        let line =
            AuditEvent { action: "operator.sign_in", subject_kind: "operator", subject, before: None, after };
        write.record(now, &actor, line).await?;
        write.commit().await?;
        Ok((secret, session))
    }

    async fn touch_session(&self, mut write: Write<'_>, digest: Vec<u8>, now: i64) -> Result<(), StoreError> {
        let sql = "UPDATE session SET seen_at = $1 WHERE digest = $2 AND seen_at < $1";
        sqlx::query(sql).bind(now).bind(digest).execute(&mut *write.tx).await?;
        write.commit().await
    }

    /// Counts an attempt, or returns for how many seconds it is refused unheard.
    pub(in crate::store) async fn begin_attempt(
        &self,
        realm: Realm,
        name: &str,
        address: Option<&str>,
        now: i64,
    ) -> Result<i64, StoreError> {
        self.begin_counted(&throttle_subjects(realm, name, address), now).await
    }

    async fn begin_counted(&self, subjects: &[(String, i64)], now: i64) -> Result<i64, StoreError> {
        let wait = self.sign_in_blocked(subjects, now).await?;
        if wait > 0 { Ok(wait) } else { self.count_attempt(subjects, now).await }
    }

    /// Whether somebody of this name has signed in from this address within the last 90 days.
    async fn is_known(&self, name: &str, address: Option<&str>, now: i64) -> Result<bool, StoreError> {
        let Some(address) = address.map(|address| by_address(Realm::Operator, address)) else {
            return Ok(false);
        };
        // What an operator did is found by their name; what others tried as them is not among it, however much it is.
        let sql = "SELECT DISTINCT address FROM audit WHERE actor = $1 AND actor_kind = 'operator' \
                   AND action = 'operator.sign_in' AND at > $2 AND address IS NOT NULL";
        let known: Vec<String> =
            sqlx::query_scalar(sql).bind(name.to_owned()).bind(now - KNOWN).fetch_all(&self.pool).await?;
        Ok(known.iter().any(|known| by_address(Realm::Operator, known) == address))
    }

    /// For how many seconds the next attempt is refused unheard.
    async fn sign_in_blocked(&self, subjects: &[(String, i64)], now: i64) -> Result<i64, StoreError> {
        let mut wait = 0;
        for (subject, _) in subjects {
            let sql = "SELECT blocked_until FROM sign_in_throttle WHERE subject = $1";
            let until: Option<i64> =
                sqlx::query_scalar(sql).bind(subject.clone()).fetch_optional(&self.pool).await?;
            wait = wait.max(until.unwrap_or(0) - now);
        }
        Ok(wait)
    }

    /// Counts an attempt as a failure, or tells for how many seconds it is refused: attempts at the same time come one
    /// after another through here, each with what those before it have counted.
    async fn count_attempt(&self, subjects: &[(String, i64)], now: i64) -> Result<i64, StoreError> {
        let count = "INSERT INTO sign_in_throttle (subject, failures, last_failure, blocked_until) \
                     VALUES ($1, 1, $2, 0) ON CONFLICT (subject) DO UPDATE SET last_failure = $2, \
                     failures = CASE WHEN sign_in_throttle.last_failure <= $3 THEN 1 \
                     ELSE sign_in_throttle.failures + 1 END RETURNING failures, blocked_until";
        let block = "UPDATE sign_in_throttle SET blocked_until = $1 WHERE subject = $2";
        let mut write = self.write().await?;
        for (subject, most) in subjects {
            let (failures, blocked_until): (i64, i64) = sqlx::query_as(count)
                .bind(subject.clone())
                .bind(now)
                .bind(now - FORGET_FAILURES)
                .fetch_one(&mut *write.tx)
                .await?;
            if blocked_until > now {
                // Left without a commit, so that nothing of this attempt counts.
                return Ok(blocked_until - now);
            }
            let until = now + block_after(failures, *most);
            sqlx::query(block).bind(until).bind(subject.clone()).execute(&mut *write.tx).await?;
        }
        write.commit().await?;
        Ok(0)
    }

    /// Leaves a trace of a failure: in the log always, in the audit log where somebody's name was tried. What was typed
    /// is in neither: it may be a password in the wrong field.
    async fn record_failure(
        &self,
        operator_id: Option<&str>,
        address: Option<&str>,
        now: i64,
    ) -> Result<(), StoreError> {
        tracing::warn!(operator = operator_id, address, "a sign-in failed");
        let Some(subject) = operator_id else {
            return Ok(());
        };
        let actor = Actor { address: address.map(Into::into), ..Actor::system() };
        let line = AuditEvent {
            action: "operator.sign_in_failed",
            subject_kind: "operator",
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
    /// Notes that an attempt was right.
    pub(in crate::store) async fn end_attempt(
        &mut self,
        realm: Realm,
        name: &str,
        address: Option<&str>,
    ) -> Result<(), StoreError> {
        let sql = "DELETE FROM sign_in_throttle WHERE subject = $1";
        sqlx::query(sql).bind(by_name(realm, name)).execute(&mut *self.tx).await?;
        let counted = address.map(|address| (by_address(realm, address), MAX_BLOCK_ADDRESS));
        self.take_back_attempt(counted.as_slice()).await
    }

    /// Takes back an attempt that was no guess, and with it the wait that it has made for the next one.
    async fn take_back_attempt(&mut self, counted: &[(String, i64)]) -> Result<(), StoreError> {
        let sql = "UPDATE sign_in_throttle SET failures = failures - 1, blocked_until = 0 \
                   WHERE subject = $1 AND failures > 0";
        for (subject, _) in counted {
            sqlx::query(sql).bind(subject.as_str()).execute(&mut *self.tx).await?;
        }
        Ok(())
    }
}

/// Under which headings failures are counted, and for how long each may block.
fn throttle_subjects(realm: Realm, name: &str, address: Option<&str>) -> Vec<(String, i64)> {
    let mut subjects = vec![(by_name(realm, name), MAX_BLOCK_NAME)];
    subjects.extend(address.map(|address| (by_address(realm, address), MAX_BLOCK_ADDRESS)));
    subjects
}

/// Whoever has one IPv6 address has the 2^64 around it as well.
fn by_address(realm: Realm, address: &str) -> String {
    let realm = realm.prefix();
    let network = address.parse::<Ipv6Addr>().map(|v6| Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64));
    network.map_or_else(
        |_| format!("{realm}address:{address}"),
        |network| format!("{realm}address:{network}/64"),
    )
}

fn by_name(realm: Realm, name: &str) -> String {
    // A digest: whoever types a password in the wrong field must not leave it in the database.
    format!("{}name:{}", realm.prefix(), Digest::of(name.as_bytes()).to_hex())
}

/// The seconds of waiting after so many failures (rule 3).
fn block_after(failures: i64, most: i64) -> i64 {
    match failures - FREE_FAILURES {
        ..0 => 0,
        excess => most.min(1 << excess.min(20)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_address_counts_with_its_neighbours() {
        for (address, heading) in [
            ("203.0.113.7", "address:203.0.113.7"),
            ("2001:db8:1:2:3:4:5:6", "address:2001:db8:1:2::/64"),
            ("2001:db8:1:2::", "address:2001:db8:1:2::/64"),
            ("2001:db8:1:3::1", "address:2001:db8:1:3::/64"),
            ("::1", "address:::/64"),
        ] {
            assert_eq!(by_address(Realm::Operator, address), heading);
            assert_eq!(by_address(Realm::User, address), format!("user {heading}"));
        }
    }

    #[test]
    fn waiting_doubles_up_to_its_limit() {
        let waits: Vec<i64> = (1..=13).map(|failures| block_after(failures, 60)).collect();
        assert_eq!(waits, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(block_after(i64::MAX, 900), 900);
    }
}
