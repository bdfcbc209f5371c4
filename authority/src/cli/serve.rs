//! `flint serve`

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::json;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use super::duration::parse_span;
use super::{Global, output};
use crate::clock;
use crate::http::server;
use crate::secret::Secret;
use crate::store::catalogue::Offered;
use crate::store::operators::Operator;
use crate::store::rollup::Retention;

/// What a new catalogue holds: the resource that the public documentation shows.
const FIRST_PERMISSIONS: [(&str, &str); 2] =
    [("documents:read", "Read documents"), ("documents:write", "Create, change and delete documents")];

/// Serve until SIGTERM or SIGINT.
#[derive(clap::Args)]
pub(super) struct Serve {
    /// Where to listen; port 0 takes any free one
    #[arg(long, default_value = "127.0.0.1:8080", env = "FLINT_LISTEN")]
    listen: SocketAddr,
    /// How long activity by minute is kept
    #[arg(long, default_value = "2d", value_parser = parse_span)]
    keep_minutes: i64,
    /// How long activity by hour is kept
    #[arg(long, default_value = "35d", value_parser = parse_span)]
    keep_hours: i64,
    /// How long activity by day is kept
    #[arg(long, default_value = "400d", value_parser = parse_span)]
    keep_days: i64,
}

impl Serve {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let filter =
            EnvFilter::try_from_env("FLINT_LOG").unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(false)
            .init();
        let stop = stop_signal()?;
        let store = global.open().await?;
        let recovered = store.recover(false, clock::now()).await?;
        for entry in &recovered.replayed {
            tracing::warn!(key = entry.id, "revoked again: the journal knows of it and the database did not");
        }
        let store = Arc::new(store);
        let listener = TcpListener::bind(self.listen)
            .await
            .with_context(|| format!("cannot listen on {}", self.listen))?;
        let address = listener.local_addr()?;
        let first = store.create_first_operator(clock::now()).await?;
        if first.is_some() {
            let offered = FIRST_PERMISSIONS.map(Offered::from).to_vec();
            store.offer_first_permissions(offered, clock::now()).await?;
        }
        announce(global, address, first)?;
        tracing::info!(%address, database = %global.database, "serving");
        let keep = Retention {
            minutes: self.keep_minutes,
            hours: self.keep_hours,
            days: self.keep_days,
            ..Retention::default()
        };
        server::serve(listener, store, keep, stop).await?;
        tracing::info!("stopped");
        Ok(())
    }
}

/// Says where the program listens and, once in the life of a database, how its first operator signs in. That goes to
/// standard output and not to the log, which others may read.
fn announce(global: &Global, address: SocketAddr, first: Option<(Operator, Secret)>) -> anyhow::Result<()> {
    let first = first.as_ref().map(|(operator, password)| (operator.name.as_str(), password.reveal()));
    if global.json {
        let sign_in = first.map(|(name, password)| json!({ "name": name, "password": password }));
        return output::json(&json!({ "listen": address.to_string(), "first_sign_in": sign_in }));
    }
    output::print(&format!("flint listens on http://{address}\n"))?;
    first.map_or(Ok(()), |(name, password)| {
        output::print(&format!(
            "First run: sign in at http://{address}/ as \"{name}\" with the password {password}\n\
             Keep it now: it is not shown again. `flint operators set-password {name}` makes another.\n"
        ))
    })
}

/// Over when the process is told to end.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    Ok(async move {
        #[cfg(unix)]
        let terminated = terminate.recv();
        #[cfg(not(unix))]
        let terminated = std::future::pending::<Option<()>>();
        tokio::select! {
            _ = terminated => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    })
}
