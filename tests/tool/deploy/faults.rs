//! Each fault of a host, of the way to it and of the command line: its name, its exit status, and
//! that everything is as it was.

use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use test_support::{until, wait_for};

use super::machine::Machine;
use super::{DIRECTORY, LIBRARY, bytes};
use crate::support::stderr;

/// A fault.
struct Case {
    /// What is done to the machine before; a shell's text, in which `$R` is its root.
    before: &'static str,
    arguments: &'static [&'static str],
    kind: &'static str,
    status: i32,
    /// A word of its text or advice.
    word: &'static str,
    /// What makes the machine well again.
    after: &'static str,
}

const fn case(
    arguments: &'static [&'static str],
    kind: &'static str,
    status: i32,
    word: &'static str,
) -> Case {
    Case { before: "", arguments, kind, status, word, after: "" }
}

/// Directories that a library cannot be put into, for one reason each.
const DIRECTORIES: &str = r#"
mkdir "$R/srv/small" "$R/srv/noexec" "$R/srv/ro"
mount -t tmpfs -o size=4k small "$R/srv/small"
mount -t tmpfs -o noexec noexec "$R/srv/noexec"
mount -t tmpfs -o ro ro "$R/srv/ro"
"#;
const B: &str = "cd \"$R/usr/local/bin\"; program() { cat >\"$1\"; chmod 755 \"$1\"; }; ";

const CASES: &[Case] = &[
    case(&["nowhere"], "unreachable", 3, "Connection refused"),
    case(&["stranger"], "no-login", 3, "Permission denied"),
    case(&["unknown"], "host-key", 3, "ssh unknown true"),
    case(&["plain"], "no-permission", 1, "--sudo"),
    case(&["--modules-dir", "/srv/small", "web1"], "no-space", 1, "No space left"),
    case(&["--modules-dir", "/srv/noexec", "web1"], "noexec", 1, "--modules-dir"),
    case(&["--modules-dir", "/srv/ro", "web1"], "read-only", 1, "Read-only file system"),
    Case {
        before: "echo 'echo sudo: a password is required >&2; exit 1' | program sudo",
        after: "rm sudo",
        ..case(&["--sudo", "plain"], "no-sudo", 1, "password")
    },
    Case {
        before: "echo 'echo aarch64' | program uname",
        after: "rm uname",
        ..case(&["web1"], "other-machine", 1, "aarch64")
    },
    // A disk that changes what is written to it: one byte more.
    Case {
        before: r#"echo 'for last; do :; done; /bin/dd "$@" && echo >>"${last#of=}"' | program dd"#,
        after: "rm dd",
        ..case(&["web1"], "checksum", 1, "has the sum")
    },
    Case {
        before: "echo 'exec sleep 60' | program mktemp",
        after: "rm mktemp",
        ..case(&["--timeout", "5", "web1"], "timeout", 3, "5 seconds")
    },
    Case {
        before: "mv \"$R/usr/lib/libmesos.so\" \"$R/usr/lib/gone.so\"",
        after: "mv \"$R/usr/lib/gone.so\" \"$R/usr/lib/libmesos.so\"",
        ..case(&["web1"], "no-libmesos", 1, "--libmesos")
    },
    Case {
        before: "mv \"$R/etc/mesos-agent\" \"$R/etc/gone\"",
        after: "mv \"$R/etc/gone\" \"$R/etc/mesos-agent\"",
        ..case(&["web1"], "no-configuration", 1, "--from")
    },
    Case {
        before: "rm \"$R/etc/systemd/system/mesos-agent.service\"",
        after: ": >\"$R/etc/systemd/system/mesos-agent.service\"",
        ..case(&["--restart", "web1"], "no-service", 1, "--service")
    },
    Case {
        before: "echo 'exit 7' | program first; mv \"$P/tool\" \"$P/whole\"; mv first \"$P/tool\"",
        after: "mv \"$P/whole\" \"$P/tool\"",
        ..case(&["web1"], "no-tool", 1, "exit code 7")
    },
    Case {
        before: "mv \"$R/usr/bin/sha256sum\" \"$R/usr/bin/gone\"",
        after: "mv \"$R/usr/bin/gone\" \"$R/usr/bin/sha256sum\"",
        ..case(&["web1"], "no-program", 1, "sha256sum")
    },
];

