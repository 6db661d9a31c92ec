//! Commands of another user, with another niceness, limit of descriptors or `oom_score_adj`.
//!
//! Most of it takes root. The users are numbers that nobody has.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mesos_command::outcome::{FailureReason, OutcomeKind};
use mesos_command::run::RunReport;
use mesos_command::staging::IoMode;
use mesos_command::sys::{Identity, User};
use nix::unistd::Uid;
use test_support::skip;

use crate::support::{
    Case, Oracle, alive, command, eventually, pid_in, runner, script, serial, serial_after,
};

/// A user that no other process of the machine has, with one more group than its own.
pub(crate) fn somebody(number: u32) -> User {
    let uid = 1_800_000_000 + std::process::id() * 16 + number;
    User { name: format!("somebody-{number}").into(), uid, gid: uid, groups: [uid, 7].into() }
}

/// Where other users may execute scripts.
pub(crate) fn open_directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    set_mode(directory.path(), 0o755);
    directory
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

pub(crate) fn with_user(path: &Path, user: &User) -> Case {
    runner().open_temp_dir(None, user).expect("others may enter it");
    let identity = Identity { user: Some(user.clone()), ..Identity::default() };
    command(path).with(|spec| spec.identity = identity)
}

/// As [`serial`], for one who is root; what stays of the first start of that kind is there.
fn as_root(test: &str) -> Option<Oracle> {
    as_root_after(test, || ())
}

/// As [`as_root`], with a preparation that may leave something behind.
fn as_root_after(test: &str, prepare: impl FnOnce()) -> Option<Oracle> {
    if !Uid::effective().is_root() {
        skip(test, "only root may become another user");
        return None;
    }
    Some(serial_after(|| {
        prepare();
        let report = with_user(Path::new("/bin/true"), &somebody(0)).run();
        assert_eq!(report.outcome, OutcomeKind::Ok, "{report:?}");
    }))
}

pub(crate) fn text(report: &RunReport) -> &str {
    assert_eq!(report.outcome, OutcomeKind::Ok, "{report:?}");
    std::str::from_utf8(&report.output).unwrap()
}

#[test]
fn a_command_is_its_user_and_has_its_files() {
    let Some(_oracle) = as_root("a command of another user") else { return };
    let directory = open_directory();
    let path = script(
        directory.path(),
        "who",
        "#!/bin/sh\nset -e\n{ id -ru; id -u; id -rg; id -g; id -G; cat \"$1\"; echo; cat; echo; \
         grep CapEff /proc/self/status; stat -c '%a %u' \"${1%/*}\" \"$1\" \"$2\" \"$3\"; } >\"$2\"\n\
         echo why >\"$3\"\necho printed >/dev/stderr\nexit ${FAILS:-0}\n",
    );
    let user = somebody(1);
    let User { uid, .. } = user;
    // What cannot be had of memfds is had as files.
    for io in [IoMode::Files, IoMode::SharedStdin, IoMode::MemfdInput, IoMode::Memfd] {
        let case = with_user(&path, &user).with(|spec| spec.io = io);
        for report in [case.run(), case.run_here()] {
            let mut expected = format!("{uid}\n{uid}\n{uid}\n{uid}\n{uid} 7\n");
            expected += "{\"in\":1}\n{\"in\":1}\nCapEff:\t0000000000000000\n";
            let _ = write!(expected, "700 {uid}\n600 {uid}\n600 {uid}\n600 {uid}\n");
            assert_eq!(text(&report), expected, "{io:?}");
            assert_eq!(report.stdio_tail, b"printed\n", "{io:?}");
        }
    }
    let report = with_user(&path, &user).env("FAILS", "3").run();
    assert_eq!((report.exit_code, &*report.error_file), (Some(3), &b"why\n"[..]), "{report:?}");
}

