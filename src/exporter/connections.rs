//! The connections of one listener: whose they are, and which one has to go for a new one.
//!
//! A listener takes every connection, and never has more than [`MOST`]. One more takes the place
//! of a connection of the client that has most, so a client that floods the listener gets in the
//! way of nobody but itself; and within a client, of the oldest that has not sent anything yet, so
//! that whoever asks is answered even from the same address. This also holds when all are busy:
//! there is no limit that `/healthz` would have to wait for.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::task::{AbortHandle, yield_now};
use tokio::time::sleep;

/// Connections of a listener at a time.
pub(super) const MOST: usize = 32;
/// How long a connection may say nothing before it can be dropped for another one: it was accepted
/// a moment ago, and its request may not have been looked at. So at most 1,280 connections a second
/// are taken from a flood, and what waits in the kernel behind 1,024 others is served in a second.
const SILENCE: Duration = Duration::from_millis(25);
/// How long an answer may take before it can be dropped for another one.
const ANSWER: Duration = Duration::from_secs(1);
/// Pause between two looks for a place.
const PAUSE: Duration = Duration::from_millis(5);

/// The peer, as far as it can be identified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// An IPv4 address, or the network of an IPv6 one: a machine has 2^64 of them.
    Machine(IpAddr),
    /// A user of this machine, over a Unix socket.
    User(u32),
}

