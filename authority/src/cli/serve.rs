//! `flint serve`

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use super::{Global, output};
use crate::http::server;

/// Serve until SIGTERM or SIGINT.
#[derive(clap::Args)]
pub(super) struct Serve {
    /// Where to listen; port 0 takes any free one
    #[arg(long, default_value = "127.0.0.1:8080", env = "FLINT_LISTEN")]
    listen: SocketAddr,
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
        let store = Arc::new(global.open().await?);
        let listener = TcpListener::bind(self.listen)
            .await
            .with_context(|| format!("cannot listen on {}", self.listen))?;
        let address = listener.local_addr()?;
        if global.json {
            output::json(&serde_json::json!({ "listen": address.to_string() }))?;
        } else {
            output::print(&format!("flint listens on http://{address}\n"))?;
        }
        tracing::info!(%address, database = %global.database, "serving");
        server::serve(listener, store, stop).await?;
        tracing::info!("stopped");
        Ok(())
    }
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
