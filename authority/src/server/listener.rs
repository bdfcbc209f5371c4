//! Where connections come in: never more than are allowed at once, and whatever the system says.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::connection::Serving;

/// How often the same trouble is logged at most.
const LOG_AGAIN: Duration = Duration::from_secs(60);

/// What gives connections; the tests have one that fails.
pub(crate) trait Accept {
    fn accept(&mut self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send;
}

impl Accept for TcpListener {
    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        Self::accept(self).await
    }
}

/// Says something at once, and then not for a while.
#[derive(Debug, Default)]
struct Seldom {
    said: Option<Instant>,
}

/// Takes connections until the server stops, then waits until all have ended.
pub(crate) async fn run(mut listener: impl Accept, serving: Arc<Serving>) {
    let slots = Arc::new(Semaphore::new(serving.limits.connections.clamp(1, Semaphore::MAX_PERMITS)));
    let mut stopping = serving.stopping.clone();
    let mut connections = JoinSet::new();
    let (mut full, mut failing) = (Seldom::default(), Seldom::default());
    loop {
        if slots.available_permits() == 0 && full.is_time() {
            let most = serving.limits.connections;
            tracing::warn!(most, "all connections are in use: more wait until one ends (--max-connections)");
        }
        let next = async {
            // The semaphore is never closed.
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            next = next => next,
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let serving = Arc::clone(&serving);
                connections.spawn(async move {
                    serving.serve(stream, peer).await;
                    drop(slot);
                });
            }
            // The client has gone already.
            Err(error) if is_of_the_client(&error) => {}
            Err(error) => {
                if failing.is_time() {
                    tracing::warn!(%error, "cannot accept connections; trying again");
                }
                sleep(serving.limits.accept_pause).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    // Whoever comes now shall go elsewhere.
    drop(listener);
    while connections.join_next().await.is_some() {}
}

fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

impl Seldom {
    fn is_time(&mut self) -> bool {
        let is_time = self.said.is_none_or(|said| said.elapsed() >= LOG_AGAIN);
        if is_time {
            self.said = Some(Instant::now());
        }
        is_time
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::routing::get;
    use hyper_util::service::TowerToHyperService;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::watch;

    use crate::server::limits::Limits;

    /// Fails so often, with too many open files, before it goes on.
    struct Failing {
        listener: TcpListener,
        left: usize,
        failed: Arc<AtomicUsize>,
    }

    impl Accept for Failing {
        async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
            if self.left > 0 {
                self.left -= 1;
                self.failed.fetch_add(1, Ordering::Relaxed);
                return Err(io::Error::from_raw_os_error(24));
            }
            Accept::accept(&mut self.listener).await
        }
    }

    #[tokio::test]
    async fn too_many_open_files_end_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let failed = Arc::new(AtomicUsize::new(0));
        let (stop, stopping) = watch::channel(false);
        let serving = Serving {
            router: TowerToHyperService::new(Router::new().route("/", get(async || "here"))),
            limits: Limits { accept_pause: Duration::from_millis(1), ..Limits::default() },
            proxies: Vec::new(),
            tls: None,
            stopping,
        };
        let failing = Failing { listener, left: 3, failed: Arc::clone(&failed) };
        let running = tokio::spawn(run(failing, Arc::new(serving)));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!((&answer, failed.load(Ordering::Relaxed)), (b"HTTP/1.1 200", 3));
        stop.send_replace(true);
        running.await.unwrap();
    }

    #[test]
    fn a_client_that_has_gone_is_no_trouble() {
        assert!(is_of_the_client(&io::ErrorKind::ConnectionAborted.into()));
        assert!(!is_of_the_client(&io::Error::from_raw_os_error(24)));
    }
}
