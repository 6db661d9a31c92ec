//! As much of an HTTP client as Mesos's own API needs: one request per connection, answers with a
//! length or in chunks, and Mesos's records (a length in decimal, a newline, the bytes) in them.

use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// An answer, or a record of a stream, larger than this is an error.
const LIMIT: u64 = 64 << 20;

/// An answer whose body has not been read.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    body: Box<dyn BufRead + Send>,
}

/// Sends a JSON object.
pub(crate) fn post(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: &Value,
) -> anyhow::Result<Answer> {
    request(address, "POST", path, headers, Some(body))
}

/// Asks for a resource.
pub(crate) fn get(address: SocketAddr, path: &str) -> anyhow::Result<Answer> {
    request(address, "GET", path, &[], None)
}

fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> anyhow::Result<Answer> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n");
    head.push_str("Accept: application/json\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if method == "POST" {
        let length = body.len();
        head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"));
    }
    head.push_str("\r\n");
    let mut stream = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT)
        .with_context(|| format!("failed to connect to {address}"))?;
    stream.set_nodelay(true)?;
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    read_head(BufReader::new(stream))
}

fn read_head(mut reader: BufReader<TcpStream>) -> anyhow::Result<Answer> {
    let first = line(&mut reader)?;
    let status = first
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .with_context(|| format!("not an HTTP answer: {first:?}"))?;
    let mut headers = Vec::new();
    loop {
        let text = line(&mut reader)?;
        if text.is_empty() {
            break;
        }
        if let Some((name, value)) = text.split_once(':') {
            headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    let find = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|it| &it.1);
    let body: Box<dyn BufRead + Send> = if find("transfer-encoding").is_some() {
        Box::new(BufReader::new(Chunks { reader, left: 0, ended: false }))
    } else if let Some(length) = find("content-length") {
        Box::new(reader.take(length.parse()?))
    } else {
        Box::new(reader)
    };
    Ok(Answer { status, headers, body })
}

fn line(reader: &mut impl BufRead) -> std::io::Result<String> {
    let mut text = String::new();
    if reader.take(65_536).read_line(&mut text)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// A body in chunks.
struct Chunks<R> {
    reader: R,
    left: u64,
    ended: bool,
}

impl<R: BufRead> Read for Chunks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 && !self.ended {
            let text = line(&mut self.reader)?;
            self.left = u64::from_str_radix(text.trim(), 16)
                .map_err(|_| std::io::Error::other(format!("not a chunk length: {text:?}")))?;
            self.ended = self.left == 0;
        }
        if self.ended {
            return Ok(0);
        }
        let count = (&mut self.reader).take(self.left).read(buffer)?;
        if count == 0 && !buffer.is_empty() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        if self.left == 0 {
            line(&mut self.reader)?;
        }
        Ok(count)
    }
}

impl Answer {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    /// The whole body as text; an error for any other status than 2xx.
    pub(crate) fn text(mut self) -> anyhow::Result<String> {
        let mut bytes = Vec::new();
        (&mut self.body).take(LIMIT).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if !(200..300).contains(&self.status) {
            bail!("HTTP {}: {text}", self.status);
        }
        Ok(text)
    }

    /// The whole body as JSON.
    pub(crate) fn json(self) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.text()?)?)
    }

    /// The next record of a stream, `None` at its end.
    pub(crate) fn record(&mut self) -> anyhow::Result<Option<Value>> {
        let mut length = Vec::new();
        (&mut self.body).take(20).read_until(b'\n', &mut length)?;
        if length.is_empty() {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&length);
        let length: u64 = text.trim().parse().with_context(|| format!("no length: {text:?}"))?;
        anyhow::ensure!(length <= LIMIT, "a record of {length} bytes");
        let mut bytes = Vec::new();
        (&mut self.body).take(length).read_to_end(&mut bytes)?;
        anyhow::ensure!(bytes.len() as u64 == length, "the stream ended inside a record");
        Ok(Some(serde_json::from_slice(&bytes)?))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn chunks(text: &str) -> Box<dyn BufRead + Send> {
        let reader = Cursor::new(text.as_bytes().to_vec());
        Box::new(BufReader::new(Chunks { reader, left: 0, ended: false }))
    }

    #[test]
    fn records_may_lie_across_chunks() {
        let body = chunks("4\r\n7\n{\"\r\n5\r\na\":1}\r\n3\r\n2\n{\r\n1\r\n}\r\n0\r\n\r\n");
        let mut answer = Answer { status: 200, headers: Vec::new(), body };
        assert_eq!(answer.record().unwrap(), Some(serde_json::json!({"a": 1})));
        assert_eq!(answer.record().unwrap(), Some(serde_json::json!({})));
        assert_eq!(answer.record().unwrap(), None);
    }

    #[test]
    fn a_stream_cut_off_inside_a_record_is_an_error() {
        let mut answer =
            Answer { status: 200, headers: Vec::new(), body: chunks("4\r\n7\n{\"\r\n") };
        assert!(answer.record().is_err());
        let answer =
            Answer { status: 503, headers: Vec::new(), body: chunks("2\r\nno\r\n0\r\n\r\n") };
        assert!(answer.text().unwrap_err().to_string().contains("503"));
    }
}
