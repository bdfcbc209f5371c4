//! Accepts connections: never more than are allowed at once, and whatever errors the system
//! reports.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::connection::Serving;
use super::crowd::Crowd;

/// How long is waited for those who are told to leave, before others are told.
const LEAVING: Duration = Duration::from_millis(100);
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
struct LogLimit {
    said: Option<Instant>,
}

/// Takes connections until the server stops, then waits until all have ended.
pub(crate) async fn run(mut listener: impl Accept, serving: Arc<Serving>) {
    let most = serving.limits.connections.clamp(1, Semaphore::MAX_PERMITS);
    let mut room = Room {
        most,
        slots: Arc::new(Semaphore::new(most)),
        crowd: Arc::default(),
        full: LogLimit::default(),
    };
    let mut stopping = serving.stopping.clone();
    let mut connections = JoinSet::new();
    let mut failing = LogLimit::default();
    loop {
        let next = async {
            match listener.accept().await {
                // Only now, so that nobody has to leave before somebody comes.
                Ok(accepted) => Ok((room.slot().await, accepted)),
                Err(error) => Err(error),
            }
        };
        let accepted = tokio::select! {
            next = next => next,
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((slot, (stream, peer))) => {
                let serving = Arc::clone(&serving);
                let seat = room.crowd.seat(peer.ip(), serving.is_proxy(peer.ip()));
                connections.spawn(async move {
                    serving.serve(stream, peer, seat).await;
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
    // Anyone who comes now shall go elsewhere.
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// How many may be here, and who is.
struct Room {
    most: usize,
    slots: Arc<Semaphore>,
    crowd: Arc<Crowd>,
    full: LogLimit,
}

impl Room {
    /// Waits for a place, and sees to it that there is one, if anybody can be told to leave.
    async fn slot(&mut self) -> Option<OwnedSemaphorePermit> {
        loop {
            if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
                return Some(slot);
            }
            if self.full.is_time() {
                let most = self.most;
                tracing::warn!(
                    most,
                    "all connections are in use: idle ones are closed for more (--max-connections)"
                );
            }
            self.crowd.make_room(self.most);
            // The semaphore is never closed.
            if let Ok(slot) = timeout(LEAVING, Arc::clone(&self.slots).acquire_owned()).await {
                return slot.ok();
            }
        }
    }
}

fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

impl LogLimit {
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

    /// Fails so often, with too many open files, before it continues.
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
