//! Requests to the listeners of the metrics, and the same to the control socket.
//!
//! Input: a character whose number is the size of the pieces in which the rest comes; the rest is
//! what a client sends before it stops sending.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use mesos_command::fuzz::{serve, serve_control};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::{Builder, Runtime};

use super::head;

/// Above this the head of a request may be too long, and that depends on the pieces.
const SHORT: usize = 8192;
/// What the server may say of a request.
const STATUSES: [u16; 11] = [200, 400, 404, 405, 408, 411, 413, 414, 421, 431, 505];

/// Sends the request in one piece and in many.
pub fn run(data: &[u8]) {
    let Some(([size], request)) = head(data) else { return };
    let whole = status(request, &answer(&[request], Site::Metrics));
    let pieces: Vec<&[u8]> = request.chunks(usize::from(size).max(1)).collect();
    let split = status(request, &answer(&pieces, Site::Metrics));
    status(request, &answer(&[request], Site::Control));
    // How one that is not understood is refused depends on how much of it was there.
    let understood = |status| matches!(status, Some(200 | 404 | 405 | 421));
    if request.len() <= SHORT && (understood(whole) || understood(split)) {
        assert_eq!(whole, split, "in one piece and in several");
    }
    if request.starts_with(b"GET /healthz HTTP/1.1\r\n\r\n") {
        assert_eq!(whole, Some(200));
    }
    if whole == Some(200) {
        let head = String::from_utf8_lossy(request);
        let line = head.trim_start_matches(['\r', '\n']).lines().next().unwrap_or_default();
        assert!(line.starts_with("GET ") || line.starts_with("HEAD "), "{line:?}");
        // `/` stands in every line with a version.
        assert!(line.contains('/'), "{line:?}");
    }
}

/// The status of the one answer, of which everything is as it has to be; `None` without one.
fn status(request: &[u8], answer: &[u8]) -> Option<u16> {
    if answer.is_empty() {
        return None;
    }
    let end = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
    let head = std::str::from_utf8(&answer[..end]).unwrap();
    let body = &answer[end + 4..];
    let (first, fields) = head.split_once("\r\n").unwrap();
    assert!(first.starts_with("HTTP/1.1 ") || first.starts_with("HTTP/1.0 "), "{first}");
    let status: u16 = first[9..12].parse().unwrap();
    assert!(STATUSES.contains(&status), "{first}");
    let field = |name: &str| {
        let mut found = fields.lines().filter_map(|line| line.split_once(": "));
        found.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    };
    let length: usize = field("content-length").unwrap().parse().unwrap();
    let is_head = request.trim_ascii_start().starts_with(b"HEAD ");
    assert!(body.len() == length || (is_head && body.is_empty()), "{length}, not {}", body.len());
    assert_eq!(status == 405, field("allow").is_some());
    Some(status)
}

/// Who is asked.
enum Site {
    Metrics,
    Control,
}

fn answer(pieces: &[&[u8]], site: Site) -> Vec<u8> {
    thread_local! {
        static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().unwrap();
    }
    let answer = Arc::<Mutex<Vec<u8>>>::default();
    let pieces = pieces.iter().map(|piece| piece.to_vec()).collect();
    let client = Client { pieces, answer: answer.clone() };
    RUNTIME.with(|runtime| match site {
        Site::Metrics => runtime.block_on(serve(client)),
        Site::Control => runtime.block_on(serve_control(client)),
    });
    let answer = answer.lock().unwrap();
    answer.clone()
}

/// Sends its pieces, stops sending, and takes everything.
struct Client {
    pieces: VecDeque<Vec<u8>>,
    answer: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Client {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(mut piece) = self.pieces.pop_front() {
            let rest = piece.split_off(piece.len().min(buffer.remaining()));
            buffer.put_slice(&piece);
            if !rest.is_empty() {
                self.pieces.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Client {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.answer.lock().unwrap().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