/// Files that are not in memory are made and read by child processes of ours.
#[test]
fn files_on_a_disk_are_its_users_too() {
    let directory = open_directory();
    let place: Arc<Path> = directory.path().into();
    let prepare = || runner().check_temp_dir(Some(&place)).unwrap();
    let Some(_oracle) = as_root_after("a command of another user", prepare) else { return };
    let path = script(directory.path(), "copy", "#!/bin/sh\nid -u >\"$2\"; cat \"$1\" >>\"$2\"\n");
    let user = somebody(1);
    runner().open_temp_dir(Some(&place), &user).unwrap();
    let case = with_user(&path, &user).with(|spec| spec.temp_dir = Some(place.clone()));
    assert_eq!(text(&case.run()), format!("{}\n{{\"in\":1}}", user.uid));
    set_mode(directory.path(), 0o700);
    let error = runner().open_temp_dir(Some(&place), &user).expect_err("it is closed").to_string();
    assert!(error.starts_with("user 'somebody-1' ") && error.contains("(mode 0700)"), "{error}");
}

/// A run that goes on until the file `go` is made, and the path of its input.
fn held(directory: &Path, name: &str, case: impl FnOnce(&Path) -> Case) -> (PathBuf, Held) {
    let told = directory.join(format!("{name}.told"));
    let go = directory.join(format!("{name}.go"));
    std::fs::write(&told, "").unwrap();
    set_mode(&told, 0o666);
    let body = format!(
        "#!/bin/sh\necho \"$1\" >{}\nuntil [ -e {} ]; do sleep 0.01; done\n",
        told.display(),
        go.display()
    );
    let case = case(&script(directory, name, &body));
    let thread = std::thread::spawn(move || case.run());
    let mut input = String::new();
    eventually("the other run", || {
        input = std::fs::read_to_string(&told).unwrap();
        input.ends_with('\n')
    });
    (input.trim_end().into(), Held { go, thread })
}

struct Held {
    go: PathBuf,
    thread: std::thread::JoinHandle<RunReport>,
}

impl Held {
    fn end(self) {
        std::fs::write(&self.go, "").unwrap();
        let report = self.thread.join().unwrap();
        assert_eq!(report.outcome, OutcomeKind::Ok, "{report:?}");
    }
}

#[test]
fn nothing_of_another_call_or_of_the_agent_can_be_reached() {
    let Some(_oracle) = as_root("a command of another user") else { return };
    let directory = open_directory();
    let other = somebody(2);
    let (of_root, first) = held(directory.path(), "root", |path| command(path));
    let (of_other, second) = held(directory.path(), "other", |path| with_user(path, &other));
    let (memfd, third) =
        held(directory.path(), "memfd", |path| command(path).with(|spec| spec.io = IoMode::Memfd));
    let agent = std::process::id();
    let mut attempts = vec![
        format!("ls /proc/{agent}/fd"),
        format!("cat /proc/{agent}/environ"),
        format!("cat /proc/{agent}/maps"),
        format!("sh -c ': >/proc/{agent}/mem'"),
        format!("sh -c ': >/proc/{agent}/oom_score_adj'"),
        format!("kill -0 {agent}"),
        "ls \"${1%/*}/..\"".to_owned(),
        "sh -c ': >\"$0/x\"' \"${1%/*}/..\"".to_owned(),
        format!("cat {}", memfd.display()),
    ];
    for path in [&of_root, &of_other] {
        let call = path.parent().unwrap().display();
        attempts.extend([
            format!("ls {call}"),
            format!("cat {}", path.display()),
            format!("sh -c ': >{call}/output'"),
            format!("mv {call} {call}.x"),
        ]);
    }
    let mut body = String::from("#!/bin/sh\n");
    // The counter-example: each way of asking works where it may.
    for attempt in ["ls \"${1%/*}\"", "cat \"$1\"", "kill -0 $$", "cat /proc/self/environ"] {
        let _ = writeln!(body, "if {attempt} >/dev/null 2>&1; then echo may >>\"$2\"; fi");
    }
    for (number, attempt) in attempts.iter().enumerate() {
        let _ = writeln!(body, "if {attempt} >/dev/null 2>&1; then echo {number} >>\"$2\"; fi");
    }
    let path = script(directory.path(), "curious", &body);
    let report = with_user(&path, &somebody(1)).run();
    assert_eq!(text(&report), "may\nmay\nmay\nmay\n", "{attempts:#?}");
    [first, second, third].into_iter().for_each(Held::end);
}

