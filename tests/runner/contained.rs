//! Containment level `cgroup`, at both versions of cgroups that the machine has. Each in a process
//! of its own, because a process chooses once.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use mesos_command::command::{Background, Containment, Limits};
use mesos_command::containment::{Level, SlotPool, choose};
use mesos_command::outcome::OutcomeKind;
use mesos_command::run::Request;
use mesos_command::staging::Input;
use test_support::{
    CGROUP_ROOT, CGROUP_VERSION, each_cgroup_version, own_process_by, own_process_with,
};

use crate::modes::by_posix_spawn;
use crate::support::{
    Case, alive, command, eventually, pid_in, private_directories, runner, script, serial,
};

/// As a version: no cgroups.
const GROUP: &str = "group";
/// Commands that a killed host leaves.
const LEFT: usize = 50;

fn each_version(test: &str, name: &str) {
    let _oracle = serial();
    if by_posix_spawn() {
        return refused_by_posix_spawn();
    }
    each_cgroup_version(test, &format!("contained::{name}"));
}

/// With this start method no child can begin in a cgroup.
fn refused_by_posix_spawn() {
    let refusal = choose(Containment::Cgroup, Path::new("never-made")).expect_err("refused");
    assert!(refusal.contains("MESOS_COMMAND_SPAWN"), "{refusal}");
}

fn directories(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter(|one| one.file_type().unwrap().is_dir()).map(|one| one.path()).collect()
}

/// The directory of this process's cgroups.
fn own_directory() -> PathBuf {
    let mount = match std::env::var(CGROUP_VERSION).unwrap().as_str() {
        "2" => " cgroup2 ",
        _ => "freezer",
    };
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let line = mounts.lines().find(|line| line.contains(mount)).unwrap();
    let root = Path::new(line.split(' ').nth(1).unwrap()).join(std::env::var(CGROUP_ROOT).unwrap());
    let prefix = format!("{}.", std::process::id());
    let is_own = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(&prefix);
    directories(&root).into_iter().find(is_own).expect("the directory of this process")
}

/// The processes in all cgroups of this process.
fn contained() -> Vec<i32> {
    let procs =
        |path: PathBuf| std::fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    let all: Vec<_> = directories(&own_directory()).into_iter().map(procs).collect();
    all.join("").lines().map(|line| line.parse().unwrap()).collect()
}

fn pool() -> Arc<SlotPool> {
    limited(Limits::default())
}

fn limited(limits: Limits) -> Arc<SlotPool> {
    let root = std::env::var(CGROUP_ROOT).unwrap();
    let chosen = choose(Containment::Cgroup, Path::new(&root)).expect("level cgroup");
    assert_eq!(chosen.level(), Level::Cgroup);
    chosen.pool("a/strange\nname", "isolator_usage", limits).unwrap().unwrap()
}

impl Case {
    fn in_cgroup(self, pool: &Arc<SlotPool>) -> Case {
        self.with(|spec| spec.cgroups = Some(pool.clone()))
    }
}

/// A shell script in a directory.
fn shell(directory: &Path, name: &str, text: &str) -> Case {
    command(script(directory, name, &format!("#!/bin/sh\n{text}\n")))
}

#[test]
fn nothing_escapes_the_end_of_a_run() {
    each_version("nothing_escapes_the_end_of_a_run", "escapes");
}

/// What is left running by a command that is over, as a script that writes the pid to `$0.pid`.
const ESCAPES: [(&str, &str); 5] = [
    ("session", "setsid sh -c 'printf %s $$ >\"$0.pid\"; exec sleep 600' \"$0\" &"),
    ("double-fork", "(setsid sh -c 'printf %s $$ >\"$0.pid\"; exec sleep 600' \"$0\" & )"),
    (
        "deaf",
        "setsid sh -c 'trap \"\" TERM HUP; printf %s $$ >\"$0.pid\"; while :; do sleep 1; done' \"$0\" &",
    ),
    ("stopped", "setsid sh -c 'printf %s $$ >\"$0.pid\"; kill -STOP $$' \"$0\" &"),
    (
        "forking",
        "setsid sh -c 'printf %s $$ >\"$0.pid\"; while :; do setsid sleep 600 & sleep 0.003; done' \"$0\" &",
    ),
];

