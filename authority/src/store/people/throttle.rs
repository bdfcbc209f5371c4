//! Attempts to give a password: one mechanism for operators and users, which bounds guessing and
//! keeps nobody out.
//!
//! 1. Failures are counted by address and, from addresses that are not known to the account, by
//!    name. From the fifth on, the next attempt is refused unheard for a time that doubles: up to a
//!    quarter of an hour by address, up to a minute by name. An hour without failures clears both.
//! 2. An address is known to an account that has signed in from it within 90 days (the audit log
//!    says so). So somebody who merely knows a name keeps nobody from signing in from where they
//!    usually do, and guessing stays bounded: 4 tries and then one a minute from all unknown
//!    addresses together, 4 tries and then four an hour from each known one.
//! 3. The password that a session is asked for again is counted by session alone, up to a minute.
//!    Nobody else can use that count up.
//! 4. An attempt counts as a failure before its password is looked at, so that many at once are not
//!    many free guesses; a success is taken back. An IPv6 address counts with its whole /64, which
//!    is what one customer is given.
//! 5. Operators and users are counted apart: nobody slows an operator down by guessing at the pages
//!    for users.

use std::net::Ipv6Addr;

use flint_contract::key::Digest;

use crate::password;
use crate::store::audit::AuditEvent;
use crate::store::{Actor, Store, StoreError, Write};

const FREE_FAILURES: i64 = 5;
const MAX_BLOCK_NAME: i64 = 60;
const MAX_BLOCK_ADDRESS: i64 = 900;
const FORGET_FAILURES: i64 = 3_600;
/// For how long an address is known after a sign-in, in seconds.
const KNOWN: i64 = 90 * 86_400;

/// Whose accounts are signed in to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::store) enum Realm {
    /// Those of operators, for the dashboard.
    Operator,
    /// Those of users, who grant permissions.
    User,
}

/// Somebody who gives a name and a password.
pub(in crate::store) struct Attempt<'a> {
    pub(in crate::store) realm: Realm,
    pub(in crate::store) name: &'a str,
    pub(in crate::store) password: String,
    pub(in crate::store) address: Option<&'a str>,
    pub(in crate::store) now: i64,
}

/// What came of an attempt.
#[derive(Debug)]
pub(in crate::store) enum Verdict {
    /// The password is right.
    Right(Account),
    /// Wrong name or wrong password.
    Wrong,
    /// Not even tried. Again in this many seconds.
    Throttled(i64),
}

/// An account whose password was given.
#[derive(Debug)]
pub(in crate::store) struct Account {
    pub(in crate::store) id: String,
    counted: Vec<Count>,
}

/// A heading under which failures are counted.
#[derive(Debug, Eq, PartialEq)]
struct Count {
    subject: String,
    /// For how many seconds it blocks at most.
    most: i64,
}

impl Realm {
    /// The kind of its accounts in the audit log.
    pub(in crate::store) const fn kind(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::User => "user",
        }
    }

    /// The action of a sign-in.
    pub(in crate::store) const fn sign_in(self) -> &'static str {
        match self {
            Self::Operator => "operator.sign_in",
            Self::User => "user.sign_in",
        }
    }

    const fn sign_in_failed(self) -> &'static str {
        match self {
            Self::Operator => "operator.sign_in_failed",
            Self::User => "user.sign_in_failed",
        }
    }

    const fn find_password(self) -> &'static str {
        match self {
            Self::Operator => {
                "SELECT id, password_hash FROM operator WHERE name = $1 AND disabled_at IS NULL"
            }
            Self::User => "SELECT id, password_hash FROM oauth_user WHERE name = $1 AND disabled_at IS NULL",
        }
    }

    const fn prefix(self) -> &'static str {
        match self {
            Self::Operator => "",
            Self::User => "user ",
        }
    }
}

impl Count {
    fn by_name(realm: Realm, name: &str) -> Self {
        // A digest: somebody who types a password in the wrong field must not leave it in the
        // database.
        let name = Digest::of(name.as_bytes()).to_hex();
        Self { subject: format!("{}name:{name}", realm.prefix()), most: MAX_BLOCK_NAME }
    }

    fn by_address(realm: Realm, address: &str) -> Self {
        let subject = format!("{}address:{}", realm.prefix(), network(address));
        Self { subject, most: MAX_BLOCK_ADDRESS }
    }

    fn by_session(cookie: &str) -> Self {
        let session = Digest::of(cookie.as_bytes()).to_hex();
        Self { subject: format!("session:{session}"), most: MAX_BLOCK_NAME }
    }
}

impl Store {
    /// Hears an attempt to sign in, unless there were too many.
    pub(in crate::store) async fn attempt(&self, attempt: Attempt<'_>) -> Result<Verdict, StoreError> {
        let mut counts = Vec::new();
        if !self.is_known(&attempt).await? {
            counts.push(Count::by_name(attempt.realm, attempt.name));
        }
        counts.extend(attempt.address.map(|address| Count::by_address(attempt.realm, address)));
        self.hear(attempt, counts).await
    }

    /// Hears the password that a session is asked for again.
    pub(in crate::store) async fn attempt_again(
        &self,
        cookie: &str,
        attempt: Attempt<'_>,
    ) -> Result<Verdict, StoreError> {
        self.hear(attempt, vec![Count::by_session(cookie)]).await
    }

