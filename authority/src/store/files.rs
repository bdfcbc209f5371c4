//! The files of a SQLite database: made for their owner alone, and watched while they are open.
//!
//! SQLite keeps processes apart with locks on `flint.db`, and POSIX drops all locks of a process on
//! a file when the process closes *any* descriptor of it. The next client that closes then believes
//! itself alone, and deletes the log under us: what is written from then on is lost, and what
//! others write is not seen.
//!
//! 1. Nothing but SQLite opens `flint.db`, `-wal` or `-shm` in this process while it is connected.
//!    The database is made once, before the first connection, with mode 0600; SQLite gives the
//!    other two the same mode. `stat` opens nothing.
//! 2. One connection stays open for as long as the store is. So the process always holds the shared
//!    lock, and nobody who honours it deletes or replaces a file.
//! 3. All the same, each write checks that the three names still belong to the files that are open,
//!    before it begins and again before it is answered. On Linux, [`watch`] also looks for the lock
//!    itself, every second.
//! 4. Once a check fails, nothing is written, gateways are fed nothing and nobody is authenticated
//!    (a revocation by another process might not be seen) until the process is restarted. The
//!    connections are left as they are at the end: closing the last one would write an old log into
//!    the database, and delete the new one. [`watch`] writes what the process has seen last to
//!    another file, for `flint restore`.
//!
//! SQLite can be told to keep its log (`SQLITE_FCNTL_PERSIST_WAL`), but that binds only the
//! connection that says so, not the other client, and needs `unsafe`.

#[cfg(target_os = "linux")]
mod descriptors;

use std::fs::OpenOptions;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;

use sqlx::{AnyConnection, Connection as _};
use tokio::sync::{Mutex, Notify};

use super::{Store, StoreError};
use crate::clock;

/// How often the lock is looked for.
const GLANCE: Duration = Duration::from_secs(1);

/// Device and number of a file.
type Identity = (u64, u64);

/// The files of a database that this process has open.
#[derive(Debug)]
pub(super) struct Files {
    /// The database, its log and the log's index, with what each name belonged to when they were
    /// opened.
    opened: [(PathBuf, Identity); 3],
    /// Kept open, and with it the shared lock.
    first: Mutex<Option<AnyConnection>>,
    /// The descriptor that the lock was last seen on; none if this system does not show locks.
    #[cfg(target_os = "linux")]
    lock: std::sync::Mutex<Option<descriptors::Lock>>,
    /// Why nothing is written any more.
    fault: OnceLock<String>,
    /// Told when there is a reason.
    noticed: Notify,
}

// === impl Files ===

impl Files {
    /// Takes note of the files that a connection has open, and keeps it.
    pub(super) async fn of(path: &Path, mut connection: AnyConnection) -> Result<Self, StoreError> {
        // From the first read on, the connection has all three files open and holds the lock.
        sqlx::query("SELECT COUNT(*) FROM sqlite_master").fetch_one(&mut connection).await?;
        let mut opened = Vec::new();
        for path in [path.to_owned(), with_suffix(path, "-wal"), with_suffix(path, "-shm")] {
            let identity =
                identity(&path).map_err(|error| StoreError::File(path.display().to_string(), error))?;
            opened.push((path, identity));
        }
        let opened = <[_; 3]>::try_from(opened).map_err(|_| StoreError::Corrupt("the files"))?;
        #[cfg(target_os = "linux")]
        let lock = descriptors::find(&opened).map_err(|path| {
            StoreError::Unsafe(format!("{} was replaced while it was being opened", path.display()))
        })?;
        Ok(Self {
            opened,
            first: Mutex::new(Some(connection)),
            #[cfg(target_os = "linux")]
            lock: std::sync::Mutex::new(lock),
            fault: OnceLock::new(),
            noticed: Notify::new(),
        })
    }

