//! Helpers of the tests: HTTP by hand, waiting, external tools.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Command, Output};

use mesos_command::exporter::MetricsAddress;
pub(crate) use test_support::{PATIENCE, own_process, skip_offline, until, wait_for};

/// An answer over HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Sends one request; `None` when nobody listens or the connection breaks.
pub(crate) fn request(address: &MetricsAddress, method: &str, path: &str) -> Option<Answer> {
    let text = format!("{method} {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut answer = String::new();
    match address {
        MetricsAddress::Tcp(address) => {
            let stream = TcpStream::connect(address).ok()?;
            stream.set_read_timeout(Some(PATIENCE)).ok()?;
            exchange(stream, &text, &mut answer)?;
        }
        MetricsAddress::Unix(path) => {
            let stream = UnixStream::connect(path).ok()?;
            stream.set_read_timeout(Some(PATIENCE)).ok()?;
            exchange(stream, &text, &mut answer)?;
        }
    }
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some(Answer {
        status: head.split(' ').nth(1)?.parse().ok()?,
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
    })
}

/// Sends a request and reads until the server closes the connection.
fn exchange<S: Read + Write>(mut stream: S, text: &str, answer: &mut String) -> Option<()> {
    stream.write_all(text.as_bytes()).ok()?;
    stream.read_to_string(answer).ok()?;
    Some(())
}

/// Waits until `address` answers a scrape.
pub(crate) fn scrape(address: &MetricsAddress) -> Answer {
    wait_for(&format!("metrics at {address}"), || request(address, "GET", "/metrics"))
}

/// A loopback address that was free a moment ago.
pub(crate) fn free_address() -> MetricsAddress {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address: SocketAddr = listener.local_addr().expect("bound");
    MetricsAddress::Tcp(address)
}

pub(crate) use test_support::repository;

/// Whether `tool` can be executed. When it cannot, the test is reported as skipped if
/// `ALLOW_OFFLINE=1`, and fails otherwise.
pub(crate) fn have(tool: &str, test: &str) -> bool {
    match Command::new(tool).arg("--version").output() {
        Ok(_) => true,
        Err(error) => {
            skip_offline(test, &format!("{tool} cannot be executed: {error}"));
            false
        }
    }
}

/// Runs a tool to its end, optionally with input.
pub(crate) fn run(command: &mut Command, input: Option<&str>) -> Output {
    use std::process::Stdio;
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    let mut child = command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    if let Some(input) = input {
        let mut stdin = child.stdin.take().expect("piped");
        // A tool that refuses its input early shows that in its status.
        let _ = stdin.write_all(input.as_bytes());
    }
    child.wait_with_output().expect("waited for")
}

/// stdout and stderr of a tool, for messages.
pub(crate) fn both(output: &Output) -> String {
    format!(
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
