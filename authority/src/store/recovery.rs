//! What has to happen after a backup was restored.
//!
//! 1. A restored database gets a new epoch, so that every gateway's cursor is unknown to it and
//!    every gateway takes the whole table again: change numbers of the lost time are given again to
//!    other changes. It begins before anything is set right, so that it has already begun if that
//!    is interrupted and continued at the next start.
//! 2. Whatever the journal says was revoked is revoked.
//! 3. A key that the journal says ends earlier ends earlier, unless the database knows of a later
//!    change of the key.
//! 4. A revocation that the journal lacks is added to it.
//! 5. All sessions end: one that was ended since the backup must not become valid again.
//! 6. All codes and refresh tokens end, and whatever of OAuth ended since ends again
//!    (`oauth::restoring`).

pub mod backup; // copies of the database, and putting one in its place
pub mod journal; // revocations, also kept outside the database

use std::collections::HashMap;

use flint_contract::key::Digest;
use sqlx::{AssertSqlSafe, FromRow};

use super::keys::row::{KeyRow, key_columns};
use super::{Actor, Store, StoreError, Write, new_epoch};
use crate::model::{Key, State};
use journal::{ExpiryChange, Known, OauthEnd, Revocation};

/// How many digests are looked up at a time.
const CHUNK: usize = 500;
/// Keys that may be behind the journal.
const PASSING: &str = concat!(
    "SELECT ",
    key_columns!(),
    " FROM api_key WHERE removed_at IS NULL AND (revoked_at IS NULL OR revoked_at > $1)"
);

/// What was set right.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Recovered {
    /// Keys that the database took for good and the journal knew to be revoked.
    pub replayed: Vec<Revocation>,
    /// Keys that end earlier than the database had it.
    pub ended: Vec<ExpiryChange>,
    /// What ended of OAuth without the database knowing.
    pub oauth: Vec<OauthEnd>,
    /// How many revocations the journal lacked.
    pub journalled: usize,
    /// Whether the database has a new epoch.
    pub new_epoch: bool,
}

#[derive(FromRow)]
struct Revoked {
    digest: Vec<u8>,
    id: String,
    revoked_at: i64,
    revoke_reason: Option<String>,
}

impl Store {
    /// Brings database and journal into step. With `restored`, or where the journal knows better
    /// than the database, the database gets a new epoch.
    ///
    /// # Errors
    /// If database or journal fail.
    pub async fn recover(&self, restored: bool, now: i64) -> Result<Recovered, StoreError> {
        let mut recovered = Recovered::default();
        let known = match &self.journal {
            Some(journal) => journal.read()?,
            None => {
                tracing::warn!(
                    "there is no journal (--journal): after restoring a backup, keys that were revoked since would be valid again"
                );
                Known::default()
            }
        };
        let revoked = self.find_unrevoked(&known, now).await?;
        let ends = self.find_behind(&known.ends, now, is_behind_end).await?;
        let oauth = self.find_oauth_behind(&known.oauth, now).await?;
        if restored || !revoked.is_empty() || !ends.is_empty() || !oauth.is_empty() {
            self.begin_epoch().await?;
            self.end_oauth_again(&oauth, now).await?;
            recovered.oauth = oauth;
            recovered.new_epoch = true;
        }
        for (id, entry) in revoked {
            if self.replay(&id, entry, now).await? {
                recovered.replayed.push(entry.clone());
            }
        }
        for (id, end) in ends {
            if self.bring_forward(&id, end, now).await? {
                recovered.ended.push(end.clone());
            }
        }
        if let Some(journal) = &self.journal {
            let missing = self.missing_from(&known).await?;
            if !missing.is_empty() {
                journal.append(&missing).await?;
            }
            recovered.journalled = missing.len();
        }
        Ok(recovered)
    }

