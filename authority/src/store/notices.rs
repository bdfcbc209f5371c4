//! Notices of what comes of keys: which there are, and how far their delivery is.
//!
//! 1. A look reads what became due since the last one: keys whose time has come within a step (by
//!    the indexes of those times), and keys that were made or changed since. So a million keys cost
//!    nothing while nothing happens to them.
//! 2. A notice is made once, whichever server looks: its row says so. Several servers may look and
//!    deliver at the same time.
//! 3. Who delivers a notice claims it for a while first, so no two deliver it at once. It is
//!    delivered at least once: where a program is killed between the receiver's 2xx and the note of
//!    it, the notice comes again after that while, under the same id. A restored backup forgets
//!    which were sent since.
//! 4. What no longer holds by the time that it could be delivered, is not.

use sqlx::{AssertSqlSafe, FromRow};

use super::keys::row::{KeyRow, key_columns};
use super::{Store, StoreError};
use crate::clock;
use crate::model::notices::{Kind, Notice, Window, windows};
use crate::model::{DAY, Key};
use crate::secret;

/// How many keys are looked through at a time.
const PAGE: i64 = 200;
/// How many notices one that looks for work sees.
const SEEN: i64 = 20;
/// How long a claim holds, in seconds: longer than any delivery takes.
const CLAIM: i64 = 60;

/// A notice that is claimed for delivery.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claimed {
    /// Its public name, the same at every try.
    pub id: String,
    /// When it became due and somebody saw that.
    pub made_at: i64,
    /// How often it has been tried, this time included.
    pub attempts: i64,
    /// What it says.
    pub notice: Notice,
    /// The key as it is now.
    pub key: Key,
}

/// How a delivery ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Delivery {
    /// The receiver has it.
    Sent,
    /// It failed for this reason, and is tried again at that time, if at all.
    Failed {
        /// Why, without anything secret.
        reason: String,
        /// When it is tried again.
        again_at: Option<i64>,
    },
}

/// Where notices go, and how that went.
#[derive(Clone, Debug, Default, Eq, FromRow, PartialEq)]
pub struct Watch {
    /// Where a `flint serve` sends them, without anything secret.
    pub webhook: Option<String>,
    /// When such a `flint serve` last said so.
    pub seen_at: Option<i64>,
    /// When the last delivery ended.
    pub tried_at: Option<i64>,
    /// Why it failed, if it did.
    pub failure: Option<String>,
}

#[derive(FromRow)]
struct NoticeRow {
    id: String,
    key_id: String,
    kind: String,
    comes_at: i64,
    step: i64,
    made_at: i64,
    attempts: i64,
}

/// A key and its place among the changes.
#[derive(FromRow)]
struct Changed {
    #[sqlx(flatten)]
    key: KeyRow,
    change_seq: i64,
}

const COLUMNS: &str = key_columns!();

impl Store {
    /// Makes the notices that became due since the last look. Tells how many.
    ///
    /// # Errors
    /// If the database fails; the next look begins where this one did.
    pub async fn make_notices(&self, now: i64) -> Result<usize, StoreError> {
        let sql = "SELECT looked_at, looked_seq FROM notice_watch WHERE one = 1";
        let (looked_at, looked_seq): (Option<i64>, i64) = sqlx::query_as(sql).fetch_one(&self.pool).await?;
        // Read first: what is changed after this is for the next look.
        let latest = self.latest_change().await?;
        let mut count = 0;
        for window in windows(looked_at, now) {
            for kind in Kind::ALL {
                count += self.look_through(kind, window, now).await?;
            }
        }
        if looked_at.is_some() {
            count += self.look_at_changes(looked_seq, latest, now).await?;
        }
        let mut write = self.write().await?;
        // Another server may be ahead.
        let sql = "UPDATE notice_watch SET looked_at = $1, looked_seq = $2 \
                   WHERE one = 1 AND COALESCE(looked_at, 0) <= $1 AND looked_seq <= $2";
        sqlx::query(sql).bind(now).bind(latest).execute(&mut *write.tx).await?;
        write.commit().await?;
        Ok(count)
    }

