//! Ports on which metrics are served: whose else they may be.

use std::path::Path;

use mesos_command::config::Config;
use mesos_command::exporter::MetricsAddress;

use super::codes;
use super::finding::Finding;

/// Ports of an agent and of a master that name no other.
const MESOS: [u16; 2] = [5050, 5051];
/// What an agent offers to tasks unless `resources` says otherwise.
const OFFERED: (u16, u16) = (31000, 32000);
/// State of a listening socket in `/proc/net/tcp`.
const LISTENS: &str = "0A";

/// What is known of a machine's ports.
#[derive(Clone, Debug)]
pub(super) struct Ports {
    /// Those of Mesos itself.
    pub(super) own: Vec<u16>,
    /// Those that are offered to tasks: first and last.
    pub(super) offered: Vec<(u16, u16)>,
    /// Whether to look at this machine's.
    pub(super) here: bool,
}

impl Ports {
    /// From the values of `--port` and `--resources`, where they are known.
    pub(super) fn new(port: Option<&str>, resources: Option<&str>, here: bool) -> Ports {
        let own = port.and_then(|port| port.trim().parse().ok());
        let offered = resources.and_then(offered).unwrap_or_else(|| vec![OFFERED]);
        Ports { own: own.map_or_else(|| MESOS.to_vec(), |port| vec![port]), offered, here }
    }

    pub(super) fn look_at(&self, config: &Config) -> Vec<Finding> {
        let tcp = config.metrics_addresses.iter().filter_map(|address| match address {
            MetricsAddress::Tcp(address) => Some((address.port(), address.ip().is_unspecified())),
            MetricsAddress::Unix(_) => None,
        });
        let remote = config.metrics_addresses.iter().find(|address| !address.is_local());
        let page = remote.filter(|_| config.status_page).map(|address| {
            let message = format!("other machines can read the status page at {address}");
            let code = codes::PAGE_FROM_ELSEWHERE;
            Finding::warning(code, message).advice(code.advice)
        });
        let ports = tcp.flat_map(|(port, everywhere)| {
            let public = everywhere.then(|| {
                let message = format!(
                    "everybody who reaches this machine can read the metrics on port {port}"
                );
                Finding::info(codes::PORT_EVERYWHERE, message).advice(codes::PORT_EVERYWHERE.advice)
            });
            self.port(port).into_iter().chain(public).collect::<Vec<_>>()
        });
        ports.chain(page).collect()
    }

    fn port(&self, port: u16) -> Option<Finding> {
        let within = |(first, last): (u16, u16)| (first..=last).contains(&port);
        if self.own.contains(&port) {
            let message = format!("port {port} is that of Mesos itself");
            return Some(
                Finding::error(codes::PORT_OF_MESOS, message).advice("choose another port"),
            );
        }
        if let Some((first, last)) = self.offered.iter().copied().find(|range| within(*range)) {
            let message =
                format!("port {port} is among those that are offered to tasks ({first} to {last})");
            return Some(
                Finding::warning(codes::PORT_OFFERED, message)
                    .advice("choose a port outside of them"),
            );
        }
        if !self.here {
            return None;
        }
        if let Some((first, last)) = ephemeral(port) {
            let message = format!(
                "the kernel gives port {port} to outgoing connections too ({first} to {last})"
            );
            let code = codes::PORT_EPHEMERAL;
            return Some(Finding::warning(code, message).advice(code.advice));
        }
        is_taken(port).then(|| {
            let message = format!("something listens on port {port} now");
            Finding::info(codes::PORT_TAKEN, message).advice(codes::PORT_TAKEN.advice)
        })
    }
}

/// The ranges in `cpus:4;ports:[21000-24000,30000-34000]`; `None` where none can be read there.
fn offered(resources: &str) -> Option<Vec<(u16, u16)>> {
    let list = resources.split(';').find_map(|one| {
        let (name, value) = one.split_once(':')?;
        // A role may follow the name.
        (name.split('(').next()?.trim() == "ports").then_some(value)
    })?;
    let range = |text: &str| {
        let (first, last) = text.trim().split_once('-')?;
        Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
    };
    list.trim().trim_matches(['[', ']']).split(',').map(range).collect()
}

/// The range of outgoing connections, if the port is in it and not reserved.
fn ephemeral(port: u16) -> Option<(u16, u16)> {
    let read = |name: &str| {
        std::fs::read_to_string(Path::new("/proc/sys/net/ipv4").join(name)).unwrap_or_default()
    };
    let text = read("ip_local_port_range");
    let mut numbers = text.split_whitespace().filter_map(|word| word.parse().ok());
    let range = (numbers.next()?, numbers.next()?);
    let is_reserved = read("ip_local_reserved_ports").trim().split(',').any(|one| {
        let (first, last) = one.split_once('-').unwrap_or((one, one));
        first
            .parse()
            .is_ok_and(|first: u16| last.parse().is_ok_and(|last| (first..=last).contains(&port)))
    });
    ((range.0..=range.1).contains(&port) && !is_reserved).then_some(range)
}

/// Whether a socket listens on the port, on whatever address.
fn is_taken(port: u16) -> bool {
    let end = format!(":{port:04X}");
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().any(|file| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.lines().skip(1).any(|line| {
            let words: Vec<&str> = line.split_whitespace().take(4).collect();
            words.get(1).is_some_and(|it| it.ends_with(&end)) && words.get(3) == Some(&LISTENS)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_ports_are_read_as_mesos_writes_them() {
        let text = "cpus:4;mem(role):16;ports(role):[21000-24000, 30000-34000]";
        assert_eq!(offered(text), Some(vec![(21000, 24000), (30000, 34000)]));
        assert_eq!(offered("cpus:4"), None);
        assert_eq!(offered("[{\"name\":\"ports\"}]"), None);
        let ports = Ports::new(Some("6051"), Some("ports:[1-2]"), false);
        assert_eq!((ports.own, ports.offered), (vec![6051], vec![(1, 2)]));
    }

    #[test]
    fn a_listener_is_seen() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        assert!(is_taken(port));
    }
}
