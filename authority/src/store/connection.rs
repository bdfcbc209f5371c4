//! Connections to the database.
//!
//! A SQLite file is opened by SQLite alone: see `files`. It is there before the first connection,
//! so that none is ever made with the mode of the process.

use std::net::IpAddr;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AnyConnection, AnyPool, ConnectOptions as _, Connection as _};

use super::StoreError;
use super::files::{self, Files};
use crate::config::Database;

const SQLITE_PRAGMAS: [&str; 5] = [
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA busy_timeout = 10000",
    "PRAGMA cache_size = -8000",
];

/// What is encoded in the path of a SQLite file.
const IN_A_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');

/// Opens the database, which is made if it is a file that does not exist.
pub(super) async fn open(database: &Database) -> Result<(AnyPool, Option<Arc<Files>>), StoreError> {
    sqlx::any::install_default_drivers();
    let files = match database {
        Database::Sqlite(path) => {
            files::make(path).map_err(|error| StoreError::File(path.display().to_string(), error))?;
            let mut first = connect(database).await?;
            set_up(&mut first).await?;
            Some(Arc::new(Files::of(path, first).await?))
        }
        Database::Postgres(_) => None,
    };
    let pool = connect_pool(database, files.clone()).await?;
    Ok((pool, files))
}

/// One connection, without the settings of those in the pool, to a database that is there.
pub(super) async fn connect(database: &Database) -> Result<AnyConnection, StoreError> {
    sqlx::any::install_default_drivers();
    Ok(AnyConnection::connect_with(&options(database)?).await?)
}

/// The host of a PostgreSQL server to which the connection may be in the clear: one on another
/// machine, without an `sslmode` that insists on TLS.
pub(super) fn host_in_the_clear(database: &Database) -> Option<String> {
    let Database::Postgres(url) = database else {
        return None;
    };
    let options = PgConnectOptions::from_str(url).ok()?;
    let insists =
        matches!(options.get_ssl_mode(), PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull);
    let host = options.get_host();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    let is_local = options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || address.is_ok_and(|address| address.is_loopback());
    (!insists && !is_local).then(|| host.to_owned())
}

async fn connect_pool(database: &Database, files: Option<Arc<Files>>) -> Result<AnyPool, StoreError> {
    let options = options(database)?;
    let opened = AnyPoolOptions::new()
        .max_connections(if files.is_some() { 8 } else { 20 })
        .acquire_timeout(Duration::from_secs(10))
        .after_connect(move |connection, _| {
            let files = files.clone();
            Box::pin(async move {
                let Some(files) = files else {
                    return Ok(());
                };
                // It would read another log than the others in this process do, by the index of
                // theirs.
                files.check().map_err(|error| sqlx::Error::Configuration(error.to_string().into()))?;
                set_up(connection).await
            })
        })
        .connect_with(options.clone())
        .await;
    match opened {
        // The pool tries until its time is over, and keeps the reason to itself.
        Err(sqlx::Error::PoolTimedOut) => {
            let reason = AnyConnection::connect_with(&options).await.err();
            Err(reason.unwrap_or(sqlx::Error::PoolTimedOut).into())
        }
        opened => Ok(opened?),
    }
}

async fn set_up(connection: &mut AnyConnection) -> sqlx::Result<()> {
    for pragma in SQLITE_PRAGMAS {
        sqlx::query(pragma).execute(&mut *connection).await?;
    }
    Ok(())
}

fn options(database: &Database) -> Result<AnyConnectOptions, StoreError> {
    let url = match database {
        Database::Postgres(url) => url.clone(),
        Database::Sqlite(path) => {
            // Encoded, or a path with a percent sign would be another file than the one that was
            // made private.
            let path = percent_encode(path.as_os_str().as_encoded_bytes(), IN_A_PATH);
            format!("sqlite://{path}?mode=rw")
        }
    };
    Ok(AnyConnectOptions::from_str(&url)?.disable_statement_logging())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_elsewhere_needs_an_sslmode_that_insists() {
        for (url, host) in [
            ("postgres://flint@db.example/flint", Some("db.example")),
            ("postgres://flint@db.example/flint?sslmode=prefer", Some("db.example")),
            ("postgres://flint@db.example/flint?sslmode=disable", Some("db.example")),
            ("postgres://flint@10.0.0.7:5433/flint", Some("10.0.0.7")),
            ("postgres://flint@db.example/flint?sslmode=require", None),
            ("postgres://flint@db.example/flint?sslmode=verify-full", None),
            ("postgres://flint@localhost/flint", None),
            ("postgres://flint@127.0.0.2/flint", None),
            ("postgres://flint@[::1]/flint", None),
            ("postgres://flint@/flint?host=/var/run/postgresql", None),
        ] {
            assert_eq!(host_in_the_clear(&Database::Postgres(url.into())).as_deref(), host, "{url}");
        }
        assert_eq!(host_in_the_clear(&Database::Sqlite("flint.db".into())), None);
    }
}
