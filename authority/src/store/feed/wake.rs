//! News of changes that other processes commit.
//!
//! PostgreSQL sends notifications (`LISTEN`). SQLite has a counter that any commit of another
//! connection moves; reading it costs a few microseconds and touches no disk, so it is read often
//! while somebody waits, and not at all otherwise.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgListener;

use crate::config::Database;
use crate::store::feed::news::PUBLISHED;
use crate::store::{Store, StoreError, connection};

/// Where PostgreSQL tells of changes.
pub(in crate::store) const CHANNEL: &str = "flint_change";

/// How often the counter of SQLite is read.
const GLANCE: Duration = Duration::from_millis(25);
/// How often PostgreSQL is asked although it said nothing: a connection may be dead and not know
/// it.
const DOUBT: Duration = Duration::from_secs(5);

/// Watches for the commits of others for as long as the program runs. Failures are logged and it
/// begins again.
pub async fn run(store: Arc<Store>) {
    loop {
        let outcome = match &store.database {
            Database::Sqlite(_) => watch_sqlite(&store).await,
            Database::Postgres(url) => watch_postgres(&store, url).await,
        };
        store.news.listen(false);
        if let Err(error) = outcome {
            tracing::warn!(%error, "cannot watch the database for changes; trying again");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn watch_sqlite(store: &Store) -> Result<(), StoreError> {
    let mut connection = connection::connect(&store.database).await?;
    let mut seen = 0;
    loop {
        while store.latest.receiver_count() == 0 {
            tokio::time::sleep(GLANCE).await;
        }
        let version: i64 = sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut connection).await?;
        if version != seen {
            store.look_for_changes().await?;
            seen = version;
        }
        tokio::time::sleep(GLANCE).await;
    }
}

async fn watch_postgres(store: &Store, url: &str) -> Result<(), StoreError> {
    let mut listener = PgListener::connect(url).await?;
    listener.listen(CHANNEL).await?;
    store.news.listen(true);
    loop {
        // Before waiting: whatever was committed before the ear was open.
        store.look_for_changes().await?;
        let told = tokio::time::timeout(DOUBT, listener.recv()).await;
        if told.map_or(Ok(true), |told| told.map(|told| told.payload() == PUBLISHED))? {
            store.news.hear();
        }
    }
}
