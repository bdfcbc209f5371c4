//! The database: one SQL layer, the same statements on SQLite and PostgreSQL.
//!
//! 1. What was answered 2xx survives the end of the process: SQLite runs with a write-ahead log and
//!    full synchronisation.
//! 2. A change and its audit line are one transaction.
//! 3. Change numbers come from one row that stays locked until the commit. So a number is seen only
//!    after every smaller one, on PostgreSQL too, and a reader that remembers the largest it saw
//!    never misses a change.
//! 4. A revocation is in the journal before it is committed, and a key's changed end right after.
//! 5. A commit with changes wakes every held call: in this process at once, in others through
//!    `wake`.
//! 6. Only SQLite opens the files of a SQLite database, and nothing is written once the open files
//!    are no longer the ones under their names: see `files`.

pub mod keys; // making, finding and changing keys
pub mod feed; // what gateways read, and what they have applied
pub mod usage; // what keys were used for
pub mod oauth; // clients, users, grants, and the tokens that come of them
pub mod people; // operators, their sessions, and the tokens of automation
pub mod recovery; // the journal of revocations, backups

mod connection; // how the database is opened
mod fault; // whose fault an error of the database is
pub mod files; // the files of SQLite, which nothing else may open
pub mod audit; // who did what
pub mod notices; // what a webhook is told
pub mod limits; // how many there may be of what people make
pub mod turns; // who may do how much at a time
pub mod inspection; // what can be seen of its health
pub mod upkeep; // adding up and forgetting

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, RwLock};

use sqlx::{Any, AnyPool, Transaction};
use tokio::sync::{Mutex, MutexGuard, watch};
use tokio::time::Instant;

use crate::config::Database;
use crate::model::Refusal;
use crate::model::draft::Mistake;
use crate::password::HashingFailed;
use crate::secret::{self, NoRandomness};
use feed::acknowledgements::Acknowledgements;
use feed::news::{News, PUBLISHED};
use feed::wake;
use files::Files;
use oauth::together::Together;
use recovery::journal::{self, Journal};
use turns::Turns;

/// The keys and everything around them. Share it behind an `Arc`; dropping it lets the connections
/// go.
#[derive(Debug)]
pub struct Store {
    pool: AnyPool,
    database: Database,
    /// The files that are open, if the database is one.
    files: Option<Arc<Files>>,
    /// Which epoch this is, until a restore begins another: by this program or by another on the
    /// same database.
    epoch: RwLock<Arc<str>>,
    /// Held while epoch and latest change are read, so that what was read last is what is known
    /// last.
    looking: Mutex<()>,
    journal: Option<Journal>,
    /// SQLite has one writer at a time: waiting here is fair, waiting in SQLite is not.
    writer: Mutex<()>,
    latest: watch::Sender<i64>,
    acknowledgements: Acknowledgements,
    news: News,
    together: Together,
    /// Kept once more by each call that waits for changes.
    held: Arc<()>,
    turns: Turns,
}

/// Who does something, for the audit log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Actor {
    /// `cli`, `operator`, `api_token`, `key_holder` or `system`.
    pub kind: &'static str,
    /// Which of them: a name or a public id.
    pub name: String,
    /// Where the request came from, if it came over the network.
    pub address: Option<String>,
}

