//! Listeners over TCP and Unix sockets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mesos_command::event::{Event, ModuleKind};
use mesos_command::exporter;
use mesos_command::exporter::MetricsAddress;
use mesos_command::metrics::ModuleMetrics;
use mesos_command::outcome::OutcomeKind;

use test_support::{collect_log, in_time, logged};

use crate::support::{PATIENCE, free_address, request, scrape, until, wait_for};

#[test]
fn paths_and_methods_are_answered_as_documented() {
    let address = free_address();
    exporter::listen(std::slice::from_ref(&address));
    let answer = scrape(&address);
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"));
    assert!(answer.head.contains("connection: close"), "{}", answer.head);
    assert!(answer.body.contains("\nmesos_command_panics_total "));

    let healthy = request(&address, "GET", "/healthz").expect("an answer");
    assert_eq!((healthy.status, healthy.body.as_str()), (200, "ok\n"));
    let index = request(&address, "GET", "/").expect("an answer");
    assert!(index.head.contains("content-security-policy: default-src 'none'"), "{}", index.head);
    assert!(index.body.contains("href=\"/metrics\"") && !index.body.contains("/status"));
    for path in [
        "/status",
        "/status.css",
        "/metrics/",
        "/metrics2",
        "/healthz/x",
        "/favicon.ico",
        "//metrics",
    ] {
        assert_eq!(request(&address, "GET", path).expect("an answer").status, 404, "{path}");
    }
    assert_eq!(request(&address, "GET", "/metrics?x=1").expect("an answer").status, 200);
    let refused = request(&address, "POST", "/metrics").expect("an answer");
    assert_eq!(refused.status, 405);
    assert!(refused.head.contains("allow: get, head"), "{}", refused.head);
    let head = request(&address, "HEAD", "/metrics").expect("an answer");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[test]
fn all_instances_share_several_addresses() {
    let directory = tempfile::tempdir().expect("a directory");
    let addresses =
        [free_address(), free_address(), MetricsAddress::Unix(directory.path().join("m.sock"))];
    // Named twice, in different calls and groups: still one listener each.
    exporter::listen(&addresses[..2]);
    exporter::listen(&addresses[1..]);
    exporter::listen(&addresses);
    let one = ModuleMetrics::new("shared one", ModuleKind::Hook);
    let two = ModuleMetrics::new("shared two", ModuleKind::Isolator);
    one.event(Event::SlaveRunTaskLabelDecorator).call(OutcomeKind::Exit, None);
    two.event(Event::Usage).call(OutcomeKind::Ok, None);
    for address in &addresses {
        let body = scrape(address).body;
        assert!(body.contains(
            "mesos_command_calls_total{module=\"shared one\",\
             event=\"hook_slave_run_task_label_decorator\",outcome=\"exit\"} 1\n"
        ));
        assert!(body.contains(
            "mesos_command_calls_total{module=\"shared two\",event=\"isolator_usage\",\
             outcome=\"ok\"} 1\n"
        ));
    }
}

/// Waits until the listener has tried to bind an address in vain.
fn refused(address: &MetricsAddress) {
    let [address, words] = [&format!("{address}"), "cannot serve metrics yet"];
    until("a refusal", || logged(address).iter().any(|line| line.contains(words)));
}

#[test]
fn an_address_in_use_is_taken_when_it_becomes_free() {
    let address = free_address();
    let MetricsAddress::Tcp(tcp) = &address else { unreachable!("free_address gives TCP") };
    let occupant = std::net::TcpListener::bind(tcp).expect("free");
    collect_log();
    exporter::listen(std::slice::from_ref(&address));
    refused(&address);
    assert!(
        mesos_command::metrics::render().contains("mesos_command_panics_total"),
        "the module works on"
    );
    drop(occupant);
    assert_eq!(scrape(&address).status, 200);
}

#[test]
fn a_dead_socket_file_is_replaced() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("m.sock");
    drop(UnixListener::bind(&path).expect("bound"));
    assert!(path.exists(), "std leaves the file: a dead socket");
    let address = MetricsAddress::Unix(path);
    exporter::listen(std::slice::from_ref(&address));
    assert_eq!(scrape(&address).status, 200);
}

