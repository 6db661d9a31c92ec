//! The HTTP side of a connection: one request, one answer, a deadline for each.
//!
//! Connections are closed after their answer. Scrapes are seconds apart, so nothing is gained by
//! keeping them, and an idle or slow client cannot hold a place for longer than the deadlines.

use std::convert::Infallible;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::connections::Place;
use super::guarded;
use crate::metrics::Registry;

/// Time for the head of a request: a scraper sends it with the connection.
const HEAD: Duration = Duration::from_secs(1);
/// Time for the answer after that: clients on slow networks read hundreds of kilobytes.
const ANSWER: Duration = Duration::from_secs(10);
/// Largest request head; a scraper's has a few hundred bytes.
const MAX_HEAD: usize = 16 * 1024;
/// Content type of the exposition format 0.0.4.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

/// Answers the one request of a connection.
pub(crate) async fn serve<S>(stream: S, registry: &'static Registry, place: &Place)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(|request: Request<Incoming>| async move {
        place.answers();
        Ok::<_, Infallible>(respond(&request, registry))
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
    if timeout(HEAD, &mut connection).await.is_err() && place.is_answering() {
        let _ = timeout(ANSWER, connection).await;
    }
}

fn respond<B>(request: &Request<B>, registry: &Registry) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    if !matches!(path, "/metrics" | "/healthz") {
        return response(StatusCode::NOT_FOUND, PLAIN, "not found: try /metrics\n".into());
    }
    // The body of an answer to HEAD is left out by the server.
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refusal = response(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "GET or HEAD\n".into());
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    if path == "/healthz" {
        return response(StatusCode::OK, PLAIN, "ok\n".into());
    }
    match guarded(registry, || registry.render()) {
        Some(text) => response(StatusCode::OK, EXPOSITION, text.into()),
        None => response(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, "rendering failed\n".into()),
    }
}

fn response(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::Shutdown;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;

    use super::super::connections::{Client, Connections};
    use super::*;
    use crate::metrics::registry;

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
            serve(stream, registry(), &place).await;
        });
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("read");
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nok\n"),
            "{answer}"
        );
    }
}
