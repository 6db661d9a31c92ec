//! What `posix_spawn` is asked for, and how its failures are told. All else that a command can
//! notice is compared by the tests of the runner, which are played with either start method.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::super::fs_helper::FsHelper;
use super::super::pidfd::{ExitStatus, WaitTarget, wait};
use super::super::strings::StringTable;
use super::*;

fn table(entries: &[&[u8]]) -> StringTable {
    let mut table = StringTable::default();
    entries.iter().for_each(|entry| table.push(&[entry]).unwrap());
    table
}

fn null() -> Source {
    Source::Open(c"/dev/null".into(), libc::O_RDWR)
}

/// A program between `/dev/null`s.
fn plan(candidates: &[&[u8]], arguments: &[&[u8]]) -> Plan {
    Plan {
        candidates: table(candidates),
        arguments: table(arguments),
        stdio: [null(), null(), Source::Stdout],
        ..Plan::default()
    }
}

fn shell(text: &str) -> Plan {
    plan(&[b"/bin/sh"], &[b"sh", b"-c", text.as_bytes()])
}

fn exit_code(plan: Plan) -> i32 {
    let (Spawned { pid, pidfd }, _) = spawn(plan).map_err(|refused| refused.failure).unwrap();
    assert!(pidfd.is_some(), "Linux 5.3");
    match wait(WaitTarget::of(pid, pidfd.as_ref()), libc::WEXITED).unwrap() {
        Some(ExitStatus::Exited(code)) => code,
        other => panic!("{other:?}"),
    }
}

fn refusal(plan: Plan) -> SpawnFailure {
    let refused = spawn(plan).expect_err("no process");
    assert!(!refused.plan.candidates.strings().collect::<Vec<_>>().is_empty(), "kept for later");
    refused.failure
}

/// A file with this text and mode.
fn file(directory: &Path, name: &str, text: &str, mode: u32) -> Vec<u8> {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    path.as_os_str().as_bytes().to_vec()
}

#[test]
fn candidates_are_tried_and_their_errors_explained_as_execvp_does() {
    let directory = tempfile::tempdir().unwrap();
    let denied = file(directory.path(), "denied", "#!/bin/sh\n", 0o600);
    let bare = file(directory.path(), "bare", "exit $2\n", 0o700);
    let execute = |errno| SpawnFailure::Child(Step::Execute, errno);
    let missing = b"/no/such".as_slice();
    assert_eq!(refusal(plan(&[missing], &[b"x"])), execute(Errno::ENOENT));
    assert_eq!(refusal(plan(&[&denied, missing], &[b"x"])), execute(Errno::EACCES));
    assert_eq!(exit_code(plan(&[missing, &denied, &bare], &[b"bare", b"1", b"7"])), 7);
    let long = vec![b'x'; 1 << 20];
    assert_eq!(refusal(plan(&[b"/bin/true"], &[b"true", &long])), execute(Errno::E2BIG));
}

#[test]
fn the_step_that_failed_is_told() {
    for (at, step) in [(0, Step::Stdin), (1, Step::Output)] {
        let mut plan = shell(":");
        plan.stdio[at] = Source::Open(c"/no/such".into(), libc::O_RDONLY);
        assert_eq!(refusal(plan), SpawnFailure::Child(step, Errno::ENOENT));
    }
    let mut helps = shell(":");
    let mut helper = FsHelper::default();
    helper.look(&c"/".into(), true);
    helps.helper = helper;
    assert_eq!(refusal(helps), SpawnFailure::Clone(Errno::ENOTSUP));
}

#[test]
fn descriptors_of_the_host_are_closed_and_standard_ones_inherited() {
    let (reader, _writer) = nix::unistd::pipe().unwrap();
    let path = format!("/proc/self/fd/{}", reader.as_raw_fd());
    assert_eq!(is_close_on_exec(reader.as_raw_fd()), Some(false));
    assert_eq!(exit_code(shell(&format!("[ ! -e {path} ]"))), 0);
    assert_eq!(is_close_on_exec(reader.as_raw_fd()), Some(false), "ours stays as it is");
    let mut plan = shell("[ -e /proc/self/fd/2 ]");
    plan.stdio = [null(), null(), Source::Inherited];
    assert_eq!(exit_code(plan), 0);
}

#[test]
fn every_signal_is_among_all() {
    let set = every_signal();
    // SAFETY: the set is live.
    let has = |signal| unsafe { libc::sigismember(set.as_ref(), signal) } == 1;
    assert!([1, libc::SIGKILL, 31, 34, 40, 64].into_iter().all(has));
}

#[test]
fn old_versions_of_glibc_are_known() {
    for version in ["2.17", "2.23", "2.3.4", "1.99"] {
        assert!(is_before_2_24(version), "{version}");
    }
    for version in ["2.24", "2.36", "2.41.9000", "3.0", "unknown"] {
        assert!(!is_before_2_24(version), "{version}");
    }
    assert_eq!(copying_library(), None, "or this machine cannot run the other tests");
}
