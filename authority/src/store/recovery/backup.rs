//! Backups of a SQLite database, and putting one in the database's place.
//!
//! A restored copy is set right under another name first, by [`Store::recover`], and takes the
//! database's place only when it is good. The database that was there is kept next to it, and
//! nothing that was put aside before is overwritten.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use sqlx::{AnyConnection, Connection as _};

use super::Recovered;
use super::journal::Journal;
use crate::config::Database;
use crate::store::{Store, StoreError, connection, files, refuse_journal_in};

impl Store {
    /// Writes a copy of the database to a file, as it is at one moment, while others continue using
    /// it.
    ///
    /// # Errors
    /// If the database is not its own file, or the copy exists already or cannot be written.
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
}

/// Puts a backup in the place of a database file, or of none, and sets right what has to be. The
/// file that was there is kept next to it, under a name that nothing had before; that name is told.
///
/// # Errors
/// If the database is in use or is not a file, or the backup is not one.
pub async fn restore(
    database: &Database,
    backup: &Path,
    journal: Journal,
    now: i64,
) -> Result<(Recovered, Option<PathBuf>), StoreError> {
    let Some(path) = database.path() else {
        return Err(StoreError::UsePostgresTools("restore with them, then run this without a file"));
    };
    refuse_journal_in(database, Some(&journal))?;
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

/// Gives a database another name next to its own, which no file has.
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

/// Locks a database against everybody else, for as long as the connection is kept. A file leaves
/// its write-ahead log only if nobody else has it open, and then it is complete by itself.
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
