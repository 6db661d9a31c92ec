//! Where metrics go: the values of `metrics_address` and `metrics_textfile`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

/// Longest path of a Unix socket: `sun_path` has 108 bytes with its terminator (unix(7)).
const UNIX_PATH_MAX: usize = 107;

/// What a listener is bound to: a value of `metrics_address`.
///
/// Accepted are `IPv4:PORT`, `[IPv6]:PORT`, `unix:/absolute/path`, and a bare `PORT` (or `:PORT`),
/// which means `127.0.0.1:PORT`: metrics leave the machine only when an address says so.
/// `0.0.0.0` means all IPv4 addresses of the machine, `[::]` all IPv6 ones and no others. Names
/// are not accepted: resolving one could hold the agent up for as long as its resolver likes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MetricsAddress {
    /// A TCP address.
    Tcp(SocketAddr),
    /// The path of a Unix stream socket.
    Unix(PathBuf),
}

/// Why a value of `metrics_address` is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{problem}; accepted are an IP address with a port (127.0.0.1:9464, [::1]:9464), a port alone \
     (9464, on 127.0.0.1) and unix:/absolute/path"
)]
pub struct AddressError {
    problem: &'static str,
}

impl MetricsAddress {
    /// Whether only this machine can connect.
    pub fn is_local(&self) -> bool {
        match self {
            MetricsAddress::Tcp(address) => address.ip().is_loopback(),
            MetricsAddress::Unix(_) => true,
        }
    }

    /// Whether a listener at this address gets the connections to `other` too.
    pub(crate) fn includes(&self, other: &MetricsAddress) -> bool {
        match (self, other) {
            (MetricsAddress::Tcp(all), MetricsAddress::Tcp(one)) => {
                all.ip().is_unspecified()
                    && all.port() == one.port()
                    && all.is_ipv4() == one.is_ipv4()
            }
            _ => self == other,
        }
    }

    fn parse(text: &str) -> Result<MetricsAddress, &'static str> {
        if let Some(path) = text.strip_prefix("unix:") {
            return parse_unix(path);
        }
        let address = match text.parse::<SocketAddr>() {
            Ok(address) => address,
            Err(_) => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), parse_port(text)?),
        };
        if address.port() == 0 {
            return Err("the port must be 1 to 65535");
        }
        // An IPv4 address in IPv6 clothes is the same listener.
        let address = match address.ip().to_canonical() {
            ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
            IpAddr::V6(_) => address,
        };
        Ok(MetricsAddress::Tcp(address))
    }
}

fn parse_unix(path: &str) -> Result<MetricsAddress, &'static str> {
    socket_path(path).map(MetricsAddress::Unix)
}

/// The path of a Unix socket.
pub(crate) fn socket_path(path: &str) -> Result<PathBuf, &'static str> {
    if path.len() > UNIX_PATH_MAX {
        return Err("the path of a Unix socket can have 107 bytes at most");
    }
    checked_path(path)
}

/// The port of `PORT` or `:PORT`; otherwise what is wrong with `text`.
fn parse_port(text: &str) -> Result<u16, &'static str> {
    let digits = text.strip_prefix(':').unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return digits.parse().map_err(|_| "the port must be 1 to 65535");
    }
    if text.is_empty() {
        return Err("the address is empty");
    }
    if text.parse::<IpAddr>().is_ok() {
        return Err("the port is missing");
    }
    if text.starts_with('/') {
        return Err("a socket's path needs unix: before it");
    }
    if text.contains("://") {
        return Err("the address must be without a scheme");
    }
    match text.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => {
            if host.contains(':') {
                return Err("an IPv6 address needs brackets");
            }
            Err("names are not resolved")
        }
        _ => Err("this is no address"),
    }
}

/// An absolute path that names a file and does not wander.
fn checked_path(text: &str) -> Result<PathBuf, &'static str> {
    let path = Path::new(text);
    if !path.is_absolute() {
        return Err("the path must be absolute");
    }
    if text.bytes().any(|byte| byte == 0) {
        return Err("the path contains a zero byte");
    }
    if text.ends_with('/') || path.components().any(|part| part == Component::ParentDir) {
        return Err("the path must name a file and be without ..");
    }
    if path.file_name().is_none() {
        return Err("the path must name a file");
    }
    Ok(path.to_owned())
}

impl FromStr for MetricsAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<MetricsAddress, AddressError> {
        MetricsAddress::parse(text).map_err(|problem| AddressError { problem })
    }
}