    /// Looks at the keys of which this comes within a window.
    async fn look_through(&self, kind: Kind, window: Window, now: i64) -> Result<usize, StoreError> {
        // As the index has it. One query for both would read all that end at one time again for
        // each page of them.
        let time = match kind {
            Kind::Expiring => "COALESCE(expires_at, 9223372036854775807)",
            Kind::RotationDue => "rotate_by",
        };
        let same = format!(
            "SELECT {COLUMNS} FROM api_key WHERE {time} = $1 AND id > $2 AND removed_at IS NULL \
             ORDER BY id LIMIT $3"
        );
        let later = format!(
            "SELECT {COLUMNS} FROM api_key WHERE {time} > $1 AND {time} <= $2 AND removed_at IS NULL \
             ORDER BY {time}, id LIMIT $3"
        );
        let (mut after, mut last_id, mut count) = (window.after, None::<String>, 0);
        loop {
            let mut found: Vec<KeyRow> = Vec::new();
            if let Some(id) = last_id {
                let query = sqlx::query_as(AssertSqlSafe(same.clone())).bind(after).bind(id).bind(PAGE);
                found = query.fetch_all(&self.pool).await?;
            }
            if found.is_empty() {
                let query = sqlx::query_as(AssertSqlSafe(later.clone())).bind(after).bind(window.until);
                found = query.bind(PAGE).fetch_all(&self.pool).await?;
            }
            let keys = found.into_iter().map(KeyRow::into_key).collect::<Result<Vec<_>, _>>()?;
            let Some(last) = keys.last() else {
                return Ok(count);
            };
            let time = match kind {
                Kind::Expiring => last.expires_at,
                Kind::RotationDue => last.rotate_by,
            };
            (after, last_id) = (time.unwrap_or(i64::MAX), Some(last.id.clone()));
            let due = keys.iter().filter_map(|key| Some((key, Notice::due(kind, key, now)?))).collect();
            count += self.insert_notices(due, now).await?;
        }
    }

