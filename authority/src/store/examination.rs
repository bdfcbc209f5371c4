//! What `flint doctor` looks at. Each finding says what was seen and, where that is not well, what to do.

use super::feed::propagation::Standing;
use super::{Store, StoreError};
use crate::clock;
use crate::config::Database;

/// How well something is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Grade {
    /// As it should be.
    Good,
    /// It works, and somebody should look at it.
    Warn,
    /// It does not work, or will not for long.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// How well it is.
    pub grade: Grade,
    /// What was seen.
    pub finding: String,
    /// What to do.
    pub advice: Option<String>,
}

/// How far the clock of a gateway may be off, in seconds.
const CLOCK_LIMIT: i64 = 5;
/// A webhook that no server has named for so many seconds is no longer in use.
const NO_LONGER: i64 = 600;

impl Grade {
    /// The word: `ok`, `warn` or `fail`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warn => "warn",
            Self::Bad => "fail",
        }
    }
}

impl Finding {
    pub(crate) fn good(check: &'static str, finding: impl Into<String>) -> Self {
        Self { check, grade: Grade::Good, finding: finding.into(), advice: None }
    }

    pub(crate) fn warn(check: &'static str, finding: impl Into<String>, advice: &str) -> Self {
        Self { check, grade: Grade::Warn, finding: finding.into(), advice: Some(advice.into()) }
    }

    pub(crate) fn bad(check: &'static str, finding: impl Into<String>, advice: &str) -> Self {
        Self { check, grade: Grade::Bad, finding: finding.into(), advice: Some(advice.into()) }
    }
}

/// So many of a thing whose plural takes an s.
pub(crate) fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

impl Store {
    /// Looks at everything.
    ///
    /// # Errors
    /// Where the database fails altogether.
    pub async fn examine(&self, now: i64) -> Result<Vec<Finding>, StoreError> {
        let mut findings = vec![self.examine_database().await?, self.examine_journal(now).await?];
        findings.push(self.examine_clocks(now).await?);
        findings.push(self.examine_gateways(now).await?);
        findings.extend(self.examine_keys(now).await?);
        findings.push(self.examine_usage(now).await?);
        findings.push(self.examine_operators().await?);
        findings.push(self.examine_notices(now).await?);
        Ok(findings)
    }