impl std::fmt::Display for MetricsAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            MetricsAddress::Tcp(address) => address.fmt(f),
            MetricsAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The file that metrics are written to for the textfile collector of node_exporter: a value of
/// `metrics_textfile`. An absolute path that ends in `.prom`, the only files the collector reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TextfilePath(PathBuf);

/// Why a value of `metrics_textfile` is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; accepted is an absolute path that ends in .prom")]
pub struct TextfileError {
    problem: &'static str,
}

impl TextfilePath {
    /// The path.
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl FromStr for TextfilePath {
    type Err = TextfileError;

    fn from_str(text: &str) -> Result<TextfilePath, TextfileError> {
        let path = checked_path(text).map_err(|problem| TextfileError { problem })?;
        if path.extension().is_none_or(|extension| extension != "prom") {
            return Err(TextfileError { problem: "the textfile collector reads *.prom alone" });
        }
        Ok(TextfilePath(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn accepted_addresses() {
        for (text, written, local) in [
            ("127.0.0.1:9464", "127.0.0.1:9464", true),
            ("[::1]:9464", "[::1]:9464", true),
            ("9464", "127.0.0.1:9464", true),
            (":9464", "127.0.0.1:9464", true),
            ("0.0.0.0:9464", "0.0.0.0:9464", false),
            ("[::]:9464", "[::]:9464", false),
            ("[::ffff:127.0.0.1]:1", "127.0.0.1:1", true),
            ("10.1.2.3:65535", "10.1.2.3:65535", false),
            ("unix:/run/m.sock", "unix:/run/m.sock", true),
        ] {
            let address: MetricsAddress = text.parse().expect(text);
            assert_eq!(address.to_string(), written);
            assert_eq!(address.is_local(), local, "{text}");
            assert_eq!(address.to_string().parse(), Ok(address));
        }
    }

    #[test]
    fn all_addresses_of_a_family_include_each_of_it() {
        let includes = |all: &str, one: &str| {
            let parse = |text: &str| text.parse::<MetricsAddress>().expect(text);
            parse(all).includes(&parse(one))
        };
        assert!(includes("0.0.0.0:1", "127.0.0.1:1") && includes("[::]:1", "[::1]:1"));
        assert!(includes("unix:/a", "unix:/a"));
        for (all, one) in [
            ("0.0.0.0:1", "127.0.0.1:2"),
            ("0.0.0.0:1", "[::1]:1"),
            ("[::]:1", "0.0.0.0:1"),
            ("127.0.0.1:1", "0.0.0.0:1"),
            ("0.0.0.0:1", "unix:/a"),
        ] {
            assert!(!includes(all, one), "{all} {one}");
        }
    }

    #[test]
    fn refused_addresses_are_told_why() {
        let long = format!("unix:/{}", "x".repeat(107));
        for (text, problem) in [
            ("", "empty"),
            ("localhost:9464", "not resolved"),
            ("127.0.0.1", "port is missing"),
            ("::1", "port is missing"),
            ("::1:9464x", "no address"),
            ("fe80::1%eth0:9464", "brackets"),
            ("0", "1 to 65535"),
            ("127.0.0.1:0", "1 to 65535"),
            ("65536", "1 to 65535"),
            ("/run/m.sock", "unix: before it"),
            ("unix:run/m.sock", "absolute"),
            ("unix:/", "name a file"),
            ("unix:/run/", "name a file"),
            ("unix:/run/../m", "without .."),
            ("unix:/a\0b", "zero byte"),
            ("http://127.0.0.1:1", "without a scheme"),
            (long.as_str(), "107 bytes"),
        ] {
            let error = text.parse::<MetricsAddress>().expect_err(text).to_string();
            assert!(error.contains(problem), "{text}: {error}");
            assert!(error.contains("accepted are"), "{error}");
        }
    }

    #[test]
    fn textfiles_are_absolute_and_end_in_prom() {
        let text = "/var/lib/node_exporter/mesos-command.prom";
        let path: TextfilePath = text.parse().expect(text);
        assert_eq!(path.as_path(), Path::new(text));
        for text in ["", "m.prom", "/m.txt", "/.prom", "/a/../m.prom", "/dir.prom/"] {
            assert!(text.parse::<TextfilePath>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,40}") {
            let _ = text.parse::<MetricsAddress>();
            let _ = text.parse::<TextfilePath>();
        }
    }
}
