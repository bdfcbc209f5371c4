//! Bodies. Those of requests must keep arriving; the end of a response body is reported, or frees
//! what its request held.

use std::error::Error as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body as AnyBody, Bytes};
use axum::response::Response;
use http_body_util::LengthLimitError;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::limits::Limits;
use super::progress::Exchange;

/// Why a body ended that came too slowly.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the body arrived too slowly")]
struct Stalled;

/// The body of a request.
pub(super) struct RequestBody {
    body: Incoming,
    /// Until when the next part must have come; begun with the first look.
    sleep: Option<Pin<Box<Sleep>>>,
    pause: Duration,
    end: Instant,
}

/// The body of an answer. The exchange is over when it is dropped.
pub(super) struct AnswerBody {
    body: AnyBody,
    _exchange: Exchange,
}

/// Why a body could not be read whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unread {
    /// It is larger than is read.
    Large,
    /// It came too slowly.
    Slow,
    /// The client stopped in the middle of it.
    Broken,
}

impl Unread {
    /// Finds the reason in an error of reading.
    pub(crate) fn of(error: &axum::Error) -> Self {
        let mut next = error.source();
        while let Some(cause) = next {
            if cause.is::<Stalled>() {
                return Self::Slow;
            }
            if cause.is::<LengthLimitError>() {
                return Self::Large;
            }
            next = cause.source();
        }
        Self::Broken
    }
}

impl RequestBody {
    pub(super) fn new(body: Incoming, limits: &Limits) -> Self {
        Self { body, sleep: None, pause: limits.body_pause, end: Instant::now() + limits.body }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.sleep = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let until = self.end.min(Instant::now() + self.pause);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(until)));
        sleep.as_mut().poll(cx).map(|()| Some(Err(Stalled.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl AnswerBody {
    pub(super) fn new(body: AnyBody, exchange: Exchange) -> Self {
        exchange.answer();
        Self { body, _exchange: exchange }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Keeps something until an answer has been taken, or nobody takes it any more: it is in memory as
/// long.
pub(crate) fn until_taken<T: Send + Unpin + 'static>(response: Response, kept: T) -> Response {
    response.map(|body| AnyBody::new(Keeping { body, _kept: kept }))
}

struct Keeping<T> {
    body: AnyBody,
    _kept: T,
}

impl<T: Unpin> Body for Keeping<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn a_turn_lasts_until_its_answer_has_been_taken() {
        let turn = Arc::new(());
        let answer = until_taken(Response::new(AnyBody::from("x")), Arc::clone(&turn)).into_body();
        assert_eq!((Arc::strong_count(&turn), answer.size_hint().exact()), (2, Some(1)));
        assert_eq!(answer.collect().await.unwrap().to_bytes(), "x");
        assert_eq!(Arc::strong_count(&turn), 1);
    }
}