    async fn examine_database(&self) -> Result<Finding, StoreError> {
        let Database::Sqlite(path) = &self.database else {
            return Ok(Finding::good("database", format!("{} answers and is up to date", self.database)));
        };
        let verdict: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&self.pool).await?;
        if verdict != "ok" {
            let advice = "stop flint, keep the file, and restore a backup: flint restore <file>";
            return Ok(Finding::bad("database", format!("{} is damaged", self.database), advice));
        }
        #[cfg(unix)]
        if let Ok(facts) = std::fs::metadata(path) {
            use std::os::unix::fs::PermissionsExt as _;
            if facts.permissions().mode() & 0o077 != 0 {
                let advice = format!("chmod 600 {}", path.display());
                return Ok(Finding::warn(
                    "database",
                    "other users of this machine can read the file",
                    &advice,
                ));
            }
        }
        Ok(Finding::good("database", format!("{} is sound and up to date", self.database)))
    }

    async fn examine_journal(&self, now: i64) -> Result<Finding, StoreError> {
        let Some(journal) = &self.journal else {
            let advice = "set FLINT_JOURNAL=<file> for flint serve and for every other command";
            let finding = "there is none: a restored backup would let revoked keys pass again";
            return Ok(Finding::warn("journal", finding, advice));
        };
        let path = journal.path().display();
        if !journal.path().exists() {
            let advice = "start flint serve, which makes it, or name the one that it writes: --journal";
            return Ok(Finding::warn("journal", format!("there is no file {path}"), advice));
        }
        let known = match journal.prepare().and_then(|()| journal.read()) {
            Ok(known) => known,
            Err(error) => {
                let advice = "make the file readable and writable for flint, or name another: --journal";
                return Ok(Finding::bad("journal", error.to_string(), advice));
            }
        };
        let (ahead, lacking) = self.compare_with(&known, now).await?;
        Ok(if ahead > 0 {
            let advice =
                "start flint serve anew, or run flint restore without a file: both revoke them again";
            let finding = format!("{path} has revoked {} that the database lets pass", count(ahead, "key"));
            Finding::bad("journal", finding, advice)
        } else if lacking > 0 {
            let advice = "is it the one that flint serve writes? Of several machines each has its own, and the next \
                          start of flint serve adds what is missing";
            Finding::warn("journal", format!("{path} lacks {}", count(lacking, "revocation")), advice)
        } else {
            let held = count(known.revoked.len(), "revocation");
            Finding::good("journal", format!("{path} holds {held}"))
        })
    }

    /// Compares the end of what gateways counted with when it came in; both are of the last hour. A report may be late,
    /// so a clock is behind only where all of a process's reports say so.
    async fn examine_clocks(&self, now: i64) -> Result<Finding, StoreError> {
        let sql = "SELECT CAST(MAX(ahead) AS BIGINT), CAST(MAX(behind) AS BIGINT) FROM (SELECT \
                   MAX(to_at - received_at) AS ahead, MIN(received_at - to_at) AS behind FROM usage_report \
                   WHERE received_at > $1 GROUP BY gateway_id, process_id) AS clocks";
        let (ahead, behind): (Option<i64>, Option<i64>) =
            sqlx::query_as(sql).bind(now - 3_600).fetch_one(&self.pool).await?;
        let Some((ahead, behind)) = ahead.zip(behind) else {
            let finding = "no gateway has reported within an hour, so no clock could be compared";
            return Ok(Finding::good("clock", finding));
        };
        let advice = "keys expire by the gateway's clock: let both follow one time server";
        Ok(if ahead > CLOCK_LIMIT {
            Finding::bad("clock", format!("a gateway's clock is {ahead} s ahead of this one"), advice)
        } else if behind > CLOCK_LIMIT {
            let finding = format!("a gateway's clock is {behind} s behind this one: expired keys pass there");
            Finding::bad("clock", finding, advice)
        } else {
            Finding::good("clock", format!("no gateway's clock is more than {CLOCK_LIMIT} s off this one"))
        })
    }

    async fn examine_gateways(&self, now: i64) -> Result<Finding, StoreError> {
        let told = self.propagation(self.latest_change().await?, now).await?;
        let name = |standing: Standing| {
            let of = told.followers.iter().filter(|one| one.standing == standing);
            of.map(|one| format!("{}/{}", one.gateway, one.process.process_id)).collect::<Vec<_>>().join(", ")
        };
        let (silent, pending) = (name(Standing::Silent), name(Standing::Pending));
        if told.of == 0 {
            let advice = "flint gateways create <name>, and give its token to an Envoy with the filter";
            return Ok(Finding::warn("gateways", "none has asked for the key table within a day", advice));
        }
        if !silent.is_empty() {
            let advice = "if it still runs, it serves old keys until its table is too old: look at its log and network";
            return Ok(Finding::bad("gateways", format!("not heard of for two minutes: {silent}"), advice));
        }
        if !pending.is_empty() {
            let advice = "look again in some seconds; if it stays, look at the gateway's log";
            return Ok(Finding::warn("gateways", format!("behind the latest change: {pending}"), advice));
        }
        Ok(Finding::good("gateways", format!("{} of {} act on the latest change", told.applied, told.of)))
    }

    async fn examine_keys(&self, now: i64) -> Result<Vec<Finding>, StoreError> {
        let counts = self.key_counts(now).await?;
        let due = if counts.due == 0 {
            Finding::good("rotation", "no key is due")
        } else {
            Finding::warn(
                "rotation",
                format!("{} keys are due", counts.due),
                "flint keys due, then flint keys rotate <id>",
            )
        };
        let expiring = if counts.expiring == 0 {
            Finding::good("expiry", "no active key without a successor ends within seven days")
        } else {
            let advice = "flint keys list --status active --sort expires";
            Finding::warn("expiry", format!("{} active keys end within seven days", counts.expiring), advice)
        };
        Ok(vec![due, expiring])
    }

    async fn examine_usage(&self, now: i64) -> Result<Finding, StoreError> {
        let sql = "SELECT MIN(received_at) FROM usage_report WHERE rolled_up_at IS NULL";
        let oldest: Option<i64> = sqlx::query_scalar(sql).fetch_one(&self.pool).await?;
        Ok(match oldest {
            Some(time) if now - time > 300 => {
                let advice = "reports are added up by flint serve: is it running, and what does its log say?";
                Finding::bad("usage", "reports have waited for more than five minutes", advice)
            }
            _ => Finding::good("usage", "reports are added up as they come"),
        })
    }

    async fn examine_notices(&self, now: i64) -> Result<Finding, StoreError> {
        let watch = self.notice_watch().await?;
        let Some(webhook) = watch.webhook.filter(|_| watch.seen_at.is_some_and(|at| now - at < NO_LONGER))
        else {
            let finding = "no flint serve has a webhook: nobody is told of keys that end";
            return Ok(Finding::good("notices", finding));
        };
        Ok(match (watch.tried_at, watch.failure) {
            (Some(at), Some(reason)) => Finding::bad(
                "notices",
                format!("{webhook}, {}: {reason}", clock::to_text(at)),
                "look at the receiver; flint notices test tries it",
            ),
            (Some(at), None) => {
                Finding::good("notices", format!("{webhook} took the last one at {}", clock::to_text(at)))
            }
            (None, _) => Finding::good("notices", format!("{webhook} has not been sent any yet")),
        })
    }

    async fn examine_operators(&self) -> Result<Finding, StoreError> {
        let count = self.operators().await?.iter().filter(|one| one.disabled_at.is_none()).count();
        Ok(if count == 0 {
            Finding::warn("operators", "nobody can sign in to the dashboard", "flint operators create <name>")
        } else {
            Finding::good("operators", format!("{count} can sign in"))
        })
    }
}