#[test]
#[ignore = "started by nothing_escapes_the_end_of_a_run"]
fn escapes() {
    // Its directory's descriptor stays open.
    let pool = pool();
    let oracle = serial();
    let directory = tempfile::tempdir().unwrap();
    let started = "while [ ! -s \"$0.pid\" ]; do sleep 0.01; done";
    for (name, text) in ESCAPES {
        // It succeeds, and what it leaves is to be ended.
        let case =
            shell(directory.path(), name, &format!("{text}\n{started}\nprintf {{}} >\"$2\""));
        let case = case.in_cgroup(&pool).kill_background();
        for here in [false, true] {
            let pid = directory.path().join(format!("{name}.pid"));
            let _ = std::fs::remove_file(&pid);
            let report = if here { case.run_here() } else { case.run() };
            assert_eq!(report.outcome, OutcomeKind::Ok, "{name}: {report:?}");
            assert_eq!(report.output, b"{}", "{name}");
            assert!(!alive(pid_in(&pid)), "{name} is dead before the answer");
            assert_eq!(contained(), [0i32; 0], "{name}");
            assert!(report.strays && report.kills.kill > 0, "{name}: {report:?}");
            assert!(!report.uncontained);
        }
        // It does not end by itself.
        let name = format!("{name}-late");
        let case = shell(directory.path(), &name, &format!("{text}\n{started}\nsleep 600"));
        let report = case.in_cgroup(&pool).timeout(3000).grace(100).run();
        assert_eq!(report.outcome, OutcomeKind::Timeout, "{name}: {report:?}");
        assert!(!alive(pid_in(&directory.path().join(format!("{name}.pid")))), "{name}");
        assert_eq!(contained(), [0i32; 0], "{name}");
    }
    drop(oracle);
    runner().remove_directories();
}

#[test]
fn a_clean_cgroup_is_used_again_and_one_with_a_kill_is_not() {
    each_version("a_clean_cgroup_is_used_again_and_one_with_a_kill_is_not", "used_again");
}

#[test]
#[ignore = "started by a_clean_cgroup_is_used_again_and_one_with_a_kill_is_not"]
fn used_again() {
    let pool = pool();
    let oracle = serial();
    let directory = tempfile::tempdir().unwrap();
    let healthy = shell(directory.path(), "healthy", "sleep 0.002; printf {} >\"$2\"");
    let healthy = healthy.in_cgroup(&pool).kill_background();
    let hangs = shell(directory.path(), "hangs", "sleep 600 & setsid sleep 600 & sleep 600");
    let hangs = hangs.in_cgroup(&pool).kill_background().timeout(20).grace(0);
    for _ in 0..20 {
        assert_eq!(healthy.run().outcome, OutcomeKind::Ok);
    }
    // One is given back after the answer, when the next command may have begun.
    assert!(directories(&own_directory()).len() <= 3, "one after the other");
    for _ in 0..50 {
        assert_eq!(hangs.run().outcome, OutcomeKind::Timeout);
        let report = healthy.run();
        assert_eq!((report.outcome, report.signal), (OutcomeKind::Ok, None), "{report:?}");
    }
    eventually("the cgroups of what was killed are gone", || {
        // A retired one is looked at with the next.
        hangs.run();
        directories(&own_directory()).len() <= 3
    });
    drop(oracle);
    // Somebody cleans up behind us: the cgroups, and then their directory too.
    for with_directory in [false, true] {
        let own = own_directory();
        eventually("nothing but empty cgroups", || {
            directories(&own).iter().all(|one| std::fs::remove_dir(one).is_ok())
        });
        if with_directory {
            std::fs::remove_dir(&own).unwrap();
        }
        let report = healthy.run();
        assert_eq!((report.outcome, report.uncontained), (OutcomeKind::Ok, false), "{report:?}");
    }
    runner().remove_directories();
}