/// Why the store did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such thing.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// A rule of a key's life forbids it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// What was asked for breaks rules.
    #[error("the request is not valid")]
    Invalid(Vec<Mistake>),
    /// There are as many of these as may be.
    #[error("there are already 2000 {0}, the most that are allowed")]
    Full(&'static str),
    /// As much of this is under way as may be.
    #[error("too many such requests are already running; try again")]
    Busy,
    /// Something of that name or with that digest exists.
    #[error("{0}")]
    Exists(&'static str),
    /// The state that something is in does not allow it.
    #[error("{0}")]
    NotPossible(&'static str),
    /// The gateway was revoked.
    #[error("the gateway is revoked; create another, which may have the same name")]
    GatewayRevoked,
    /// A key that is to be imported was revoked.
    #[error("one of the keys was revoked, and a revoked key can never be used again")]
    KeyWasRevoked,
    /// The database is used by others.
    #[error("the database is in use; stop `flint serve` first")]
    InUse,
    /// The file that shall be restored is not a backup.
    #[error("that file is not a backup of an authority; nothing was changed")]
    NotABackup,
    /// What is asked for is done with the tools of PostgreSQL.
    #[error("PostgreSQL has its own tools for this: {0}")]
    UsePostgresTools(&'static str),
    /// The operating system failed.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// A password could not be hashed.
    #[error(transparent)]
    Hashing(#[from] HashingFailed),
    /// The database failed.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The database could not be brought to this version of the program.
    #[error("the database could not be brought up to date: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A row does not say what it should.
    #[error("the database holds something unreadable in {0}")]
    Corrupt(&'static str),
    /// The file of the database could not be made.
    #[error("{0}: {1}")]
    File(String, io::Error),
    /// The files of the database are not those that are open: what is written would be lost.
    #[error("the database cannot be used until flint is restarted: {0}")]
    Unsafe(String),
}

/// A transaction that writes. Dropped without [`Write::commit`], it leaves everything as it was.
pub struct Write<'store> {
    tx: Transaction<'static, Any>,
    store: &'store Store,
    changed: Option<i64>,
    revoked: Vec<journal::Revocation>,
    ends: Vec<journal::ExpiryChange>,
    oauth_ends: Vec<journal::OauthEnd>,
    /// Whether it changes what everybody may read.
    publishes: bool,
    _turn: Option<MutexGuard<'store, ()>>,
}

// === impl Store ===

impl Store {
    /// Opens the database with the journal of revocations where it belongs: next to a file, else
    /// nowhere.
    ///
    /// # Errors
    /// As [`Store::open_with`].
    pub async fn open(database: &Database) -> Result<Self, StoreError> {
        Self::open_with(database, database.path().map(Journal::beside)).await
    }

    /// Opens the database, makes it if it is a file that does not exist, and brings it up to date.
    ///
    /// # Errors
    /// If it cannot be reached or is of a later version.
    pub async fn open_with(database: &Database, journal: Option<Journal>) -> Result<Self, StoreError> {
        refuse_journal_in(database, journal.as_ref())?;
        let (pool, files) = connection::open(database).await?;
        // More than half of the connections are left for what is quick.
        let slow = pool.options().get_max_connections() as usize * 3 / 8;
        if files.is_some() {
            sqlx::migrate!("migrations/sqlite").run(&pool).await?;
        } else {
            sqlx::migrate!("migrations/postgres").run(&pool).await?;
        }
        let (epoch, latest) = feed::ensure(&pool).await?;
        let latest = watch::Sender::new(latest);
        let store = Self {
            pool,
            database: database.clone(),
            files,
            epoch: RwLock::new(epoch.into()),
            looking: Mutex::new(()),
            journal,
            writer: Mutex::new(()),
            latest,
            acknowledgements: Acknowledgements::default(),
            news: News::default(),
            together: Together::default(),
            held: Arc::default(),
            turns: Turns::new(slow),
        };
        store.write_missing_words().await?;
        Ok(store)
    }

    /// Ends all connections; on files that are not safe to write to, they end with the process
    /// (rule 4 of `files`).
    pub async fn close(&self) {
        // A database that was closed has no log any more, which would be taken for a fault.
        if self.pool.is_closed() || self.check_files().is_err() {
            return;
        }
        self.pool.close().await;
        self.news.close().await;
        if let Some(files) = &self.files {
            files.close().await;
        }
    }

    /// Refuses if the files of the database are not those that are open.
    ///
    /// # Errors
    /// [`StoreError::Unsafe`].
    fn check_files(&self) -> Result<(), StoreError> {
        self.files.as_ref().map_or(Ok(()), |files| files.check())
    }

    /// Whether the database answers, and can be written to.
    ///
    /// # Errors
    /// If it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.check_files()?;
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Which database this is.
    #[must_use]
    pub const fn database(&self) -> &Database {
        &self.database
    }

    /// The journal of revocations, if there is one.
    #[must_use]
    pub const fn journal(&self) -> Option<&Journal> {
        self.journal.as_ref()
    }

    /// Begins a transaction that writes.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn write(&self) -> Result<Write<'_>, StoreError> {
        let begun = Instant::now();
        let (turn, begin) = match self.database {
            Database::Sqlite(_) => (Some(self.writer.lock().await), "BEGIN IMMEDIATE"),
            Database::Postgres(_) => (None, "BEGIN"),
        };
        self.check_files()?;
        let opened = self.pool.begin_with(begin).await;
        upkeep::note_wait(begun.elapsed());
        Ok(Write {
            tx: opened?,
            store: self,
            changed: None,
            revoked: Vec::new(),
            ends: Vec::new(),
            oauth_ends: Vec::new(),
            publishes: false,
            _turn: turn,
        })
    }

    /// Tells the number of the latest change, again with every change.
    #[must_use]
    pub fn watch_changes(&self) -> watch::Receiver<i64> {
        self.latest.subscribe()
    }

    /// How many wait for changes at the moment.
    #[must_use]
    pub fn held_calls(&self) -> usize {
        Arc::strong_count(&self.held) - 1
    }

    /// Counts one that waits for changes, for as long as this is kept.
    pub(crate) fn hold(&self) -> Arc<()> {
        Arc::clone(&self.held)
    }

    fn announce(&self, seq: i64) {
        announce(&self.latest, seq);
    }

    /// The PostgreSQL server that is spoken to without encryption that is certain, if there is one.
    /// The host is given.
    #[must_use]
    pub fn host_in_the_clear(&self) -> Option<String> {
        connection::host_in_the_clear(&self.database)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(files) = self.files.as_ref().filter(|files| files.have_failed()) {
            // Neither the pool nor the first connection may be closed any more: see rule 4 of
            // `files`.
            std::mem::forget(self.pool.clone());
            std::mem::forget(Arc::clone(files));
        }
    }
}

/// The journal is opened and closed with every line, which no file of the database may be.
fn refuse_journal_in(database: &Database, journal: Option<&Journal>) -> Result<(), StoreError> {
    let clash =
        database.path().zip(journal).filter(|(path, journal)| files::is_of_database(journal.path(), path));
    clash.map_or(Ok(()), |(_, journal)| {
        let reason =
            io::Error::new(io::ErrorKind::InvalidInput, "the journal cannot be a file of the database");
        Err(StoreError::File(journal.path().display().to_string(), reason))
    })
}

// === impl Write ===

impl Write<'_> {
    /// Waits until nobody else changes keys. What is read after this stays as it is until the
    /// commit.
    async fn lock_changes(&mut self) -> Result<(), StoreError> {
        // On SQLite the transaction has begun with that.
        if let Database::Postgres(_) = self.store.database {
            sqlx::query("SELECT one FROM feed WHERE one = 1 FOR UPDATE").execute(&mut *self.tx).await?;
        }
        Ok(())
    }

    /// Takes the next `count` change numbers and tells the first. Others that change keys wait
    /// until the commit.
    async fn next_changes(&mut self, count: i64) -> Result<i64, StoreError> {
        let sql = "UPDATE feed SET change_seq = change_seq + $1 WHERE one = 1 RETURNING change_seq";
        let last: i64 = sqlx::query_scalar(sql).bind(count).fetch_one(&mut *self.tx).await?;
        self.changed = Some(last);
        Ok(last - count + 1)
    }

    /// Makes it so, and wakes anyone who waits for changes.
    ///
    /// # Errors
    /// If the database fails; nothing is changed then.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        if let Some(journal) = self.store.journal.as_ref().filter(|_| !self.revoked.is_empty()) {
            journal.append(&self.revoked).await?;
        }
        let (ended, begun_again): (Vec<_>, Vec<_>) =
            self.oauth_ends.drain(..).partition(|end| end.at.is_some());
        if let Some(journal) = self.store.journal.as_ref().filter(|_| !ended.is_empty()) {
            journal.append(&ended).await?;
        }
        if let (Some(seq), Database::Postgres(_)) = (self.changed, &self.store.database) {
            let sql = "SELECT pg_notify($1, $2)";
            sqlx::query(sql).bind(wake::CHANNEL).bind(seq.to_string()).execute(&mut *self.tx).await?;
        }
        if let (true, Database::Postgres(_)) = (self.publishes, &self.store.database) {
            let sql = "SELECT pg_notify($1, $2)";
            sqlx::query(sql).bind(wake::CHANNEL).bind(PUBLISHED).execute(&mut *self.tx).await?;
        }
        let Self { tx, store, changed, ends, publishes, _turn, .. } = self;
        let heard = publishes.then(|| store.news.counter());
        let (latest, journal, own) = (store.latest.clone(), store.journal.clone(), store.journal.clone());
        // In a task, which ends even if the client hangs up meanwhile: a commit that is under way
        // is made in any case, and what follows it must be done then.
        let committing = tokio::spawn(async move {
            tx.commit().await?;
            if let Some(seq) = changed {
                announce(&latest, seq);
            }
            if let Some(heard) = heard {
                heard.fetch_add(1, Ordering::AcqRel);
            }
            if let Some(journal) = journal.filter(|_| !ends.is_empty())
                && let Err(error) = journal.append(&ends).await
            {
                // The change is made. What is lost is that a restored backup would know of it.
                tracing::warn!(%error, "a changed end of a key is not in the journal");
            }
            if let Some(journal) = own.filter(|_| !begun_again.is_empty())
                && let Err(error) = journal.append(&begun_again).await
            {
                tracing::warn!(%error, "the journal still says that a client or user is disabled");
            }
            Ok::<_, sqlx::Error>(())
        });
        committing.await.map_err(|_| sqlx::Error::WorkerCrashed)??;
        // If the log was deleted meanwhile, what was committed is in none that anybody will read.
        store.check_files()
    }
}

/// Tells those who wait in this process that there is a change.
fn announce(latest: &watch::Sender<i64>, seq: i64) {
    latest.send_if_modified(|latest| {
        let newer = seq > *latest;
        *latest = (*latest).max(seq);
        newer
    });
}

// === impl Actor ===

impl Actor {
    /// Anyone who runs the command line, by their name in the operating system.
    #[must_use]
    pub fn cli() -> Self {
        let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_default();
        let name = if user.is_empty() { "command line".into() } else { user.chars().take(64).collect() };
        Self { kind: "cli", name, address: None }
    }

    /// The program itself.
    #[must_use]
    pub fn system() -> Self {
        Self { kind: "system", name: "flint".into(), address: None }
    }

    /// Kind and name in one, as `created_by` has it.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}:{}", self.kind, self.name)
    }
}

/// A random name for a database, so that a cursor of another one is known for what it is.
fn new_epoch() -> Result<String, NoRandomness> {
    Ok(secret::random::<9>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}