#[test]
fn a_live_socket_file_is_left_alone_until_its_owner_is_gone() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("m.sock");
    let owner = UnixListener::bind(&path).expect("bound");
    owner.set_nonblocking(true).expect("set");
    let address = MetricsAddress::Unix(path);
    exporter::listen(std::slice::from_ref(&address));
    // It is probed by a connection, and the owner still gets those.
    wait_for("the probe", || owner.accept().ok());
    assert!(owner.accept().is_err(), "one probe at a time");
    drop(owner);
    assert_eq!(scrape(&address).status, 200);
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let (file, link) = (directory.path().join("precious"), directory.path().join("link"));
    std::fs::write(&file, "precious").expect("written");
    std::os::unix::fs::symlink(&file, &link).expect("linked");
    collect_log();
    let addresses = [MetricsAddress::Unix(file.clone()), MetricsAddress::Unix(link.clone())];
    exporter::listen(&addresses);
    addresses.iter().for_each(refused);
    assert_eq!(std::fs::read(&file).expect("still there"), b"precious");
    assert!(link.is_symlink());
    std::fs::remove_file(&link).expect("removed");
    assert_eq!(scrape(&MetricsAddress::Unix(link)).status, 200, "retried once it is gone");
}

#[test]
fn a_directory_that_appears_later_is_used() {
    let directory = tempfile::tempdir().expect("a directory");
    let later = directory.path().join("later");
    let address = MetricsAddress::Unix(later.join("m.sock"));
    collect_log();
    exporter::listen(std::slice::from_ref(&address));
    refused(&address);
    std::fs::create_dir(&later).expect("made");
    assert_eq!(scrape(&address).status, 200);
}

#[test]
fn a_removed_socket_file_is_made_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("m.sock");
    let address = MetricsAddress::Unix(path.clone());
    exporter::listen(std::slice::from_ref(&address));
    assert_eq!(scrape(&address).status, 200);
    std::fs::remove_file(&path).expect("removed");
    assert_eq!(scrape(&address).status, 200);
}

#[test]
fn silent_and_slow_clients_neither_block_others_nor_stay() {
    let address = free_address();
    exporter::listen(std::slice::from_ref(&address));
    scrape(&address);
    let MetricsAddress::Tcp(tcp) = &address else { unreachable!("free_address gives TCP") };
    // A silent client has a second. On a machine that takes that long for a scrape, once more.
    let (mut idle, mut slow) = wait_for("a scrape while others are silent", || {
        let idle = TcpStream::connect(tcp).expect("connected");
        let mut slow = TcpStream::connect(tcp).expect("connected");
        slow.write_all(b"GET /metr").expect("sent");
        assert_eq!(scrape(&address).status, 200);
        // Both are still connected, so that others are served meanwhile, not after them.
        let are_open = [&idle, &slow].into_iter().all(|stream| {
            stream.set_nonblocking(true).expect("set");
            let open = stream.peek(&mut [0]).map_err(|error| error.kind());
            stream.set_nonblocking(false).expect("set");
            open == Err(std::io::ErrorKind::WouldBlock)
        });
        are_open.then_some((idle, slow))
    });
    for stream in [&mut idle, &mut slow] {
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        let mut rest = Vec::new();
        // Closed by the deadline, with or without a word; a time-out would be an error.
        match stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
        }
    }
}

#[test]
fn rubbish_is_refused_and_the_listener_lives_on() {
    let address = free_address();
    exporter::listen(std::slice::from_ref(&address));
    scrape(&address);
    let MetricsAddress::Tcp(tcp) = &address else { unreachable!("free_address gives TCP") };
    let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(100_000));
    for rubbish in [b"\x16\x03\x01\x02\x00\x01\xff\0" as &[u8], b"\r\n\r\n\0", long.as_bytes()] {
        let mut stream = TcpStream::connect(tcp).expect("connected");
        // The listener may have closed the connection before all is sent.
        let _ = stream.write_all(rubbish);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&answer);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{text}");
    }
    assert_eq!(scrape(&address).status, 200);
}