#[test]
fn each_fault_has_its_name_and_changes_nothing() {
    let Some(machine) = Machine::new("each_fault_has_its_name", DIRECTORIES) else { return };
    machine.configure(LIBRARY);
    let shell = |text: &str| {
        let mut sh = std::process::Command::new("sh");
        sh.args(["-ec", &format!("{B}{text}")])
            .env("R", machine.there(""))
            .env("P", machine.here(""));
        assert!(sh.status().expect("sh").success(), "{text}");
    };
    for Case { before, arguments, kind, status, word, after } in CASES {
        let what = format!("{kind} {arguments:?}");
        shell(before);
        let (all, code) = machine.json("new", arguments);
        let failure = &all[0]["failure"];
        assert_eq!(failure["kind"], *kind, "{what}: {failure}");
        assert_eq!(code, Some(*status), "{what}");
        assert!(failure.to_string().contains(word), "{what}: {failure}");
        assert!(!failure["advice"].as_str().unwrap_or_default().is_empty(), "{what}");
        for directory in [DIRECTORY, "/srv/small", "/srv/noexec", "/srv/ro"] {
            assert_eq!(machine.list(directory), [""; 0], "{what}");
        }
        assert!(!machine.there("/usr/local/bin/mesos-command").exists(), "{what}");
        shell(after);
    }
    let done = machine.deploy("new", &["web1"]);
    assert_eq!(done.status.code(), Some(0), "well again: {}", super::stdout(&done));
}

#[test]
fn a_library_that_another_changes_meanwhile_is_left_to_them() {
    let Some(machine) = Machine::new("a_library_that_another_changes", "") else { return };
    machine.configure(LIBRARY);
    assert!(machine.deploy("old", &["web1"]).status.success());
    // The stand-in is asked between the first look and the rename.
    let tool = std::fs::read_to_string(machine.here("tool")).expect("the stand-in");
    let tool = tool.replace("case ", &format!("echo >>{LIBRARY}\ncase "));
    std::fs::write(machine.here("tool"), tool).expect("a file");
    let (all, code) = machine.json("new", &["web1"]);
    assert_eq!((code, all[0]["failure"]["kind"].as_str()), (Some(1), Some("changed")), "{all:?}");
    assert!(bytes(machine.there(LIBRARY)).ends_with(b"\n"), "it is theirs");
}

#[test]
fn a_service_that_does_not_come_up_is_a_failure() {
    let Some(machine) = Machine::new("a_service_that_does_not_come_up", "") else { return };
    machine.configure(LIBRARY);
    machine.program("systemctl", "#!/bin/sh\necho no such luck >&2\nexit 1\n");
    let (all, code) = machine.json("old", &["--restart", "web1"]);
    let failure = &all[0]["failure"];
    assert_eq!((code, failure["kind"].as_str()), (Some(1), Some("not-active")), "{all:?}");
    assert!(failure["text"].as_str().is_some_and(|it| it.contains("no such luck")), "{failure}");
    assert_eq!(bytes(machine.there(LIBRARY)), bytes(machine.here("old")), "the library is there");
}

#[test]
fn what_is_wrong_here_is_told_before_a_host_is_asked() {
    let Some(machine) = Machine::new("what_is_wrong_here", "") else { return };
    let run = |arguments: &[&str]| {
        let done = machine.command("new", arguments).output().expect("it runs");
        (done.status.code(), stderr(&done))
    };
    let module = |name: &str| {
        let done = machine.deploy(name, &["web1"]);
        (done.status.code(), stderr(&done))
    };
    let (code, text) = module("tool");
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("ELF") || text.contains("library"), "{text}");
    let (code, text) = module("no-such");
    assert!(code == Some(2) && text.contains("--module"), "{text}");
    assert_eq!(run(&["-x"]).0, Some(2));
    let (code, text) = run(&["--modules-dir", "/it's", "web1"]);
    assert!(code == Some(2) && text.contains("login shells"), "{text}");
    let (code, text) = run(&["--as", "a/b", "web1"]);
    assert!(code == Some(2) && text.contains("--modules-dir"), "{text}");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mesos-command"));
    command.args(["deploy", "--ssh", "/no/such/ssh", "--rollback", "web1"]);
    let done = command.output().expect("it runs");
    let text = super::stdout(&done);
    assert_eq!(done.status.code(), Some(3), "{text}");
    assert!(text.contains("no-ssh") && text.contains("--ssh"), "{text}");
}

#[test]
fn a_signal_ends_it_in_the_middle_of_a_step() {
    let Some(machine) = Machine::new("a_signal_ends_it", "") else { return };
    machine.configure(LIBRARY);
    machine.program("mktemp", "#!/bin/sh\n: >/tmp/slow\nexec sleep 60\n");
    let mut command = machine.command("new", &["web1"]);
    let mut tool = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    until("the step runs", || machine.there("/tmp/slow").exists());
    let pid = Pid::from_raw(i32::try_from(tool.id()).expect("a pid"));
    kill(pid, Signal::SIGINT).expect("it runs");
    let status = wait_for("the end", || tool.try_wait().expect("it is ours"));
    assert_eq!(status.signal(), Some(Signal::SIGINT as i32));
    assert_eq!(machine.list(DIRECTORY), [""; 0]);
}
