//! `flint serve` as a whole: the fronts behind one listener, the background work, and an orderly
//! end.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::api::{self, App};
use crate::clock;
use crate::dashboard;
use crate::notices::Notify;
use crate::oauth::server::Server;
use crate::server::{self, Limits, Proxy, Serving, Tls};
use crate::store::feed::wake;
use crate::store::usage::rollup::Retention;
use crate::store::{Store, files, upkeep};

/// How long a notice that is on its way may take to be noted when everything else has ended.
const LAST_NOTICE: Duration = Duration::from_secs(2);
/// How often what gateways say is written down.
const FLUSH: Duration = Duration::from_secs(1);

/// How a server is run.
#[derive(Debug, Default)]
pub struct Settings {
    /// How long activity is kept.
    pub keep: Retention,
    /// What it bears.
    pub limits: Limits,
    /// Whose word counts on where a request comes from.
    pub proxies: Vec<Proxy>,
    /// The certificate; without one it speaks in the clear.
    pub tls: Option<Tls>,
    /// Who is told of keys that end; nobody, if nothing is said.
    pub notify: Option<Notify>,
    /// How it issues tokens; without it there is no OAuth.
    pub oauth: Option<Server>,
}

/// Serves until `stop` is over, then answers held calls, lets the others end, and writes down what
/// is left.
pub async fn run(
    listener: TcpListener,
    store: Arc<Store>,
    settings: Settings,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let oauth = prepare(settings.oauth, &store).await?;
    let (stopping, stopped) = watch::channel(false);
    let app = App::new(Arc::clone(&store), stopped.clone()).issuing(oauth.clone());
    let tls = settings.tls.map(Arc::new);
    let watcher = tokio::spawn(wake::run(Arc::clone(&store)));
    let guard = tokio::spawn(files::watch(Arc::clone(&store)));
    let writer = tokio::spawn(write_down(Arc::clone(&store), stopped.clone()));
    let upkeep = tokio::spawn(upkeep::run(Arc::clone(&store), settings.keep));
    let notifier = settings.notify.map(|notify| {
        tokio::spawn(notify.run(Arc::clone(&store), Arc::clone(&app.notices), stopped.clone()))
    });
    let router = fronts(app, &store, oauth);
    let renewer = tls.clone().map(|tls| tokio::spawn(tls.follow()));
    let serving = Serving {
        router: TowerToHyperService::new(router),
        limits: settings.limits,
        proxies: settings.proxies,
        tls,
        stopping: stopped,
    };
    let server = tokio::spawn(server::run(listener, Arc::new(serving)));
    let abort = server.abort_handle();
    tokio::pin!(server);
    let outcome = tokio::select! {
        ended = &mut server => ended,
        () = stop => {
            stopping.send_replace(true);
            // Ended by force, it takes its connections with it.
            timeout(settings.limits.grace, &mut server).await.unwrap_or_else(|_| { abort.abort(); Ok(()) })
        }
    };
    stopping.send_replace(true);
    watcher.abort();
    guard.abort();
    upkeep.abort();
    renewer.inspect(tokio::task::JoinHandle::abort);
    if let Some(mut notifier) = notifier
        && timeout(LAST_NOTICE, &mut notifier).await.is_err()
    {
        notifier.abort();
    }
    // It ends by itself now; that it panicked has been reported by the runtime.
    let _ = writer.await;
    store.close().await;
    outcome.map_err(io::Error::other)
}

/// The description of what is served to programs.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    api::openapi::document()
}

/// All that is served, behind one listener.
fn fronts(app: App, store: &Arc<Store>, oauth: Option<Arc<Server>>) -> Router {
    let dashboard = dashboard::router(Arc::clone(store), api::permissions(), oauth);
    api::router(app).merge(dashboard).fallback(api::no_such_page)
}

/// Makes the first signing key, and takes away what is left of those that were withdrawn long ago.
async fn prepare(oauth: Option<Server>, store: &Store) -> io::Result<Option<Arc<Server>>> {
    let Some(server) = oauth else {
        return Ok(None);
    };
    let now = clock::now();
    store.create_first_signing_key(&server.keyring, now).await.map_err(io::Error::other)?;
    store.forget_signing_keys(&server.keyring, now).await.map_err(io::Error::other)?;
    Ok(Some(Arc::new(server)))
}

async fn write_down(store: Arc<Store>, mut stopped: watch::Receiver<bool>) {
    let mut ticks = interval(FLUSH);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let last = tokio::select! {
            _ = ticks.tick() => false,
            _ = stopped.wait_for(|stop| *stop) => true,
        };
        if let Err(error) = store.write_acknowledgements().await {
            tracing::warn!(%error, "cannot store what gateways have applied");
        }
        if last {
            return;
        }
    }
}