    async fn hear(&self, attempt: Attempt<'_>, counts: Vec<Count>) -> Result<Verdict, StoreError> {
        let Attempt { realm, name, password, address, now } = attempt;
        let wait = match self.blocked(&counts, now).await? {
            0 => self.count(&counts, now).await?,
            wait => wait,
        };
        if wait > 0 {
            return Ok(Verdict::Throttled(wait));
        }
        let found: Option<(String, String)> =
            sqlx::query_as(realm.find_password()).bind(name.to_owned()).fetch_optional(&self.pool).await?;
        let (id, hash) = found.unzip();
        let is_right = password.len() <= password::MAX_BYTES && password::verify(password, hash).await;
        match id {
            Some(id) if is_right => Ok(Verdict::Right(Account { id, counted: counts })),
            id => {
                self.record_failure(realm, id.as_deref(), address, now).await?;
                Ok(Verdict::Wrong)
            }
        }
    }

    /// Whether somebody of this name has signed in from this address within the last 90 days.
    async fn is_known(&self, attempt: &Attempt<'_>) -> Result<bool, StoreError> {
        let Some(network_of_attempt) = attempt.address.map(network) else {
            return Ok(false);
        };
        // What an account did is found by its name; what others tried as it is not among that,
        // however much it is.
        let sql = "SELECT DISTINCT address FROM audit WHERE actor = $1 AND actor_kind = $2 AND action = $3 \
                   AND at > $4 AND address IS NOT NULL";
        let known: Vec<String> = sqlx::query_scalar(sql)
            .bind(attempt.name.to_owned())
            .bind(attempt.realm.kind())
            .bind(attempt.realm.sign_in())
            .bind(attempt.now - KNOWN)
            .fetch_all(&self.pool)
            .await?;
        Ok(known.iter().any(|known| network(known) == network_of_attempt))
    }

    /// For how many seconds the next attempt is refused unheard.
    async fn blocked(&self, counts: &[Count], now: i64) -> Result<i64, StoreError> {
        let mut wait = 0;
        for count in counts {
            let sql = "SELECT blocked_until FROM sign_in_throttle WHERE subject = $1";
            let until: Option<i64> =
                sqlx::query_scalar(sql).bind(count.subject.clone()).fetch_optional(&self.pool).await?;
            wait = wait.max(until.unwrap_or(0) - now);
        }
        Ok(wait)
    }

    /// Counts an attempt as a failure, or returns for how many seconds it is refused: attempts at
    /// the same time come one after another through here, each with what those before it have
    /// counted.
    async fn count(&self, counts: &[Count], now: i64) -> Result<i64, StoreError> {
        let add = "INSERT INTO sign_in_throttle (subject, failures, last_failure, blocked_until) \
                   VALUES ($1, 1, $2, 0) ON CONFLICT (subject) DO UPDATE SET last_failure = $2, \
                   failures = CASE WHEN sign_in_throttle.last_failure <= $3 THEN 1 \
                   ELSE sign_in_throttle.failures + 1 END RETURNING failures, blocked_until";
        let block = "UPDATE sign_in_throttle SET blocked_until = $1 WHERE subject = $2";
        let mut write = self.write().await?;
        for Count { subject, most } in counts {
            let (failures, blocked_until): (i64, i64) = sqlx::query_as(add)
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

    /// Leaves a trace of a failure: in the log always, in the audit log if somebody's name was
    /// tried. What was typed is in neither: it may be a password in the wrong field.
    async fn record_failure(
        &self,
        realm: Realm,
        id: Option<&str>,
        address: Option<&str>,
        now: i64,
    ) -> Result<(), StoreError> {
        let kind = realm.kind();
        tracing::warn!(kind, account = id, address, "a sign-in failed");
        let Some(subject) = id else {
            return Ok(());
        };
        let actor = Actor { address: address.map(Into::into), ..Actor::system() };
        let action = realm.sign_in_failed();
        let line = AuditEvent { action, subject_kind: kind, subject, before: None, after: None };
        let mut write = self.write().await?;
        write.record(now, &actor, line).await?;
        write.commit().await
    }
}

impl Write<'_> {
    /// Takes back an attempt that was no guess, and with it the wait that it has made for the next
    /// one.
    pub(super) async fn take_back_attempt(&mut self, account: &Account) -> Result<(), StoreError> {
        let sql = "UPDATE sign_in_throttle SET failures = failures - 1, blocked_until = 0 \
                   WHERE subject = $1 AND failures > 0";
        for count in &account.counted {
            sqlx::query(sql).bind(count.subject.as_str()).execute(&mut *self.tx).await?;
        }
        Ok(())
    }

    /// Forgets failures of long ago.
    pub(super) async fn forget_failures(&mut self, now: i64) -> Result<(), StoreError> {
        let sql = "DELETE FROM sign_in_throttle WHERE last_failure <= $1";
        sqlx::query(sql).bind(now - FORGET_FAILURES).execute(&mut *self.tx).await?;
        Ok(())
    }
}

/// What an address is counted as. Somebody who has one IPv6 address has the 2^64 around it as well.
fn network(address: &str) -> String {
    let network = address.parse::<Ipv6Addr>().map(|v6| Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64));
    network.map_or_else(|_| address.into(), |network| format!("{network}/64"))
}

/// The seconds of waiting after this many failures (rule 1).
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
            assert_eq!(Count::by_address(Realm::Operator, address).subject, heading);
            assert_eq!(Count::by_address(Realm::User, address).subject, format!("user {heading}"));
        }
    }

    #[test]
    fn waiting_doubles_up_to_its_limit() {
        let waits: Vec<i64> = (1..=13).map(|failures| block_after(failures, 60)).collect();
        assert_eq!(waits, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(block_after(i64::MAX, 900), 900);
    }
}
