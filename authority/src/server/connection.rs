//! One connection: from the handshake to its end.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::body::{AnswerBody, RequestBody};
use super::crowd::{Guest, Seat};
use super::limits::Limits;
use super::origin::{Origin, Proxy, is_trusted};
use super::progress::{Overdue, Progress};
use super::stream::Watched;
use super::tls::Tls;

/// How often an HTTP/2 connection is asked whether it still lives, and how long the answer may
/// take.
const PING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));

/// The largest head of a request, in bytes; there may be 100 headers. A connection takes as much
/// memory while one comes.
const MOST_HEAD: usize = 32 * 1024;
/// How many requests there are at a time on an HTTP/2 connection.
const MOST_STREAMS: u32 = 100;
/// How much of a body comes before somebody reads it, in bytes; of all bodies of an HTTP/2
/// connection twice as much.
const WINDOW: u32 = 64 * 1024;

/// What every connection is served with.
pub(crate) struct Serving {
    pub(crate) router: TowerToHyperService<Router>,
    pub(crate) limits: Limits,
    pub(crate) proxies: Vec<Proxy>,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Serving {
    /// Whether a connection from this address brings the requests of many.
    pub(super) fn is_proxy(&self, address: IpAddr) -> bool {
        is_trusted(address.to_canonical(), &self.proxies)
    }

    /// Serves one connection until it ends, takes too long, has to make room, or the server stops.
    pub(super) async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, seat: Seat) {
        // Answers are written whole; waiting for more to send only makes them late.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else {
            return Arc::clone(&self).speak(stream, peer, false, &seat.guest).await;
        };
        let mut stopping = self.stopping.clone();
        let handshake = timeout(self.limits.head, tls.acceptor().accept(stream));
        let secured = tokio::select! {
            done = handshake => done,
            _ = stopping.wait_for(|stop| *stop) => return,
            () = seat.guest.told_to_leave() => return,
        };
        match secured {
            Ok(Ok(secured)) => self.speak(secured, peer, true, &seat.guest).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
            Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
        }
    }

    async fn speak(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        peer: SocketAddr,
        over_tls: bool,
        guest: &Arc<Guest>,
    ) {
        let progress = Progress::new(self.limits);
        guest.is_seen_in(&progress);
        let builder = builder();
        let stream = TokioIo::new(Watched::new(stream, Arc::clone(&progress)));
        let service = service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(Arc::clone(guest));
            Arc::clone(&self).answer(request, peer, over_tls, Arc::clone(&progress))
        });
        let mut connection = pin!(builder.serve_connection(stream, service));
        let mut stopping = self.stopping.clone();
        let mut ending = false;
        let outcome = loop {
            tokio::select! {
                outcome = connection.as_mut() => break outcome,
                overdue = progress.overdue() => {
                    tracing::debug!(%peer, ?overdue, "closed a connection");
                    if ending || overdue != Overdue::Idle {
                        return;
                    }
                }
                () = guest.told_to_leave() => {
                    tracing::debug!(%peer, "a connection makes room for another");
                    return;
                }
                // An error means that the sender is gone, which is an end too.
                _ = stopping.wait_for(|stop| *stop), if !ending => {}
            }
            ending = true;
            progress.ends();
            connection.as_mut().graceful_shutdown();
        };
        if let Err(error) = outcome {
            tracing::debug!(%peer, error, "a connection failed");
        }
    }

    /// One request, with what the rest of the program wants to know of where it comes from.
    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: SocketAddr,
        over_tls: bool,
        progress: Arc<Progress>,
    ) -> Result<Response<Body>, Infallible> {
        let exchange = progress.begin(request.version() == Version::HTTP_2);
        let origin = Origin::of(peer.ip(), over_tls, request.headers(), &self.proxies);
        let mut request = request.map(|body| Body::new(RequestBody::new(body, &self.limits)));
        request.extensions_mut().insert(origin);
        let response = self.router.call(request).await?;
        Ok(response.map(|body| Body::new(AnswerBody::new(body, exchange))))
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // The time for a head is kept by `Progress`.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(MOST_HEAD);
    let (interval, patience) = PING;
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(interval))
        .keep_alive_timeout(patience)
        .max_header_list_size(MOST_HEAD as u32)
        .max_concurrent_streams(MOST_STREAMS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(2 * WINDOW);
    builder
}