#[test]
fn the_next_start_ends_what_a_killed_host_left_and_nothing_else() {
    each_version("the_next_start_ends_what_a_killed_host_left_and_nothing_else", "next_start");
}

#[test]
fn the_next_start_ends_commands_without_a_cgroup_too() {
    let _oracle = serial();
    let _ = own_process_with("contained::next_start", &[(CGROUP_VERSION, GROUP)]);
}

#[test]
#[ignore = "started by the two tests above"]
fn next_start() {
    let directory = tempfile::tempdir().unwrap();
    let pids = directory.path().join("pids");
    let daemons = directory.path().join("daemons");
    std::fs::create_dir(&pids).unwrap();
    std::fs::create_dir(&daemons).unwrap();
    let mut host = Command::new(std::env::current_exe().unwrap())
        .args(["contained::host_that_is_killed", "--exact", "--ignored", "--nocapture"])
        .env("RUNNER_TEST_DIRECTORY", directory.path())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let count = |path: &Path| std::fs::read_dir(path).unwrap().count();
    eventually("commands that hang", || count(&pids) == 2 * LEFT && count(&daemons) == 2);
    if std::env::var(CGROUP_VERSION).as_deref() == Ok(GROUP) {
        // What a host has started in the moment of its death it may not have noted yet.
        eventually("a note on each", || noted_by(host.id()) == LEFT);
    }
    host.kill().unwrap();
    host.wait().unwrap();
    let numbers = |path: &Path| -> Vec<i32> {
        let entries = std::fs::read_dir(path).unwrap().flatten();
        entries.map(|entry| entry.file_name().to_str().unwrap().parse().unwrap()).collect()
    };
    assert!(numbers(&pids).into_iter().all(alive), "they survived their host");

    match std::env::var(CGROUP_VERSION).as_deref() {
        Ok(GROUP) => runner().check_temp_dir(None).unwrap(),
        _ => drop(pool()),
    }
    // A group is sent the signal, and its end is not waited for.
    eventually("their end", || !numbers(&pids).into_iter().any(alive));
    for daemon in numbers(&daemons) {
        assert!(alive(daemon), "what prepare started is none of that");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(daemon), nix::sys::signal::SIGKILL)
            .unwrap();
        eventually("the daemon's end", || !alive(daemon));
    }
    runner().remove_directories();
}

/// How many commands a process has noted as running.
fn noted_by(pid: u32) -> usize {
    let places = private_directories(pid).into_iter();
    let notes = places.flat_map(|place| std::fs::read(place.join("running")).unwrap_or_default());
    notes.collect::<Vec<u8>>().chunks_exact(16).filter(|note| **note != [0; 16]).count()
}

#[test]
#[ignore = "started by next_start"]
fn host_that_is_killed() {
    let directory = PathBuf::from(std::env::var_os("RUNNER_TEST_DIRECTORY").unwrap());
    let pool = (std::env::var(CGROUP_VERSION).as_deref() != Ok(GROUP)).then(pool);
    let daemon = "setsid sh -c ': >\"${0%/*}/daemons/$$\"; exec sleep 600' \"$0\" &\nsleep 0.2";
    for background in [Background::Keep, Background::Container] {
        let case = shell(&directory, "daemon", daemon).with(|spec| spec.cgroups = pool.clone());
        let case = case.with(|spec| spec.background = background);
        let request = Request { container_id: Some("c1".into()), ..case.request() };
        let report = runner().run_blocking(request, None, None);
        assert_eq!(report.outcome, OutcomeKind::Ok, "{report:?}");
    }
    let hangs = ": >\"${0%/*}/pids/$$\"\n\
        setsid sh -c ': >\"${0%/*}/pids/$$\"; exec sleep 600' \"$0\" &\nsleep 600";
    let case = shell(&directory, "hangs", hangs).timeout(600_000);
    let case = case.with(|spec| spec.cgroups = pool);
    for _ in 0..LEFT {
        let input = Input::Text(b"{}".as_slice().into());
        let request = Request::new(Arc::new(case.spec.clone()), input);
        runner().submit(request, None, None, |_| ());
    }
    std::thread::sleep(Duration::from_secs(600));
}