impl Client {
    pub(super) fn of_address(address: IpAddr) -> Client {
        Client::Machine(match address.to_canonical() {
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

#[derive(Debug)]
struct Connection {
    client: Client,
    /// When it was accepted, or when its request was understood.
    since: Instant,
    answering: bool,
    /// Ends its task; not there before the task is, nor when it has been asked to end.
    abort: Option<AbortHandle>,
}

impl Connection {
    /// Whether it may be dropped at `now`.
    fn may_go(&self, now: Instant) -> bool {
        let least = if self.answering { ANSWER } else { SILENCE };
        self.abort.is_some() && now.saturating_duration_since(self.since) >= least
    }
}

/// All of one listener.
#[derive(Debug, Default)]
pub(crate) struct Connections(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    next: u64,
    all: HashMap<u64, Connection>,
}

/// The place of a connection, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    connections: Arc<Connections>,
    number: u64,
}

impl Connections {
    /// A place for a connection of `client`. Waits a moment, or for one that gives way.
    pub(crate) async fn place(self: &Arc<Self>, client: Client) -> Place {
        loop {
            let taken = self.0.lock().take(client, Instant::now());
            match taken {
                Taken::Free(number) => return Place { connections: self.clone(), number },
                // Its place is free when its task has seen that it is to end.
                Taken::Drop(abort) => {
                    abort.abort();
                    yield_now().await;
                }
                Taken::None => sleep(PAUSE).await,
            }
        }
    }

    /// What ends the task of the connection with this number.
    pub(super) fn can_be_ended_by(&self, number: u64, abort: AbortHandle) {
        self.with(number, |connection| connection.abort = Some(abort));
    }

    fn with(&self, number: u64, change: impl FnOnce(&mut Connection)) {
        if let Some(connection) = self.0.lock().all.get_mut(&number) {
            change(connection);
        }
    }
}

impl Place {
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Its request was understood.
    pub(super) fn answers(&self) {
        self.connections.with(self.number, |connection| {
            connection.answering = true;
            connection.since = Instant::now();
        });
    }

    /// Whether its request was understood.
    pub(super) fn is_answering(&self) -> bool {
        let table = self.connections.0.lock();
        table.all.get(&self.number).is_some_and(|connection| connection.answering)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.0.lock().all.remove(&self.number);
    }
}

enum Taken {
    Free(u64),
    Drop(AbortHandle),
    None,
}

impl Table {
    fn take(&mut self, client: Client, now: Instant) -> Taken {
        if self.all.len() >= MOST {
            return self.victim(client, now).map_or(Taken::None, Taken::Drop);
        }
        let number = self.next;
        self.next += 1;
        let new = Connection { client, since: now, answering: false, abort: None };
        self.all.insert(number, new);
        Taken::Free(number)
    }

    /// Which one gives way to a connection of `client`: one of the client that has most, but of
    /// none that has fewer than `client` itself; the oldest silent one before the oldest busy one.
    fn victim(&mut self, client: Client, now: Instant) -> Option<AbortHandle> {
        let mut shares: HashMap<Client, usize> = HashMap::from([(client, 1)]);
        for connection in self.all.values() {
            *shares.entry(connection.client).or_default() += 1;
        }
        let own = shares[&client];
        let candidates = self.all.values_mut().filter(|connection| {
            let share = shares[&connection.client];
            connection.may_go(now) && (share >= own || connection.client == client)
        });
        let victim = candidates.min_by_key(|connection| {
            let share = shares[&connection.client];
            (std::cmp::Reverse(share), connection.answering, connection.since)
        });
        victim.and_then(|connection| connection.abort.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: Client = Client::User(0);

    /// A table with `connections`: whose, whether answering, how many milliseconds old.
    fn table(
        runtime: &tokio::runtime::Runtime,
        connections: &[(Client, bool, u64)],
        now: Instant,
    ) -> (Table, Vec<tokio::task::JoinHandle<()>>) {
        let tasks: Vec<_> =
            connections.iter().map(|_| runtime.spawn(std::future::pending())).collect();
        let mut table = Table::default();
        for (index, (client, answering, age)) in connections.iter().enumerate() {
            let connection = Connection {
                client: *client,
                since: now - Duration::from_millis(*age),
                answering: *answering,
                abort: Some(tasks[index].abort_handle()),
            };
            table.all.insert(index as u64, connection);
        }
        table.next = connections.len() as u64;
        (table, tasks)
    }

    /// Which connection gives way to one of `client`.
    fn gives_way(connections: &[(Client, bool, u64)], client: Client) -> Option<usize> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let now = Instant::now() + Duration::from_secs(60);
        let (mut table, tasks) = table(&runtime, connections, now);
        match table.take(client, now) {
            Taken::Drop(abort) => tasks.iter().position(|task| task.id() == abort.id()),
            Taken::None => None,
            Taken::Free(_) => panic!("{} connections are not all", connections.len()),
        }
    }

    fn machine(number: u8) -> Client {
        Client::of_address(IpAddr::from([192, 0, 2, number]))
    }

    #[test]
    fn the_oldest_silent_connection_of_the_greediest_client_gives_way() {
        let mut all = vec![(machine(1), false, 500); MOST - 4];
        all.extend([(machine(2), false, 900); 4]);
        all[7].2 = 800;
        assert_eq!(gives_way(&all, NOBODY), Some(7));
        assert_eq!(gives_way(&all, machine(1)), Some(7), "its own");
        all[7].1 = true;
        assert_ne!(gives_way(&all, NOBODY), Some(7), "one that is answered stays");
    }

    #[test]
    fn a_flood_of_one_client_ends_nothing_of_another() {
        let mut all = vec![(machine(1), false, 5); MOST - 1];
        all.push((machine(2), true, 5_000));
        assert_eq!(gives_way(&all, machine(1)), None, "its own are too young; it waits");
        all[3].2 = 30;
        assert_eq!(gives_way(&all, machine(1)), Some(3));
        assert_eq!(gives_way(&all, NOBODY), Some(3));
    }

    #[test]
    fn when_all_are_answered_the_longest_gives_way() {
        let mut all = vec![(machine(1), true, 900); MOST];
        assert_eq!(gives_way(&all, NOBODY), None, "no answer is cut before a second has passed");
        all[9].2 = 1_500;
        all[8].2 = 1_200;
        assert_eq!(gives_way(&all, NOBODY), Some(9));
    }

    #[test]
    fn clients_are_machines_and_users() {
        let of = |text: &str| Client::of_address(text.parse().expect(text));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), machine(1));
        assert_ne!(machine(1), machine(2));
    }

    #[test]
    fn places_come_back() {
        let connections = Arc::new(Connections::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime").block_on(async {
            let mut places = Vec::new();
            for _ in 0..MOST {
                places.push(connections.place(NOBODY).await);
            }
            drop(places.pop());
            places.push(connections.place(NOBODY).await);
            assert_eq!(connections.0.lock().all.len(), MOST);
            drop(places);
            assert!(connections.0.lock().all.is_empty());
        });
    }
}