    /// Refuses if the files by these names are not those that are open, or were not at any time
    /// before.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        if let Some(fault) = self.fault.get() {
            return Err(StoreError::Unsafe(fault.clone()));
        }
        for (path, opened) in &self.opened {
            match identity(path) {
                Ok(found) if found == *opened => {}
                Ok(_) => return Err(self.fail(format!("{} was replaced", path.display()))),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return Err(self.fail(format!("{} was deleted", path.display())));
                }
                Err(error) => return Err(self.fail(format!("{}: {error}", path.display()))),
            }
        }
        Ok(())
    }

    /// As [`Files::check`], and looks for the lock too.
    fn check_lock(&self) -> Result<(), StoreError> {
        self.check()?;
        #[cfg(target_os = "linux")]
        {
            let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(seen) = lock.as_ref()
                && !seen.is_held()
            {
                *lock = descriptors::find(&self.opened).ok().flatten();
                if lock.is_none() {
                    let [(database, _), ..] = &self.opened;
                    return Err(self.fail(format!("the locks on {} were lost", database.display())));
                }
            }
        }
        Ok(())
    }

    /// Nothing is written from now on.
    fn fail(&self, reason: String) -> StoreError {
        let mut is_first = false;
        let fault = self.fault.get_or_init(|| {
            is_first = true;
            reason
        });
        if is_first {
            self.noticed.notify_one();
            tracing::error!(
                reason = fault,
                "the files of the database were changed from outside: nothing is written and no gateway is fed until \
                 flint is restarted"
            );
        }
        StoreError::Unsafe(fault.clone())
    }

    /// Writes what this process still sees to a new file next to the database.
    async fn rescue(&self) -> Result<PathBuf, StoreError> {
        let [(database, _), ..] = &self.opened;
        let path = with_suffix(database, &format!(".rescued-{}", clock::now()));
        let part = with_suffix(&path, ".part");
        let failed = |error| StoreError::File(path.display().to_string(), error);
        create_new(&part).map_err(failed)?;
        // Only this connection is certain to have the files that were there.
        if let Some(first) = self.first.lock().await.as_mut() {
            sqlx::query("VACUUM INTO $1").bind(part.display().to_string()).execute(first).await?;
        }
        std::fs::rename(part, &path).map_err(failed)?;
        Ok(path)
    }

    /// Whether a check has failed.
    pub(super) fn have_failed(&self) -> bool {
        self.fault.get().is_some()
    }

    /// Ends the connection that was kept, which must be the last.
    pub(super) async fn close(&self) {
        if let Some(first) = self.first.lock().await.take() {
            let _ = first.close().await;
        }
    }
}

/// Looks at the files for as long as the program runs.
pub async fn watch(store: Arc<Store>) {
    let Some(files) = store.files.clone() else {
        return;
    };
    while files.check_lock().is_ok() {
        // As soon as a write notices, so that few others come before the copy.
        let _ = tokio::time::timeout(GLANCE, files.noticed.notified()).await;
    }
    match files.rescue().await {
        Ok(path) => tracing::error!(
            copy = %path.display(),
            "what this process has seen last is in the copy: compare it with the database, and if it has more, stop flint \
             and restore it (flint restore)"
        ),
        Err(error) => tracing::error!(%error, "cannot save a copy of what this process has seen last"),
    }
}

/// Makes a database for its owner alone, if there is none.
pub(super) fn make(path: &Path) -> io::Result<()> {
    // Another connection of this process must not open the file before this descriptor of it is
    // closed.
    static MAKING: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _turn = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    match create_new(path) {
        // Not even opened.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

/// Makes a file that is not there, for its owner alone.
pub(super) fn create_new(path: &Path) -> io::Result<std::fs::File> {
    private().write(true).create_new(true).open(path)
}

/// How a file is opened, so that nobody but its owner can read it if it is made.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Whether a path leads to the database or to one of SQLite's files next to it.
pub(super) fn is_of_database(path: &Path, database: &Path) -> bool {
    let same = |other: &Path| {
        path == other || identity(path).is_ok_and(|found| identity(other).is_ok_and(|other| found == other))
    };
    same(database) || ["-wal", "-shm", "-journal"].iter().any(|suffix| same(&with_suffix(database, suffix)))
}

/// A path with something behind its last letter.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(unix)]
fn identity(path: &Path) -> io::Result<Identity> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).map(|facts| (facts.dev(), facts.ino()))
}

/// Systems without numbers for files: there it is seen whether they exist.
#[cfg(not(unix))]
fn identity(path: &Path) -> io::Result<Identity> {
    std::fs::metadata(path).map(|_| (0, 0))
}
