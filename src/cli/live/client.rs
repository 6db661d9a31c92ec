//! The way to the control socket of a running agent or master, and one request over it.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mesos_command::control::DEFAULT_DIRECTORY;
use serde_json::Value;

use crate::table::plain;

/// How long an answer may take: it is made at once, from memory.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer that is read, in bytes.
const MOST_BYTES: u64 = 256 << 20;

/// Which agent is asked.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Agent {
    /// Ask the process with this number; needed when several agents or masters with a control
    /// socket run here
    #[arg(long, conflicts_with = "socket")]
    pid: Option<u32>,
    /// Ask at this control socket, which `control_socket` in the modules file names
    #[arg(long)]
    socket: Option<PathBuf>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// Nobody could be asked.
    Nobody(String),
    /// The agent refuses.
    Refused(String),
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoAnswer::Nobody(text) | NoAnswer::Refused(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for NoAnswer {}

fn nobody(text: impl Into<String>) -> NoAnswer {
    NoAnswer::Nobody(text.into())
}

/// A control socket that somebody listens on.
#[derive(Debug)]
pub(crate) struct Socket {
    path: PathBuf,
}

impl Agent {
    /// The socket of the agent that is meant.
    pub(crate) fn find(&self) -> Result<Socket, NoAnswer> {
        if let Some(path) = &self.socket {
            return Ok(Socket { path: path.clone() });
        }
        let directory = Path::new(DEFAULT_DIRECTORY);
        if let Some(pid) = self.pid {
            return Ok(Socket { path: directory.join(format!("{pid}.sock")) });
        }
        let mut found = living(directory)?;
        match found.len() {
            1 => Ok(found.remove(0)),
            0 => Err(nobody(format!(
                "no agent or master with a control socket was found in {DEFAULT_DIRECTORY}: either \
                 none runs here, or its modules file has another `control_socket`, which --socket \
                 names"
            ))),
            _ => {
                let all: Vec<String> = found.iter().map(Socket::describe).collect();
                Err(nobody(format!(
                    "several processes have a control socket: {}; --pid says which one is meant",
                    all.join(", ")
                )))
            }
        }
    }
}

/// The sockets of a directory that somebody listens on.
fn living(directory: &Path) -> Result<Vec<Socket>, NoAnswer> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let text = format!("{DEFAULT_DIRECTORY} is for root and the agent's user: {error}");
            return Err(nobody(text));
        }
        Err(error) => return Err(nobody(format!("{DEFAULT_DIRECTORY}: {error}"))),
    };
    let paths = entries.flatten().map(|entry| entry.path());
    let mut sockets: Vec<Socket> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "sock"))
        .filter(|path| UnixStream::connect(path).is_ok())
        .map(|path| Socket { path })
        .collect();
    sockets.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sockets)
}

impl Socket {
    /// `1234 (mesos-agent)`.
    fn describe(&self) -> String {
        let pid = self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let program = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        format!("{pid} ({})", plain(program.trim()))
    }

    /// Asks, and reads the answer.
    pub(crate) fn ask(&self, method: &str, path: &str) -> Result<Value, NoAnswer> {
        let (status, text) = self.exchange(method, path)?;
        let value: Value = serde_json::from_str(&text)
            .map_err(|error| nobody(format!("'{}' answers no JSON: {error}", self.shown())))?;
        match (status, value["error"].as_str()) {
            (200, _) => Ok(value),
            (_, Some(error)) => Err(NoAnswer::Refused(plain(error).into_owned())),
            (status, None) => Err(NoAnswer::Refused(format!("the answer has status {status}"))),
        }
    }

    /// Asks for what is no JSON.
    pub(crate) fn text(&self, path: &str) -> Result<String, NoAnswer> {
        match self.exchange("GET", path)? {
            (200, text) => Ok(text),
            (status, _) => Err(NoAnswer::Refused(format!(
                "the answer to {path} has status {status}: the module in the agent may be older \
                 than this program"
            ))),
        }
    }

    fn exchange(&self, method: &str, path: &str) -> Result<(u16, String), NoAnswer> {
        let mut answer = self.begin(method, path, Some(PATIENCE))?;
        let mut text = String::new();
        let read = (&mut answer.body).take(MOST_BYTES).read_to_string(&mut text);
        read.map_err(|error| self.no(&error))?;
        Ok((answer.status, text))
    }

    /// Sends a request and reads the head of its answer.
    pub(crate) fn begin(
        &self,
        method: &str,
        path: &str,
        patience: Option<Duration>,
    ) -> Result<Begun, NoAnswer> {
        let mut stream = UnixStream::connect(&self.path).map_err(|error| self.no(&error))?;
        let mut begin = || -> io::Result<Begun> {
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            // Of version 1.0: its answer ends with the connection, and comes in no chunks.
            stream.write_all(format!("{method} {path} HTTP/1.0\r\n\r\n").as_bytes())?;
            let mut body = BufReader::new(stream.try_clone()?);
            let mut line = String::new();
            body.read_line(&mut line)?;
            let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
            let status = status.ok_or_else(|| io::Error::other("this is no HTTP"))?;
            while !line.trim_end().is_empty() {
                line.clear();
                body.read_line(&mut line)?;
            }
            stream.set_read_timeout(patience)?;
            Ok(Begun { status, body })
        };
        begin().map_err(|error| self.no(&error))
    }

    fn shown(&self) -> std::path::Display<'_> {
        self.path.display()
    }

    pub(super) fn no(&self, error: &io::Error) -> NoAnswer {
        let why = match error.kind() {
            io::ErrorKind::NotFound => "there is no such socket".to_owned(),
            io::ErrorKind::ConnectionRefused => "nobody listens on it any more".to_owned(),
            io::ErrorKind::PermissionDenied => {
                format!("it is for root and the agent's user ({error})")
            }
            io::ErrorKind::WouldBlock => "it does not answer in time".to_owned(),
            io::ErrorKind::UnexpectedEof => "it closes the connection".to_owned(),
            _ => error.to_string(),
        };
        nobody(format!("'{}' cannot be asked: {why}", self.shown()))
    }
}

/// An answer whose body is still to be read.
pub(crate) struct Begun {
    pub(crate) status: u16,
    pub(crate) body: BufReader<UnixStream>,
}

/// A value in a query.
pub(crate) fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let mut encoded = String::new();
    for byte in text.bytes() {
        if plain(byte) {
            encoded.push(char::from(byte));
        } else {
            encoded += &format!("%{byte:02X}");
        }
    }
    encoded
}

/// `path?key=value&…` of what is given.
pub(crate) fn query(path: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let given = parameters.iter().filter_map(|(key, value)| {
        let value = (*value)?;
        Some(format!("{key}={}", encode(value)))
    });
    let given: Vec<String> = given.collect();
    if given.is_empty() { path.to_owned() } else { format!("{path}?{}", given.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_encoded() {
        assert_eq!(query("/v1/calls", &[("module", None)]), "/v1/calls");
        let some = [("module", Some("a b/ü")), ("x", None), ("debug", Some("true"))];
        assert_eq!(query("/p", &some), "/p?module=a%20b%2F%C3%BC&debug=true");
    }
}
