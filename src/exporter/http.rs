//! The HTTP side of a connection: one request, one answer, a deadline for each.
//!
//! Connections are closed after their answer. Scrapes are seconds apart, so nothing is gained by
//! keeping them, and an idle or slow client cannot hold a place for longer than the deadlines.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::connections::Place;
use super::guarded;
use super::site::{Body, PLAIN, Progress, Site, whole};
use crate::metrics::registry;

/// Time for the head of a request: a scraper sends it with the connection.
const HEAD: Duration = Duration::from_secs(1);
/// Time for the answer after that: clients on slow networks read hundreds of kilobytes. An endless
/// answer goes on for as long as its client reads.
const ANSWER: Duration = Duration::from_secs(10);
/// A client of an endless answer that has read nothing for this long is gone.
const STUCK: Duration = Duration::from_secs(30);
/// Largest request head; a scraper's has a few hundred bytes.
const MAX_HEAD: usize = 16 * 1024;

/// Answers the one request of a connection.
pub(crate) async fn serve<S>(stream: S, site: &dyn Site, place: &Place)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let endless: Mutex<Option<Arc<Progress>>> = Mutex::default();
    let service = service_fn(|request: Request<Incoming>| {
        let endless = &endless;
        async move {
            place.answers();
            let response = respond(request, site).await;
            *endless.lock() = response.body().progress();
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        // A client that stops sending behind its request, as `nc -N` and socat do, waits for the
        // answer all the same. Hyper would leave it without, if it sees the end in time.
        .half_close(true)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // How a client leaves, or that it was too slow, is nothing that anybody has to act upon.
    if timeout(HEAD, &mut connection).await.is_ok() || !place.is_answering() {
        return;
    }
    while timeout(ANSWER, &mut connection).await.is_err() {
        let progress = endless.lock().clone();
        if !progress.is_some_and(|progress| progress.is_moving(STUCK)) {
            return;
        }
    }
}

async fn respond(request: Request<Incoming>, site: &dyn Site) -> Response<Body> {
    let (head, _unread) = request.into_parts();
    if let Some(later) = guarded(registry(), || site.later(&head)).flatten() {
        return later.await;
    }
    guarded(registry(), || site.answer(&head)).unwrap_or_else(|| {
        whole(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, "rendering failed\n".into())
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::Shutdown;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;

    use super::super::connections::{Client, Connections};
    use super::super::pages::Pages;
    use super::*;

    #[test]
    fn a_client_that_stops_sending_is_answered() {
        let (mut client, server) = UnixStream::pair().expect("sockets");
        // Both are there before the server looks.
        client.write_all(b"GET /healthz HTTP/1.1\r\n\r\n").expect("written");
        client.shutdown(Shutdown::Write).expect("ended");
        server.set_nonblocking(true).expect("set");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let place = Arc::<Connections>::default().place(Client::User(0)).await;
            let stream = tokio::net::UnixStream::from_std(server).expect("a stream");
            serve(stream, &Pages::new(registry()), &place).await;
        });
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("read");
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nok\n"),
            "{answer}"
        );
    }
}
