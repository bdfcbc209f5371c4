//! Whether anything that everybody may read has changed, without reading it: what is cached in
//! memory is valid for as long as this number stays the same.
//!
//! 1. SQLite counts the commits of all other connections, of this process and of others, in memory
//!    that they share. The number is that count, and asking for it reads no table.
//! 2. PostgreSQL sends a notification when a change is committed (`wake`), and the number counts
//!    those. While none can be received, there is no number.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use sqlx::{AnyConnection, Connection as _};
use tokio::sync::Mutex;

use crate::config::Database;
use crate::store::{Store, connection};

/// What PostgreSQL tells of a change of what everybody may read.
pub(in crate::store) const PUBLISHED: &str = "published";

/// What is known of changes.
#[derive(Debug, Default)]
pub(in crate::store) struct News {
    heard: Arc<AtomicI64>,
    /// Whether what others commit is heard.
    is_listening: AtomicBool,
    /// A connection that only looks at the counter of SQLite: it sees the commits of every other
    /// one.
    glance: Mutex<Option<AnyConnection>>,
}

impl News {
    /// What counts what was heard.
    pub(in crate::store) fn counter(&self) -> Arc<AtomicI64> {
        Arc::clone(&self.heard)
    }

    /// Something may have changed.
    pub(super) fn hear(&self) {
        self.heard.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether others can be heard from now on. What they said in between was not.
    pub(super) fn listen(&self, can_hear: bool) {
        self.hear();
        self.is_listening.store(can_hear, Ordering::Release);
    }

    /// Ends the connection.
    pub(in crate::store) async fn close(&self) {
        if let Some(connection) = self.glance.lock().await.take() {
            // It has only ever read: there is nothing to lose.
            let _ = connection.close().await;
        }
    }

    async fn glance(&self, database: &Database) -> Option<i64> {
        let mut glance = self.glance.lock().await;
        if glance.is_none() {
            *glance = connection::connect(database).await.ok();
        }
        let seen = sqlx::query_scalar("PRAGMA data_version").fetch_one(glance.as_mut()?).await;
        if seen.is_err() {
            *glance = None;
        }
        seen.ok()
    }
}

impl Store {
    /// A number that is another one after every change of what everybody may read. `None`: nobody
    /// can tell at the moment.
    pub async fn news(&self) -> Option<i64> {
        match self.database {
            Database::Sqlite(_) => self.news.glance(&self.database).await,
            Database::Postgres(_) => self.news_told(),
        }
    }

    /// As [`Store::news`], if it can be told without asking the database.
    #[must_use]
    pub fn news_told(&self) -> Option<i64> {
        let is_told = self.news.is_listening.load(Ordering::Acquire);
        is_told.then(|| self.news.heard.load(Ordering::Acquire))
    }
}
