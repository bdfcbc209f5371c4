//! Backups, and what has to happen after one was restored.
//!
//! 1. A restored database gets a new epoch, so that every gateway's cursor is unknown to it and every gateway takes the
//!    whole table again: change numbers of the lost time are given again to other changes. It begins before anything is
//!    set right, so that it has begun also where that is stopped on its way and gone on with at the next start.
//! 2. Whatever the journal says was revoked is revoked.
//! 3. A key that the journal says ends earlier ends earlier, unless the database knows of a later change of the key.
//! 4. A revocation that the journal lacks is added to it.
//! 5. All sessions end: one that was ended since must not go on.
//! 6. All codes and refresh tokens end, and whatever of OAuth ended since ends again (`oauth::restoring`).

pub mod journal; // revocations, written down besides

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use flint_contract::key::Digest;
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, FromRow};

use super::keys::row::{KeyRow, key_columns};
use super::{Actor, Store, StoreError, Write, connection, files, new_epoch};
use crate::config::Database;
use crate::model::{Key, State};
use journal::{ExpiryChange, Journal, Known, OauthEnd, Revocation};

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
    /// Writes a copy of the database to a file, as it is at one moment, while others go on using it.
    ///
    /// # Errors
    /// If the database is not a file of its own, or the copy exists already or cannot be written.
    pub async fn back_up(&self, to: &Path) -> Result<(), StoreError> {
        if self.database.path().is_none() {
            return Err(StoreError::UsePostgresTools("see pg_dump"));
        }
        let failed = |error| StoreError::File(to.display().to_string(), error);
        match files::create_new(to) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(StoreError::Exists("the file already exists"));
            }
            made => made.map(drop).map_err(failed)?,
        }
        sqlx::query("VACUUM INTO $1").bind(to.display().to_string()).execute(&self.pool).await?;
        std::fs::File::open(to).and_then(|file| file.sync_all()).map_err(failed)
    }

    /// Brings database and journal into step. With `restored`, or where the journal knows better than the database,
    /// the database gets a new epoch.
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

    /// The ids of the keys that are behind what the journal has of them. They are looked up in large bites and without a
    /// lock, and of those that are refused already no row is read: a journal may be long, and hardly any key is behind it.
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
            // A key that the database does not know cannot be imported either: that asks the journal.
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

    /// Gives a key the earlier end that the journal has, where the database is older than that. Returns whether it did.
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

    /// How many keys pass that the journal says are revoked, and how many are revoked of which it knows nothing.
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

/// A key that is refused already is behind nothing, also where the journal has an earlier time: of an attempt that failed.
fn is_behind_revocation(key: &Key, entry: &Revocation, now: i64) -> bool {
    key.state(now) != State::Revoked && key.revoked_at.is_none_or(|time| time > entry.revoked_at)
}

fn is_behind_end(key: &Key, end: &ExpiryChange) -> bool {
    let is_later = key.expires_at.unwrap_or(i64::MAX) > end.expires_at.unwrap_or(i64::MAX);
    key.revoked_at.is_none() && key.version < end.version && is_later
}

/// Puts a backup in the place of a database file, or of none, and sets right what has to be. The file that was there is
/// kept beside it, under a name that nothing had before; that name is told.
///
/// # Errors
/// If the database is in use or is no file, or the backup is not one.
pub async fn restore(
    database: &Database,
    backup: &Path,
    journal: Journal,
    now: i64,
) -> Result<(Recovered, Option<PathBuf>), StoreError> {
    let Some(path) = database.path() else {
        return Err(StoreError::UsePostgresTools("restore with them, then run this without a file"));
    };
    super::refuse_journal_in(database, Some(&journal))?;
    let held = if path.exists() { Some(hold(database).await?) } else { None };
    let fresh = files::with_suffix(path, ".restoring");
    copy_private(backup, &fresh)?;
    let recovered = match set_right(&fresh, journal, now).await {
        Ok(recovered) => recovered,
        Err(error) => {
            for suffix in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(files::with_suffix(&fresh, suffix));
            }
            return Err(error);
        }
    };
    let failed = |error| StoreError::File(path.display().to_string(), error);
    let kept = if held.is_some() { Some(put_aside(path, now).map_err(failed)?) } else { None };
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(files::with_suffix(path, suffix));
    }
    std::fs::rename(&fresh, path).map_err(failed)?;
    if let Some(held) = held {
        let _ = held.close().await;
    }
    Ok((recovered, kept))
}

/// Copies what is in a file, and not who may read it.
fn copy_private(from: &Path, to: &Path) -> Result<(), StoreError> {
    let mut source =
        std::fs::File::open(from).map_err(|error| StoreError::File(from.display().to_string(), error))?;
    let mut made = files::create_new(to).map_err(|error| {
        if error.kind() == ErrorKind::AlreadyExists {
            return StoreError::Exists(
                "another restore is running, or one was stopped: if none is, delete <database>.restoring",
            );
        }
        StoreError::File(to.display().to_string(), error)
    })?;
    let copied = std::io::copy(&mut source, &mut made).and_then(|_| made.sync_all());
    copied.map_err(|error| {
        let _ = std::fs::remove_file(to);
        StoreError::File(to.display().to_string(), error)
    })
}

/// Gives a database another name beside its own, which no file has.
fn put_aside(path: &Path, now: i64) -> std::io::Result<PathBuf> {
    let mut kept = files::with_suffix(path, &format!(".before-{now}"));
    for count in 2.. {
        match files::create_new(&kept) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                kept = files::with_suffix(path, &format!(".before-{now}-{count}"));
            }
            made => {
                made?;
                break;
            }
        }
    }
    // Only the empty file that was just made is lost by this.
    std::fs::rename(path, &kept)?;
    Ok(kept)
}

/// Makes a database of the copy of a backup.
async fn set_right(fresh: &Path, journal: Journal, now: i64) -> Result<Recovered, StoreError> {
    let database = Database::Sqlite(fresh.to_owned());
    // Asked before anything opens it as a store: that would make a database of an empty file.
    let mut connection = connection::connect(&database).await?;
    let sql = "SELECT change_seq FROM feed WHERE one = 1";
    let is_ours = sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut connection).await.is_ok();
    let _ = connection.close().await;
    if !is_ours {
        return Err(StoreError::NotABackup);
    }
    let store = Store::open_with(&database, Some(journal)).await?;
    let recovered = store.recover(true, now).await?;
    store.close().await;
    Ok(recovered)
}

/// Locks a database against everybody else, for as long as the connection is kept. A file leaves its write-ahead log only
/// if nobody else has it open, and then it is complete by itself.
async fn hold(database: &Database) -> Result<AnyConnection, StoreError> {
    let in_use = || StoreError::InUse;
    let mut connection = connection::connect(database).await?;
    sqlx::query("PRAGMA busy_timeout = 500").execute(&mut connection).await?;
    let left =
        sqlx::query_scalar::<_, String>("PRAGMA journal_mode = DELETE").fetch_one(&mut connection).await;
    if !left.is_ok_and(|mode| mode == "delete") {
        connection.close().await?;
        return Err(in_use());
    }
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut connection).await.map_err(|_| in_use())?;
    Ok(connection)
}