    /// The ids of the keys that pass and that the journal says are revoked.
    async fn find_unrevoked<'known>(
        &self,
        known: &'known Known,
        now: i64,
    ) -> Result<Vec<(String, &'known Revocation)>, StoreError> {
        self.find_behind(&known.revoked, now, |key, entry| is_behind_revocation(key, entry, now)).await
    }

    /// The ids of the keys that are behind what the journal has of them. They are looked up in
    /// large bites and without a lock, and of those that are refused already no row is read: a
    /// journal may be long, and hardly any key is behind it.
    async fn find_behind<'known, T>(
        &self,
        known: &'known HashMap<Digest, T>,
        now: i64,
        is_behind: impl Fn(&Key, &T) -> bool,
    ) -> Result<Vec<(String, &'known T)>, StoreError> {
        // In the order of the index, so that neighbours are read together.
        let mut digests: Vec<&Digest> = known.keys().collect();
        digests.sort_unstable_by_key(|digest| digest.as_bytes());
        let mut behind = Vec::new();
        for chunk in digests.chunks(CHUNK) {
            let places: Vec<String> = (0..chunk.len()).map(|place| format!("${}", place + 2)).collect();
            let sql = format!("{PASSING} AND digest IN ({})", places.join(", "));
            let mut query = sqlx::query_as::<_, KeyRow>(AssertSqlSafe(sql)).bind(now);
            for digest in chunk {
                query = query.bind(digest.as_bytes().to_vec());
            }
            // A key that the database does not know cannot be imported either: that asks the
            // journal.
            for row in query.fetch_all(&self.pool).await? {
                let key = row.into_key()?;
                let told = known.get(&key.digest).filter(|told| is_behind(&key, told));
                behind.extend(told.map(|told| (key.id, told)));
            }
        }
        behind.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        Ok(behind)
    }

    /// The key, to be changed; `None` where it has been removed meanwhile.
    async fn lock_key(&self, id: &str) -> Result<Option<(Write<'_>, Key)>, StoreError> {
        let mut write = self.write().await?;
        match write.find_to_change(id).await {
            Ok(before) => Ok(Some((write, before))),
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Revokes a key as the journal says, unless it is revoked already. Returns whether it did.
    async fn replay(&self, id: &str, entry: &Revocation, now: i64) -> Result<bool, StoreError> {
        let Some((mut write, before)) = self.lock_key(id).await? else {
            return Ok(false);
        };
        if !is_behind_revocation(&before, entry, now) {
            return Ok(false);
        }
        let Some(after) = before.revoke(now, entry.reason.clone()) else {
            return Ok(false);
        };
        let after = Key { revoked_at: Some(entry.revoked_at), ..after };
        write.replace_key(&before, &after, "key.revoke_from_journal", now, &Actor::system()).await?;
        write.commit().await?;
        Ok(true)
    }

    /// Gives a key the earlier end that the journal has, where the database is older than that.
    /// Returns whether it did.
    async fn bring_forward(&self, id: &str, end: &ExpiryChange, now: i64) -> Result<bool, StoreError> {
        let Some((mut write, before)) = self.lock_key(id).await? else {
            return Ok(false);
        };
        if !is_behind_end(&before, end) {
            return Ok(false);
        }
        let (version, expires_at) = (before.version + 1, end.expires_at);
        let after = Key { version, expires_at, updated_at: now, ..before.clone() };
        write.replace_key(&before, &after, "key.end_from_journal", now, &Actor::system()).await?;
        write.commit().await?;
        Ok(true)
    }

    /// How many keys pass that the journal says are revoked, and how many are revoked of which it
    /// knows nothing.
    pub(crate) async fn compare_with(&self, known: &Known, now: i64) -> Result<(usize, usize), StoreError> {
        let behind = self.find_unrevoked(known, now).await?;
        Ok((behind.len(), self.missing_from(known).await?.len()))
    }

    async fn missing_from(&self, known: &Known) -> Result<Vec<Revocation>, StoreError> {
        let is_missing = |entry: &Revocation| {
            Digest::parse_hex(&entry.sha256).is_none_or(|digest| !known.revoked.contains_key(&digest))
        };
        Ok(self.revoked_keys().await?.into_iter().filter(is_missing).collect())
    }

    async fn revoked_keys(&self) -> Result<Vec<Revocation>, StoreError> {
        let sql = "SELECT digest, id, revoked_at, revoke_reason FROM api_key WHERE revoked_at IS NOT NULL";
        let rows: Vec<Revoked> = sqlx::query_as(sql).fetch_all(&self.pool).await?;
        let entry = |row: Revoked| Revocation {
            sha256: hex::encode(row.digest),
            id: row.id,
            revoked_at: row.revoked_at,
            reason: row.revoke_reason,
        };
        Ok(rows.into_iter().map(entry).collect())
    }

    async fn begin_epoch(&self) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let sql = "UPDATE feed SET epoch = $1 WHERE one = 1 RETURNING change_seq";
        let seq: i64 = sqlx::query_scalar(sql).bind(new_epoch()?).fetch_one(&mut *write.tx).await?;
        // No change, but others on the same database must hear of it at once.
        write.changed = Some(seq);
        // Who has signed out since, or was made to, must not be signed in again by an older copy.
        sqlx::query("DELETE FROM session").execute(&mut *write.tx).await?;
        // What processes had applied was of the other epoch.
        sqlx::query("DELETE FROM gateway_process").execute(&mut *write.tx).await?;
        write.commit().await?;
        self.look_for_changes().await
    }
}

/// A key that is refused already is behind nothing, also where the journal has an earlier time: of
/// an attempt that failed.
fn is_behind_revocation(key: &Key, entry: &Revocation, now: i64) -> bool {
    key.state(now) != State::Revoked && key.revoked_at.is_none_or(|time| time > entry.revoked_at)
}

fn is_behind_end(key: &Key, end: &ExpiryChange) -> bool {
    let is_later = key.expires_at.unwrap_or(i64::MAX) > end.expires_at.unwrap_or(i64::MAX);
    key.revoked_at.is_none() && key.version < end.version && is_later
}
