//! What a listener serves, and the bodies of its answers.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::Response;
use hyper::StatusCode;
use hyper::body::{Bytes, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use parking_lot::Mutex;

use super::connections::Client;

/// Content type of plain text.
pub(crate) const PLAIN: &str = "text/plain; charset=utf-8";

/// What is behind a listener. A panic in it is counted and answered with status 500.
pub(crate) trait Site: Send + Sync + 'static {
    /// What is served, in the plural, for log lines.
    fn name(&self) -> &'static str;

    /// Whether somebody who has connected may ask at all.
    fn admits(&self, _client: Client) -> bool {
        true
    }

    /// The answer to a request of this head. The body of the request is never read. On the thread
    /// of the listeners: it must not block.
    fn answer(&self, head: &Parts) -> Response<Body>;

    /// An answer that takes time, which somebody else works on; `None`: [`answer`](Site::answer)
    /// has one. Both deadlines of a connection hold for it.
    fn later(&self, _head: &Parts) -> Option<Later> {
        None
    }
}

/// An answer that is not there yet.
pub(crate) type Later = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// Where a body comes from that has no end of its own.
pub(crate) trait Source: Send {
    /// The next piece of it; `None` ends it.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>>;
}

/// Whether the client of an endless body still takes what it gets.
#[derive(Debug)]
pub(crate) struct Progress(Mutex<Instant>);

impl Progress {
    /// Whether the connection had room for another piece within `patience`.
    pub(super) fn is_moving(&self, patience: Duration) -> bool {
        self.0.lock().elapsed() < patience
    }
}

/// The body of an answer.
pub(crate) enum Body {
    /// All of it; nothing once it was sent.
    Whole(Bytes),
    /// A piece after the other. The source must have one now and then, or its client is taken for
    /// one that has stopped reading.
    Endless(Box<dyn Source>, Arc<Progress>),
}

impl Body {
    /// What `source` gives, until it ends.
    pub(crate) fn endless(source: Box<dyn Source>) -> Body {
        Body::Endless(source, Arc::new(Progress(Mutex::new(Instant::now()))))
    }

    pub(super) fn progress(&self) -> Option<Arc<Progress>> {
        match self {
            Body::Whole(_) => None,
            Body::Endless(_, progress) => Some(progress.clone()),
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Body::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Body::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Body::Endless(source, progress) => {
                *progress.0.lock() = Instant::now();
                source.poll_next(context).map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Body::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Body::Endless(..) => SizeHint::default(),
        }
    }
}

/// An answer that is whole.
pub(crate) fn whole(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Body> {
    with_body(status, content_type, Body::Whole(body))
}

/// An answer with any body.
pub(crate) fn with_body(
    status: StatusCode,
    content_type: &'static str,
    body: Body,
) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