    /// Looks at the keys that were made or changed.
    async fn look_at_changes(&self, mut after: i64, until: i64, now: i64) -> Result<usize, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}, change_seq FROM api_key WHERE change_seq > $1 AND change_seq <= $2 \
             AND removed_at IS NULL ORDER BY change_seq LIMIT $3"
        );
        let mut count = 0;
        loop {
            let query = sqlx::query_as(AssertSqlSafe(sql.clone())).bind(after).bind(until).bind(PAGE);
            let found: Vec<Changed> = query.fetch_all(&self.pool).await?;
            let Some(last) = found.last() else {
                return Ok(count);
            };
            after = last.change_seq;
            let keys = found.into_iter().map(|one| one.key.into_key()).collect::<Result<Vec<_>, _>>()?;
            let due =
                keys.iter().flat_map(|key| Notice::all_due(key, now).into_iter().map(move |one| (key, one)));
            count += self.insert_notices(due.collect(), now).await?;
        }
    }

    async fn insert_notices(&self, due: Vec<(&Key, Notice)>, now: i64) -> Result<usize, StoreError> {
        if due.is_empty() {
            return Ok(0);
        }
        let mut write = self.write().await?;
        let mut count = 0;
        for (key, notice) in due {
            let sql = "INSERT INTO notice (key_id, kind, comes_at, step, id, made_at, attempts, next_attempt_at) \
                       VALUES ($1, $2, $3, $4, $5, $6, 0, $6) ON CONFLICT DO NOTHING";
            let done = sqlx::query(sql)
                .bind(key.id.as_str())
                .bind(notice.kind.as_str())
                .bind(notice.comes_at)
                .bind(notice.step)
                .bind(secret::new_id("notice", clock::since_epoch().as_millis())?)
                .bind(now)
                .execute(&mut *write.tx)
                .await?;
            count += usize::from(done.rows_affected() == 1);
        }
        write.commit().await?;
        Ok(count)
    }

    /// Takes the next notice to deliver: nobody else does for a minute. What no longer holds is
    /// settled on the way.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn claim_notice(&self, now: i64) -> Result<Option<Claimed>, StoreError> {
        let sql = "SELECT id FROM notice WHERE next_attempt_at <= $1 ORDER BY next_attempt_at, id LIMIT $2";
        loop {
            let ids: Vec<String> = sqlx::query_scalar(sql).bind(now).bind(SEEN).fetch_all(&self.pool).await?;
            if ids.is_empty() {
                return Ok(None);
            }
            for id in ids {
                if let Some(claimed) = self.claim(&id, now).await? {
                    return Ok(Some(claimed));
                }
            }
        }
    }

    /// `None`: somebody else was faster, or it no longer holds.
    async fn claim(&self, id: &str, now: i64) -> Result<Option<Claimed>, StoreError> {
        let sql = "UPDATE notice SET attempts = attempts + 1, next_attempt_at = $1 \
                   WHERE id = $2 AND next_attempt_at <= $3 \
                   RETURNING id, key_id, kind, comes_at, step, made_at, attempts";
        let mut write = self.write().await?;
        let query = sqlx::query_as(sql).bind(now + CLAIM).bind(id.to_owned()).bind(now);
        let row: Option<NoticeRow> = query.fetch_optional(&mut *write.tx).await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let kind = Kind::parse(&row.kind).ok_or(StoreError::Corrupt("notice.kind"))?;
        let notice = Notice { kind, comes_at: row.comes_at, step: row.step };
        let key = match super::keys::find(&mut write.tx, &row.key_id).await {
            Err(StoreError::NotFound(_)) => None,
            found => Some(found?),
        };
        let Some(key) = key.filter(|key| notice.holds(key, now)) else {
            let sql = "UPDATE notice SET next_attempt_at = NULL, outcome = 'void' WHERE id = $1";
            sqlx::query(sql).bind(row.id).execute(&mut *write.tx).await?;
            write.commit().await?;
            return Ok(None);
        };
        write.commit().await?;
        Ok(Some(Claimed { id: row.id, made_at: row.made_at, attempts: row.attempts, notice, key }))
    }

    /// Writes down how a delivery ended.
    ///
    /// # Errors
    /// If the database fails; a notice that was sent is sent again then.
    pub async fn settle_notice(&self, claimed: &Claimed, how: &Delivery, now: i64) -> Result<(), StoreError> {
        let (outcome, again_at, failure) = match how {
            Delivery::Sent => (Some("sent"), None, None),
            Delivery::Failed { reason, again_at: None } => (Some("given_up"), None, Some(reason.as_str())),
            Delivery::Failed { reason, again_at } => (None, *again_at, Some(reason.as_str())),
        };
        // Where a claim was too old and somebody else tries it now, that failure counts and not
        // this one.
        let sql = "UPDATE notice SET outcome = $1, next_attempt_at = $2 WHERE id = $3 \
                   AND next_attempt_at IS NOT NULL AND (attempts = $4 OR $1 = 'sent')";
        let mut write = self.write().await?;
        sqlx::query(sql)
            .bind(outcome)
            .bind(again_at)
            .bind(claimed.id.as_str())
            .bind(claimed.attempts)
            .execute(&mut *write.tx)
            .await?;
        let sql = "UPDATE notice_watch SET tried_at = $1, seen_at = $1, failure = $2 WHERE one = 1";
        sqlx::query(sql).bind(now).bind(failure).execute(&mut *write.tx).await?;
        write.commit().await
    }

    /// Says where notices go, for `flint doctor`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn note_webhook(&self, webhook: &str, now: i64) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let sql = "UPDATE notice_watch SET webhook = $1, seen_at = $2 WHERE one = 1";
        sqlx::query(sql).bind(webhook.to_owned()).bind(now).execute(&mut *write.tx).await?;
        write.commit().await
    }

    /// Where notices go, and how that went.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn notice_watch(&self) -> Result<Watch, StoreError> {
        let sql = "SELECT webhook, seen_at, tried_at, failure FROM notice_watch WHERE one = 1";
        Ok(sqlx::query_as(sql).fetch_one(&self.pool).await?)
    }

    /// Forgets notices of what has come: nothing makes them again.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn forget_notices(&self, now: i64) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        // A day later, for servers whose clocks differ.
        let sql = "DELETE FROM notice WHERE comes_at < $1";
        sqlx::query(sql).bind(now - DAY).execute(&mut *write.tx).await?;
        write.commit().await
    }
}
