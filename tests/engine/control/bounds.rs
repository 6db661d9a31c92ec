//! Who may ask, how much, and for how long.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use mesos_command::control::DEFAULT_DIRECTORY;
use mesos_command::isolator::Isolator;
use test_support::{own_process, skip, until};

use super::{ask, exchange, instance, socket};
use crate::support::Instance;

const MARK: &str = "ENGINE_TEST_CONTROL_SOCKET";

#[test]
fn silent_and_stuck_clients_keep_nobody_from_an_answer() {
    let one = instance("control-flood", &[], &[]);
    let path = socket(&one);
    let silent: Vec<_> = (0..40).map(|_| UnixStream::connect(&path).unwrap()).collect();
    let stuck: Vec<_> = (0..40)
        .map(|_| {
            let mut stream = UnixStream::connect(&path).unwrap();
            // Asks, and reads nothing of the answer.
            let _ = stream.write_all(b"GET /v1/status HTTP/1.1\r\n\r\n");
            stream
        })
        .collect();
    for _ in 0..5 {
        let began = Instant::now();
        ask(&path, "GET", "/v1/status", 200);
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }
    drop((silent, stuck));
}

#[test]
fn what_is_too_large_or_makes_no_sense_is_refused() {
    let one = instance("control-refused", &[], &[]);
    let path = socket(&one);
    let long = format!("GET /v1/status?module={} HTTP/1.1\r\n\r\n", "x".repeat(64 << 10));
    let mut stream = UnixStream::connect(&path).unwrap();
    // It may hang up before all is written.
    let _ = stream.write_all(long.as_bytes());
    let mut answer = String::new();
    let _ = std::io::Read::read_to_string(&mut stream, &mut answer);
    assert!(!answer.contains(" 200 "), "{answer}");
    let body = "POST /v1/log-level?debug=true HTTP/1.1\r\nContent-Length: 9999999999\r\n\r\n";
    assert_eq!(exchange(&path, body).0, 413);
    let chunked = "POST /v1/log-level?debug=true HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(exchange(&path, chunked).0, 413);
    for (method, target, status) in [
        ("GET", "/", 404),
        ("GET", "/v2/status", 404),
        ("GET", "/v1/status/x", 404),
        ("GET", "/metrics/", 404),
        ("POST", "/metrics", 405),
        ("POST", "/v1/status", 405),
        ("GET", "/v1/log-level?debug=true", 405),
        ("GET", "/v1/calls/1/kill", 405),
        ("POST", "/v1/calls/none/kill", 400),
        ("POST", "/v1/calls/18446744073709551615/kill", 404),
        ("GET", "/v1/calls?limit=0", 400),
        ("GET", "/v1/calls?limit=10001", 400),
        ("GET", "/v1/status?colour=red", 400),
        ("GET", "/v1/status?module=%zz", 400),
    ] {
        let error = ask(&path, method, target, status);
        assert!(error["error"].is_string(), "{target}: {error}");
    }
    assert_eq!(exchange(&path, "nonsense\r\n\r\n").0, 400);
}

#[test]
fn the_socket_is_for_its_owner_and_all_instances_share_it() {
    let one = instance("control-shared-1", &[], &[]);
    let path = std::fs::canonicalize(socket(&one)).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    let text = path.display().to_string();
    let two = Instance::new("control-shared-2", &[], &[("control_socket", &text)]);
    let modules = || {
        let answer = ask(&path, "GET", "/v1/status", 200);
        let all = answer["instances"].as_array().unwrap().clone();
        let of = |name: &str| all.iter().filter(|one| one["module"] == name).count();
        (of("control-shared-1"), of("control-shared-2"))
    };
    assert_eq!(modules(), (1, 1));
    drop(two);
    assert_eq!(modules(), (1, 0), "an instance that is gone is not shown");
}

#[test]
fn a_dead_socket_is_replaced_and_a_living_one_is_left_alone() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("c.sock");
    drop(UnixListener::bind(&path).unwrap());
    let text = path.display().to_string();
    let _one = Instance::new("control-dead", &[], &[("control_socket", &text)]);
    ask(&path, "GET", "/v1/status", 200);
    let living = place.path().join("living.sock");
    let owner = UnixListener::bind(&living).unwrap();
    let text = living.display().to_string();
    let _two = Instance::new("control-living", &[], &[("control_socket", &text)]);
    owner.set_nonblocking(true).unwrap();
    until("the probe", || owner.accept().is_ok());
}

#[test]
fn the_default_place_is_made_swept_and_left_clean() {
    let test = "the default control socket";
    if !nix::unistd::geteuid().is_root() {
        return skip(test, "only root can make a directory in /run");
    }
    let _ = own_process("control::bounds::in_the_host", MARK);
}

#[test]
#[ignore = "started by the test before"]
fn in_the_host() {
    if std::env::var_os(MARK).is_none() {
        return;
    }
    let directory = Path::new(DEFAULT_DIRECTORY);
    let state = tempfile::tempdir().unwrap();
    let parameters = |socket: Option<&str>| {
        let mut all = vec![
            ("module_name".to_owned(), "default".to_owned()),
            ("state_dir".to_owned(), state.path().display().to_string()),
        ];
        all.extend(socket.map(|socket| ("control_socket".to_owned(), socket.to_owned())));
        all
    };
    let own = directory.join(format!("{}.sock", std::process::id()));
    let none = Isolator::create(&parameters(Some("none"))).unwrap();
    assert!(!own.exists(), "none is none");
    drop(none);
    // No process has this number (proc(5), pid_max).
    let dead = directory.join("4194305.sock");
    std::fs::create_dir_all(directory).unwrap();
    std::fs::set_permissions(directory, std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .unwrap();
    let _ = std::fs::remove_file(&dead);
    drop(UnixListener::bind(&dead).unwrap());
    let one = Isolator::create(&parameters(None)).unwrap();
    let metadata = std::fs::metadata(directory).unwrap();
    assert_eq!((metadata.mode() & 0o777, metadata.uid()), (0o700, 0));
    assert!(!dead.exists(), "a dead process's socket stays");
    ask(&own, "GET", "/v1/status", 200);
    drop(one);
    mesos_command::control::end();
    assert!(!own.exists(), "it is removed at the end");
}