#[test]
fn limits_hold_for_a_command_and_its_children_together() {
    each_version("limits_hold_for_a_command_and_its_children_together", "limits");
}

#[test]
#[ignore = "started by limits_hold_for_a_command_and_its_children_together"]
fn limits() {
    let pool = limited(Limits { memory: Some(64 << 20), pids: Some(20) });
    let oracle = serial();
    let directory = tempfile::tempdir().unwrap();
    let fine = shell(directory.path(), "fine", "printf {} >\"$2\"");
    let fine = fine.in_cgroup(&pool).kill_background();
    assert_eq!(fine.run().outcome, OutcomeKind::Ok);

    // A string that doubles, in the shell itself and in a child of it.
    let grow = "x=0123456789abcdef; while :; do x=$x$x; done";
    let resident = resident();
    for (name, text) in [("leaks", grow.to_owned()), ("its-child-leaks", format!("sh -c '{grow}'"))]
    {
        let case = shell(directory.path(), name, &text).in_cgroup(&pool).kill_background();
        let report = case.run();
        assert_eq!(report.outcome, OutcomeKind::Oom, "{name}: {report:?}");
        assert!(report.message.contains("prepare_memory_max"), "{}", report.message);
        assert!(report.message.contains("67108864 bytes"), "{}", report.message);
        let report = fine.run();
        assert_eq!(report.outcome, OutcomeKind::Ok, "the next call works: {report:?}");
    }
    assert!(resident.abs_diff(self::resident()) < 16 << 20, "nothing of it is the host's");

    // A loop of forks ends in the shell's own error.
    let bomb = "i=0; while [ $i -lt 100 ]; do i=$((i+1)); sleep 600 & done";
    let case = shell(directory.path(), "bomb", bomb).in_cgroup(&pool).kill_background();
    let report = case.run();
    assert_eq!(report.outcome, OutcomeKind::Exit, "{report:?}");
    assert!(report.message.contains("prepare_pids_max"), "{report:?}");
    assert!(report.message.contains("20 processes"), "{}", report.message);
    assert_eq!(contained(), [0i32; 0]);
    assert_eq!(fine.run().outcome, OutcomeKind::Ok);
    drop(oracle);
    runner().remove_directories();
}

/// Resident memory of this process in bytes.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
fn without_a_cgroup_file_system_the_reason_is_told() {
    let _oracle = serial();
    if by_posix_spawn() {
        return refused_by_posix_spawn();
    }
    if !nix::unistd::geteuid().is_root() {
        let reason = choose(Containment::Cgroup, Path::new("x")).unwrap_err();
        assert!(reason.contains("root"), "{reason}");
        return;
    }
    let wrapper = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        "umount --all --types cgroup,cgroup2 && exec \"$0\" \"$@\"",
    ];
    let _ = own_process_by(&wrapper, "contained::no_cgroups", &[]);
}

#[test]
#[ignore = "started by without_a_cgroup_file_system_the_reason_is_told"]
fn no_cgroups() {
    let reason = choose(Containment::Cgroup, Path::new("x")).unwrap_err();
    assert!(reason.contains("cgroup v2 is not mounted"), "{reason}");
    assert!(reason.contains("freezer"), "{reason}");
    let chosen = choose(Containment::Auto, Path::new("x")).unwrap();
    assert_eq!((chosen.level(), chosen.reason), (Level::Group, reason));
    let chosen = choose(Containment::Group, Path::new("x")).unwrap();
    assert_eq!((chosen.level(), &*chosen.reason), (Level::Group, ""));
    assert!(chosen.pool("m", "isolator_usage", Limits::default()).unwrap().is_none());
    let limits = Limits { memory: None, pids: Some(3) };
    let refusal = chosen.pool("m", "isolator_usage", limits).unwrap_err();
    assert_eq!(refusal.parameter, "pids_max");
    assert!(refusal.reason.contains("containment level 'cgroup'"), "{}", refusal.reason);
}
