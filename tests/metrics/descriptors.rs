//! A process that is out of file descriptors: the listener waits, quietly, and recovers.
//!
//! The limit is the whole process's, so the listener runs in a process of its own: this test
//! binary again, with an address in its environment.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use mesos_command::exporter;
use mesos_command::exporter::MetricsAddress;
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};

use crate::support::{PATIENCE, free_address, scrape, until};

const ADDRESS: &str = "METRICS_TEST_DESCRIPTORS";
/// The time for which there is no descriptor.
const DROUGHT: Duration = Duration::from_secs(2);

#[test]
fn without_descriptors_the_listener_neither_spins_nor_dies() {
    let address = free_address();
    let MetricsAddress::Tcp(tcp) = &address else { unreachable!("free_address gives TCP") };
    let mut child = Command::new(std::env::current_exe().expect("known"))
        .args(["--exact", "descriptors::child", "--ignored", "--nocapture"])
        .env(ADDRESS, address.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("spawned");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut line = |start: &str| -> String {
        let mut found = lines.by_ref().map(|line| line.expect("read"));
        found.find_map(|line| Some(line.split_once(start)?.1.to_owned())).expect(start)
    };
    line("exhausted");
    // Into the kernel's queue; the listener cannot accept it for now.
    let mut waiting = TcpStream::connect(tcp).expect("connected");
    waiting.set_read_timeout(Some(PATIENCE)).expect("set");
    waiting.write_all(b"GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n").expect("sent");
    child.stdin.as_mut().expect("piped").write_all(b"connected\n").expect("sent");
    let cpu: u128 = line("cpu_ms=").trim().parse().expect("a number");
    waiting.set_nonblocking(true).expect("set");
    let early = waiting.peek(&mut [0]).map_err(|error| error.kind());
    assert_eq!(early, Err(ErrorKind::WouldBlock), "answered without a descriptor");
    waiting.set_nonblocking(false).expect("set");
    // Spinning would take all of the drought; the rest is for a busy machine.
    assert!(cpu < DROUGHT.as_millis() / 4, "{cpu} ms of CPU while it could not accept");
    child.stdin.as_mut().expect("piped").write_all(b"looked\n").expect("sent");
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).expect("answered");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(child.stdin.take());
    assert!(child.wait().expect("waited for").success());
}

#[test]
#[ignore = "started by the test above, in a process of its own"]
fn child() {
    let address = std::env::var(ADDRESS).expect(ADDRESS);
    let address: MetricsAddress = address.parse().expect("an address");
    let before = sockets();
    exporter::listen(std::slice::from_ref(&address));
    scrape(&address);
    // The listener's own is left when it has closed the connection of the scrape.
    until("the end of the scrape", || sockets() == before + 1);
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("read");
    setrlimit(Resource::RLIMIT_NOFILE, 64, hard).expect("lowered");
    let mut hoard: Vec<File> = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        hoard.push(file);
    }
    println!("exhausted");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("told to go on");
    let before = cpu();
    std::thread::sleep(DROUGHT);
    println!("cpu_ms={}", (cpu() - before).as_millis());
    std::io::stdin().read_line(&mut line).expect("told to let go");
    drop(hoard);
    std::io::stdin().read_line(&mut line).expect("told to end");
}

/// How many sockets this process has.
fn sockets() -> usize {
    let descriptors = std::fs::read_dir("/proc/self/fd").expect("Linux").flatten();
    let targets = descriptors.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
}

fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("read");
    [usage.user_time(), usage.system_time()]
        .iter()
        .map(|time| Duration::from_micros((time.tv_sec() * 1_000_000 + time.tv_usec()) as u64))
        .sum()
}
