//! What `flint doctor` sees in the database and the journal.

use super::finding::Finding;
use crate::clock;
use crate::config::Database;
use crate::store::feed::propagation::Standing;
use crate::store::{Store, StoreError};
use crate::views::count;

/// How far the clock of a gateway may be off, in seconds.
const CLOCK_LIMIT: i64 = 5;
/// A webhook that no server has named for so many seconds is no longer in use.
const NO_LONGER: i64 = 600;

/// Looks at everything.
///
/// # Errors
/// If the database fails altogether.
pub async fn examine(store: &Store, now: i64) -> Result<Vec<Finding>, StoreError> {
    let mut findings = vec![examine_database(store).await?, examine_journal(store, now).await?];
    findings.push(examine_clocks(store, now).await?);
    findings.push(examine_gateways(store, now).await?);
    findings.extend(examine_keys(store, now).await?);
    findings.push(examine_usage(store, now).await?);
    findings.push(examine_operators(store).await?);
    findings.push(examine_notices(store, now).await?);
    Ok(findings)
}

async fn examine_database(store: &Store) -> Result<Finding, StoreError> {
    let Database::Sqlite(path) = store.database() else {
        if let Some(host) = store.host_in_the_clear() {
            let finding =
                format!("{} answers, but the connection to {host} may be unencrypted", store.database());
            let advice = "add ?sslmode=verify-full to the URL, and &sslrootcert=<file> if the certificate is from \
                          your own CA";
            return Ok(Finding::warn("database", finding, advice));
        }
        return Ok(Finding::good("database", format!("{} answers and is up to date", store.database())));
    };
    if store.damage().await?.is_some() {
        let advice = "stop flint, keep the file, and restore a backup: flint restore <file>";
        return Ok(Finding::bad("database", format!("{} is damaged", store.database()), advice));
    }
    #[cfg(unix)]
    if let Ok(facts) = std::fs::metadata(path) {
        use std::os::unix::fs::PermissionsExt as _;
        if facts.permissions().mode() & 0o077 != 0 {
            let advice = format!("chmod 600 {}", path.display());
            return Ok(Finding::warn("database", "other users of this machine can read the file", &advice));
        }
    }
    Ok(Finding::good("database", format!("{} is sound and up to date", store.database())))
}

async fn examine_journal(store: &Store, now: i64) -> Result<Finding, StoreError> {
    let Some(journal) = store.journal() else {
        let advice = "set FLINT_JOURNAL=<file> for flint serve and for every other command";
        let finding = "there is none: after restoring a backup, revoked keys would be valid again";
        return Ok(Finding::warn("journal", finding, advice));
    };
    let path = journal.path().display();
    if !journal.path().exists() {
        let advice = "start flint serve, which creates it, or point --journal to the one that it writes";
        return Ok(Finding::warn("journal", format!("there is no file {path}"), advice));
    }
    let known = match journal.prepare().and_then(|()| journal.read()) {
        Ok(known) => known,
        Err(error) => {
            let advice = "make the file readable and writable for flint, or use another with --journal";
            return Ok(Finding::bad("journal", error.to_string(), advice));
        }
    };
    let (ahead, lacking) = store.compare_with(&known, now).await?;
    Ok(if ahead > 0 {
        let advice = "restart flint serve, or run flint restore without a file: both revoke them again";
        let finding = format!("{path} has revoked {} that are valid in the database", count(ahead, "key"));
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

/// Looks at the reports of the last hour.
async fn examine_clocks(store: &Store, now: i64) -> Result<Finding, StoreError> {
    let Some((ahead, behind)) = store.clock_offsets(now - 3_600).await? else {
        let finding = "no gateway has reported within an hour, so there is no clock to compare";
        return Ok(Finding::good("clock", finding));
    };
    let advice = "keys expire by the gateway's clock: synchronise both with the same time server";
    Ok(if ahead > CLOCK_LIMIT {
        Finding::bad("clock", format!("a gateway's clock is {ahead} s ahead of this one"), advice)
    } else if behind > CLOCK_LIMIT {
        let finding =
            format!("a gateway's clock is {behind} s behind this one: it still accepts expired keys");
        Finding::bad("clock", finding, advice)
    } else {
        Finding::good("clock", format!("no gateway's clock is more than {CLOCK_LIMIT} s off this one"))
    })
}

async fn examine_gateways(store: &Store, now: i64) -> Result<Finding, StoreError> {
    let told = store.propagation(store.latest_change().await?, now).await?;
    let name = |standing: Standing| {
        let of = told.followers.iter().filter(|one| one.standing == standing);
        of.map(|one| format!("{}/{}", one.gateway, one.process.process_id)).collect::<Vec<_>>().join(", ")
    };
    let (silent, pending) = (name(Standing::Silent), name(Standing::Pending));
    if told.of == 0 {
        let advice = "flint gateways create <name>, and give its token to an Envoy with the filter";
        return Ok(Finding::warn("gateways", "none has fetched the key table within a day", advice));
    }
    if !silent.is_empty() {
        let advice =
            "if it still runs, it serves old keys until its table is too old: look at its log and network";
        return Ok(Finding::bad("gateways", format!("not seen for two minutes: {silent}"), advice));
    }
    if !pending.is_empty() {
        let advice = "check again in a few seconds; if it stays, look at the gateway's log";
        return Ok(Finding::warn("gateways", format!("behind the latest change: {pending}"), advice));
    }
    Ok(Finding::good(
        "gateways",
        format!("{} of {} processes act on the latest change", told.applied, told.of),
    ))
}

async fn examine_keys(store: &Store, now: i64) -> Result<Vec<Finding>, StoreError> {
    let counts = store.key_counts(now).await?;
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
        Finding::good("expiry", "no active key without a successor expires within seven days")
    } else {
        let advice = "flint keys list --status active --sort expires";
        Finding::warn("expiry", format!("{} active keys expire within seven days", counts.expiring), advice)
    };
    Ok(vec![due, expiring])
}

async fn examine_usage(store: &Store, now: i64) -> Result<Finding, StoreError> {
    Ok(match store.oldest_pending_report().await? {
        Some(time) if now - time > 300 => {
            let advice = "flint serve adds up reports: check that it is running, and look at its log";
            Finding::bad("usage", "reports have waited for more than five minutes", advice)
        }
        _ => Finding::good("usage", "reports are added up as they come"),
    })
}

async fn examine_notices(store: &Store, now: i64) -> Result<Finding, StoreError> {
    let watch = store.notice_watch().await?;
    let Some(webhook) = watch.webhook.filter(|_| watch.seen_at.is_some_and(|at| now - at < NO_LONGER)) else {
        let finding = "no flint serve has a webhook: nobody is told before keys expire";
        return Ok(Finding::good("notices", finding));
    };
    Ok(match (watch.tried_at, watch.failure) {
        (Some(at), Some(reason)) => Finding::bad(
            "notices",
            format!("{webhook}, {}: {reason}", clock::to_text(at)),
            "check the receiver; flint notices test sends a test event",
        ),
        (Some(at), None) => {
            Finding::good("notices", format!("{webhook} accepted the last one at {}", clock::to_text(at)))
        }
        (None, _) => Finding::good("notices", format!("{webhook} has not been sent any yet")),
    })
}

async fn examine_operators(store: &Store) -> Result<Finding, StoreError> {
    let count = store.operators().await?.iter().filter(|one| one.disabled_at.is_none()).count();
    Ok(if count == 0 {
        Finding::warn("operators", "nobody can sign in to the dashboard", "flint operators create <name>")
    } else {
        Finding::good("operators", format!("{count} can sign in"))
    })
}