#[test]
fn niceness_and_limit_of_descriptors_are_the_commands() {
    let _oracle = serial();
    let directory = open_directory();
    let path = script(
        directory.path(),
        "limits",
        "#!/bin/sh\n{ nice; ulimit -Sn; ulimit -Hn; } >\"$2\"\n",
    );
    let identity = Identity { nice: Some(13), open_files: Some(77), user: None };
    let case = command(&path);
    let before = text(&case.run()).to_owned();
    let report = case.clone().with(|spec| spec.identity = identity).run();
    assert_eq!(text(&report), "13\n77\n77\n");
    assert_eq!(text(&case.run()), before, "the agent's own is as it was");
}

#[test]
fn strays_of_another_user_end_at_the_deadline() {
    let Some(_oracle) = as_root("a command of another user") else { return };
    let directory = open_directory();
    let own = directory.path().join("pids");
    std::fs::create_dir(&own).unwrap();
    set_mode(&own, 0o777);
    let stray = "sh -c 'echo $$ >$0; trap : TERM; while :; do sleep 60; done'";
    let body = format!(
        "#!/bin/sh\ncd {}\n{stray} a & setsid {stray} b &\n\
         until [ -s a ] && [ -s b ]; do sleep 0.01; done\n: >all\nsleep 300\n",
        own.display()
    );
    let path = script(directory.path(), "strays", &body);
    let case = with_user(&path, &somebody(1)).timeout(5_000).grace(100);
    let report = case.run();
    assert_eq!(report.outcome, OutcomeKind::Timeout, "{report:?}");
    assert!(own.join("all").exists(), "they were there before the deadline");
    for name in ["a", "b"] {
        let pid = pid_in_line(&own.join(name));
        eventually("its end", || !alive(pid));
    }
}

fn pid_in_line(path: &Path) -> i32 {
    let text = std::fs::read_to_string(path).unwrap();
    std::fs::write(path, text.trim_end()).unwrap();
    pid_in(path)
}

/// A change of user makes memory undumpable, which a child shares with its host until its execve.
#[test]
fn the_host_can_be_dumped_as_before() {
    let Some(_oracle) = as_root("a command of another user") else { return };
    let dumpable = nix::sys::prctl::get_dumpable().unwrap();
    std::thread::scope(|scope| {
        for number in 1..9 {
            scope.spawn(move || {
                let case = with_user(Path::new("/bin/true"), &somebody(number));
                for _ in 0..25 {
                    assert_eq!(case.run().outcome, OutcomeKind::Ok);
                }
            });
        }
    });
    assert!(dumpable, "the counter-example needs a host that can be dumped");
    eventually("the last start to be over", || nix::sys::prctl::get_dumpable().unwrap());
}

#[test]
fn a_program_that_the_user_may_not_execute_is_named_with_the_user() {
    let Some(_oracle) = as_root("a command of another user") else { return };
    let directory = open_directory();
    let path = script(directory.path(), "private", "#!/bin/sh\n");
    set_mode(&path, 0o700);
    let user = somebody(1);
    let report = with_user(&path, &user).run();
    assert_eq!(report.reason, Some(FailureReason::CommandDenied), "{report:?}");
    let who = format!("cannot be executed by user 'somebody-1' (uid {0}, gid {0}): ", user.uid);
    assert!(report.message.contains(&who), "{}", report.message);
    assert!(report.message.contains("(EACCES) (mode 0700)"), "{}", report.message);
    set_mode(&path, 0o755);
    set_mode(directory.path(), 0o700);
    let report = with_user(&path, &user).run();
    assert!(report.message.contains(&who), "its directory is closed: {}", report.message);
}