/// A client that keeps silent connections to an address, and makes each anew that is closed.
struct Flood {
    stop: Arc<AtomicBool>,
    made: Arc<AtomicUsize>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Flood {
    fn start(address: SocketAddr, connections: usize) -> Flood {
        let (stop, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (until, count) = (stop.clone(), made.clone());
        let thread = std::thread::spawn(move || {
            let connect = || {
                let stream = TcpStream::connect(address).expect("connected");
                stream.set_nonblocking(true).expect("set");
                count.fetch_add(1, Ordering::Relaxed);
                stream
            };
            let mut streams: Vec<TcpStream> = (0..connections).map(|_| connect()).collect();
            while !until.load(Ordering::Relaxed) {
                for stream in &mut streams {
                    let is_open = matches!(stream.read(&mut [0]),
                        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock);
                    if !is_open {
                        *stream = connect();
                    }
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Flood { stop, made, thread: Some(thread) }
    }

    fn made(&self) -> usize {
        self.made.load(Ordering::Relaxed)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(std::thread::JoinHandle::join);
        assert!(matches!(ended, Some(Ok(()))), "the flood went on");
    }
}

#[test]
fn a_flood_of_silent_connections_keeps_nobody_from_an_answer() {
    let directory = tempfile::tempdir().expect("a directory");
    let (address, unix) = (free_address(), MetricsAddress::Unix(directory.path().join("m.sock")));
    exporter::listen(&[address.clone(), unix.clone()]);
    scrape(&address);
    scrape(&unix);
    let MetricsAddress::Tcp(tcp) = address else { unreachable!("free_address gives TCP") };
    let flood = Flood::start(tcp, 200);
    until("a full listener", || flood.made() > 200);
    for address in [MetricsAddress::Tcp(tcp), unix] {
        for path in ["/healthz", "/metrics"].repeat(3) {
            in_time(&format!("{path} at {address}"), Duration::from_secs(5), || {
                let asked = Instant::now();
                let answer = request(&address, "GET", path).expect("an answer, no closed door");
                assert_eq!(answer.status, 200);
                asked.elapsed()
            });
        }
    }
    let before = flood.made();
    until("the flood to go on", || flood.made() > before);
}

/// A port that is free in both families, if there are both.
fn free_in_both() -> Option<u16> {
    let v6 = std::net::TcpListener::bind("[::1]:0").ok()?;
    Some(v6.local_addr().expect("bound").port())
}

#[test]
fn all_addresses_of_both_families_are_served_together() {
    let Some(port) = free_in_both() else {
        return test_support::skip("all_addresses_of_both_families", "there is no IPv6 here");
    };
    collect_log();
    let parse = |text: String| text.parse::<MetricsAddress>().expect("an address");
    let [v4, v6] = ["127.0.0.1", "[::1]"].map(|ip| parse(format!("{ip}:{port}")));
    // An instance that names one address, one that names all, one that names one of them again.
    exporter::listen(std::slice::from_ref(&v4));
    scrape(&v4);
    exporter::listen(&[parse(format!("0.0.0.0:{port}")), parse(format!("[::]:{port}"))]);
    let other = parse(format!("127.0.0.2:{port}"));
    for address in [&v6, &other, &v4] {
        assert_eq!(scrape(address).status, 200);
    }
    exporter::listen(&[v4.clone(), v6.clone()]);
    for address in [&v4, &v6] {
        assert_eq!(scrape(address).status, 200);
        refused_never(address);
    }
}

/// The listener has not tried to bind an address in vain.
fn refused_never(address: &MetricsAddress) {
    let lines = logged(&format!("{address}"));
    assert!(!lines.iter().any(|line| line.contains("cannot serve metrics")), "{lines:?}");
}
