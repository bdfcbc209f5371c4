//! A running server: the listener, the work that goes on beside requests, and an orderly end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{App, router};
use crate::store::rollup::Retention;
use crate::store::{Store, upkeep, wake};

/// How long requests may take to end after the program was told to stop.
const GRACE: Duration = Duration::from_secs(10);
/// How often what gateways say is written down.
const FLUSH: Duration = Duration::from_secs(1);

/// Serves until `stop` is over, then answers held calls, lets the others end, and writes down what is left.
///
/// # Errors
/// Where the listener fails.
pub async fn serve(
    listener: TcpListener,
    store: Arc<Store>,
    keep: Retention,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let (stopping, stopped) = watch::channel(false);
    let app = App::new(Arc::clone(&store), stopped.clone());
    let watcher = tokio::spawn(wake::run(Arc::clone(&store)));
    let writer = tokio::spawn(write_down(app.clone(), stopped.clone()));
    let upkeep = tokio::spawn(upkeep::run(Arc::clone(&store), keep));
    let mut graceful = stopped.clone();
    let service = router(app.clone()).into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, service).with_graceful_shutdown(async move {
        // An error means that the sender is gone, which is an end too.
        let _ = graceful.wait_for(|stop| *stop).await;
    });
    let server = tokio::spawn(server.into_future());
    let abort = server.abort_handle();
    tokio::pin!(server);
    let outcome = tokio::select! {
        ended = &mut server => ended,
        () = stop => {
            stopping.send_replace(true);
            match timeout(GRACE, &mut server).await {
                Ok(ended) => ended,
                Err(_) => { abort.abort(); Ok(Ok(())) }
            }
        }
    };
    stopping.send_replace(true);
    watcher.abort();
    upkeep.abort();
    // It ends by itself now; that it panicked has been reported by the runtime.
    let _ = writer.await;
    store.close().await;
    outcome.unwrap_or_else(|panicked| Err(io::Error::other(panicked)))
}

async fn write_down(app: App, mut stopped: watch::Receiver<bool>) {
    let mut ticks = interval(FLUSH);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let last = tokio::select! {
            _ = ticks.tick() => false,
            _ = stopped.wait_for(|stop| *stop) => true,
        };
        if let Err(error) = app.flush().await {
            tracing::warn!(%error, "cannot write down what gateways have applied");
        }
        if last {
            return;
        }
    }
}
