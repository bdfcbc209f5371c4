//! `flint serve`

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use serde::Serialize;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use super::duration::parse_span;
use super::oauth::SigningKeys;
#[cfg(unix)]
use super::open_files;
use super::{Global, notices, output};
use crate::clock;
use crate::notices::Notify;
use crate::oauth::issuer::{Issuer, Resource, Resources};
use crate::oauth::server::Server;
use crate::secret::Secret;
use crate::serve::{self, Settings};
use crate::server::{Limits, Proxy, Tls, TlsFiles};
use crate::store::keys::catalogue::Offered;
use crate::store::people::operators::Operator;
use crate::store::usage::rollup::Retention;

/// What a new catalogue holds: the resource that the public documentation shows.
const FIRST_PERMISSIONS: [(&str, &str); 2] =
    [("documents:read", "Read documents"), ("documents:write", "Create, change and delete documents")];

/// Serve until SIGTERM or SIGINT.
#[derive(clap::Args)]
pub(super) struct Serve {
    /// The address to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", env = "FLINT_LISTEN")]
    listen: SocketAddr,
    /// The TLS certificate chain, as a PEM file
    #[arg(long, value_name = "FILE", env = "FLINT_TLS_CERT", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The TLS private key, as a PEM file
    #[arg(long, value_name = "FILE", env = "FLINT_TLS_KEY", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// A proxy whose X-Forwarded-For and X-Forwarded-Proto are trusted: an address or a block;
    /// repeat for more
    #[arg(long, value_name = "CIDR", env = "FLINT_TRUSTED_PROXIES", value_delimiter = ',')]
    trusted_proxy: Vec<Proxy>,
    /// How many connections may be open at once; idle ones are closed to make room
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().connections, value_parser = at_least_one)]
    max_connections: usize,
    /// How long to keep activity per minute
    #[arg(long, value_name = "DURATION", default_value = "2d", value_parser = parse_span)]
    keep_minutes: i64,
    /// How long to keep activity per hour
    #[arg(long, value_name = "DURATION", default_value = "35d", value_parser = parse_span)]
    keep_hours: i64,
    /// How long to keep activity per day
    #[arg(long, value_name = "DURATION", default_value = "400d", value_parser = parse_span)]
    keep_days: i64,
    #[command(flatten)]
    notify: notices::To,
    /// Issue OAuth access tokens as this issuer, an origin such as https://auth.example.com
    #[arg(long, value_name = "ORIGIN", env = "FLINT_ISSUER")]
    issuer: Option<Issuer>,
    /// An API that access tokens may be for, as an absolute URI; repeat for more
    ///
    /// The first is the default. Without any, tokens are for the issuer.
    #[arg(
        long = "resource",
        value_name = "URI",
        env = "FLINT_RESOURCES",
        value_delimiter = ',',
        requires = "issuer"
    )]
    resources: Vec<Resource>,
    #[command(flatten)]
    signing_keys: SigningKeys,
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
        let settings = self.settings(global)?;
        let scheme = if settings.tls.is_some() { "https" } else { "http" };
        let journal = global.journal();
        journal
            .prepare()
            .context("cannot write the journal of revocations; set another place with --journal")?;
        #[cfg(unix)]
        open_files::provide(self.max_connections);
        let store = global.open().await?;
        if let Some(host) = store.host_in_the_clear() {
            tracing::warn!(
                host,
                "the connection to PostgreSQL may be unencrypted: add ?sslmode=verify-full to --database"
            );
        }
        let recovered = store.recover(false, clock::now()).await?;
        for entry in &recovered.replayed {
            tracing::warn!(key = entry.id, "revoked again: it is in the journal and was not in the database");
        }
        for end in &recovered.ended {
            tracing::warn!(
                key = end.id,
                "expires earlier again: it is in the journal and was not in the database"
            );
        }
        let listener = TcpListener::bind(self.listen)
            .await
            .with_context(|| format!("cannot listen on {}", self.listen))?;
        let address = listener.local_addr()?;
        let first = store.create_first_operator(clock::now()).await?;
        if first.is_some() {
            let offered = FIRST_PERMISSIONS.map(Offered::from).to_vec();
            store.offer_first_permissions(offered, clock::now()).await?;
        }
        announce(global, scheme, address, first)?;
        let journal = journal.path().display();
        tracing::info!(%address, scheme, database = %global.database, %journal, "serving");
        serve::run(listener, store, settings, stop).await?;
        tracing::info!("stopped");
        Ok(())
    }

    fn settings(&self, global: &Global) -> anyhow::Result<Settings> {
        let keep = Retention {
            minutes: self.keep_minutes,
            hours: self.keep_hours,
            days: self.keep_days,
            ..Retention::default()
        };
        let tls = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => {
                Some(Tls::load(TlsFiles { certificate: certificate.clone(), key: key.clone() })?)
            }
            _ => None,
        };
        let webhook = self.notify.webhook()?;
        if let Some(webhook) = &webhook {
            tracing::info!(%webhook, signed = webhook.signs(), "sending notices of keys that expire");
        }
        let limits = Limits { connections: self.max_connections, ..Limits::default() };
        Ok(Settings {
            keep,
            limits,
            proxies: self.trusted_proxy.clone(),
            tls,
            notify: webhook.map(Notify::to),
            oauth: self.oauth(global)?,
        })
    }
}

/// What `--json` prints at the start.
#[derive(Serialize)]
struct Listening<'a> {
    listen: SocketAddr,
    scheme: &'a str,
    first_sign_in: Option<FirstSignIn<'a>>,
}

/// How the first operator signs in.
#[derive(Serialize)]
struct FirstSignIn<'a> {
    name: &'a str,
    password: &'a str,
}

impl Serve {
    fn oauth(&self, global: &Global) -> anyhow::Result<Option<Server>> {
        let Some(issuer) = self.issuer.clone() else {
            return Ok(None);
        };
        let resources = Resources::new(self.resources.clone(), &issuer);
        Ok(Some(Server::new(issuer, resources, self.signing_keys.keyring(global)?)))
    }
}

/// Says where the program listens and, once in the life of a database, how its first operator signs
/// in. That goes to standard output and not to the log, which others may read.
fn announce(
    global: &Global,
    scheme: &str,
    address: SocketAddr,
    first: Option<(Operator, Secret)>,
) -> anyhow::Result<()> {
    let first = first.as_ref().map(|(operator, password)| (operator.name.as_str(), password.reveal()));
    if global.json {
        let first_sign_in = first.map(|(name, password)| FirstSignIn { name, password });
        return output::json(&Listening { listen: address, scheme, first_sign_in });
    }
    output::print(&format!("flint listens on {scheme}://{address}\n"))?;
    first.map_or(Ok(()), |(name, password)| {
        output::print(&format!(
            "First run: sign in at {scheme}://{address}/ as \"{name}\" with the password {password}\n\
             Keep it now: it is not shown again. `flint operators set-password {name}` makes another.\n"
        ))
    })
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| "must be a whole number above zero".into())
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
