//! What a command inherits, and what it does not.

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mesos_command::command::Stdio;
use mesos_command::staging::IoMode;

use crate::support::{Case, command, probe, runner, script, serial};

/// What the probe found in itself.
pub(crate) fn inherited(case: &Case) -> HashMap<String, String> {
    let report = case.run();
    assert_eq!(report.exit_code, Some(0), "{report:?}");
    parse(&report.output)
}

pub(crate) fn parse(output: &[u8]) -> HashMap<String, String> {
    let lines = String::from_utf8_lossy(output).into_owned();
    lines
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// The promises about every child, whatever the host is like.
pub(crate) fn assert_clean(seen: &HashMap<String, String>) {
    assert_eq!(seen["fds"], "[0, 1, 2]");
    assert_eq!(seen["SigBlk"], "0000000000000000");
    // The Rust runtime of the probe ignores SIGPIPE for itself; a script shows that it is not
    // inherited.
    let ignored = u64::from_str_radix(&seen["SigIgn"], 16).unwrap();
    assert_eq!(ignored & !(1 << (libc::SIGPIPE - 1)), 0, "{}", seen["SigIgn"]);
    assert_eq!(seen["leads_group"], "true");
    assert_eq!(seen["argc"], "4");
}

#[test]
fn three_descriptors_an_empty_mask_and_default_dispositions() {
    let _oracle = serial();
    for stdio in [Stdio::Capture, Stdio::Null, Stdio::Inherit] {
        for io in [IoMode::Files, IoMode::MemfdInput, IoMode::Memfd] {
            let case = probe("print").with(|spec| (spec.stdio, spec.io) = (stdio, io));
            assert_clean(&inherited(&case));
        }
    }
}

#[test]
fn sigpipe_is_not_inherited_as_ignored() {
    let _oracle = serial();
    let directory = tempfile::tempdir().unwrap();
    // This test process ignores SIGPIPE, as every Rust program does.
    let path = script(directory.path(), "s", "#!/bin/sh\ngrep SigIgn /proc/self/status >\"$2\"\n");
    let output = String::from_utf8(command(path).run().output).unwrap();
    assert_eq!(output.trim(), "SigIgn:\t0000000000000000");
}

#[test]
fn descriptors_of_the_host_stay_in_the_host() {
    let _oracle = serial();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut open = Vec::new();
    for _ in 0..500 {
        open.push(std::os::fd::OwnedFd::from(listener.try_clone().unwrap()));
    }
    for fd in &open {
        let none = nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty());
        nix::fcntl::fcntl(fd, none).unwrap();
    }
    assert_clean(&inherited(&probe("print")));
}

#[test]
fn the_environment_is_the_snapshot_and_our_variables() {
    let _oracle = serial();
    let case = probe("print").env("KEPT", "a b=c").env("MESOS_COMMAND_MODULE", "forged");
    let case = case.env("MESOS_CONTAINER_ID", "forged").env("MESOS_COMMAND_DEADLINE", "1");
    let mut request = case.request();
    request.container_id = Some(Arc::from("parent.child"));
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let seen = parse(&runner().run_blocking(request, None, None).output);
    let mut own: Vec<_> = seen.keys().filter_map(|key| key.strip_prefix("env.")).collect();
    own.sort_unstable();
    let expected = [
        "KEPT",
        "LC_ALL",
        "MESOS_COMMAND_DEADLINE",
        "MESOS_COMMAND_EVENT",
        "MESOS_COMMAND_MODULE",
        "MESOS_CONTAINER_ID",
        "PATH",
        "PROBE",
    ];
    assert_eq!(own, expected);
    assert_eq!(seen["env.KEPT"], "a b=c");
    assert_eq!(seen["env.MESOS_COMMAND_EVENT"], "isolator_prepare");
    assert_eq!(seen["env.MESOS_COMMAND_MODULE"], crate::support::module());
    assert_eq!(seen["env.MESOS_CONTAINER_ID"], "parent.child");
    let deadline: f64 = seen["env.MESOS_COMMAND_DEADLINE"].parse().unwrap();
    assert!((19.0..25.0).contains(&(deadline - before)), "{deadline} from {before}");

    let seen = inherited(&case.with(|spec| spec.timeout = None));
    assert!(!seen.contains_key("env.MESOS_COMMAND_DEADLINE"), "no deadline, no variable");
    assert!(!seen.contains_key("env.MESOS_CONTAINER_ID"), "no container, no variable");
}

#[test]
fn odd_environment_entries_pass_as_they_are() {
    let _oracle = serial();
    let entries = ["PROBE=print", "no-equals-sign", "=empty", "A=1", "A=2", ""];
    let entries: Vec<OsString> = entries.into_iter().map(OsString::from).collect();
    let case = probe("").with(|spec| spec.environment = entries.into());
    assert_eq!(inherited(&case)["env.PROBE"], "print");
}

#[test]
fn a_timeout_that_cannot_be_told_is_none() {
    let _oracle = serial();
    let case = probe("print").with(|spec| spec.timeout = Some(Duration::MAX));
    assert!(!inherited(&case).contains_key("env.MESOS_COMMAND_DEADLINE"));
}
