//! Hosts that may not give what they are to give, and hosts that are spared when memory runs out:
//! each in a process of its own.

use mesos_command::hook::Hook;
use mesos_command::outcome::OutcomeKind;
use mesos_command::sys::{Identity, User};
use nix::mount::{MsFlags, mount};
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{Gid, Uid};
use test_support::{own_process_with, skip};

use crate::identity::{open_directory, somebody, text, with_user};
use crate::seccomp::refuse;
use crate::support::{command, runner, script, serial};

const HOST: &str = "IDENTITY_TEST_HOST";

fn in_own_process(host: &str) {
    let _oracle = serial();
    let _ = own_process_with("identity_hosts::in_subprocess", &[(HOST, host)]);
}

#[test]
#[ignore = "started by the other tests of this module"]
fn in_subprocess() {
    match std::env::var(HOST).as_deref() {
        Ok("spared") => host_that_is_spared(),
        Ok("not-spared") => host_that_is_not_spared(),
        Ok("not-root") => host_that_is_not_root(),
        Ok(refused) if refused.ends_with("=EPERM") => host_that_is_refused(refused),
        other => panic!("started without a host: {other:?}"),
    }
}

const SCORE: &str = "#!/bin/sh\ncat /proc/self/oom_score_adj >\"$2\"\n";

/// The process's own, whatever is mounted over `/proc/self/oom_score_adj`.
fn own_score() -> i32 {
    let text = std::fs::read_to_string("/proc/thread-self/oom_score_adj").unwrap();
    text.trim().parse().unwrap()
}

#[test]
fn a_host_that_is_spared_when_memory_runs_out_starts_commands_that_are_not() {
    if !Uid::effective().is_root() {
        return skip("an oom_score_adj below 0", "only root may have one");
    }
    in_own_process("spared");
}

/// Where even root may not have an `oom_score_adj` below 0 (it lacks CAP_SYS_RESOURCE), the host is
/// told that it has one by a file that is mounted over it, and has one above 0.
fn host_that_is_spared() {
    let directory = open_directory();
    let path = script(directory.path(), "score", SCORE);
    let mut score = -500;
    if std::fs::write("/proc/self/oom_score_adj", "-500").is_err() {
        score = 300;
        std::fs::write("/proc/self/oom_score_adj", "300").unwrap();
        let told = directory.path().join("told");
        std::fs::write(&told, "-500\n").unwrap();
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
        let own = format!("/proc/{}/oom_score_adj", std::process::id());
        mount(Some(&told), own.as_str(), None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
    }
    let oracle = serial();
    for _ in 0..3 {
        let report = command(&path).run();
        assert_eq!((text(&report), own_score()), ("0\n", score), "the host keeps its own");
    }
    let report = with_user(&path, &somebody(1)).run();
    assert_eq!((text(&report), own_score()), ("0\n", score));
    oracle.check();
}

#[test]
fn a_host_that_is_not_spared_gives_its_own_oom_score_adj_on() {
    in_own_process("not-spared");
}

fn host_that_is_not_spared() {
    std::fs::write("/proc/self/oom_score_adj", "300").unwrap();
    let directory = open_directory();
    let path = script(directory.path(), "score", SCORE);
    let _oracle = serial();
    assert_eq!(text(&command(&path).run()), "300\n");
    assert_eq!(own_score(), 300);
}

#[test]
fn what_a_host_may_not_give_is_refused_when_it_is_loaded_and_named_when_it_is_tried() {
    if !Uid::effective().is_root() {
        return skip("a host that is not root", "the test has to become another user");
    }
    in_own_process("not-root");
}

fn host_that_is_not_root() {
    let directory = open_directory();
    let path = script(directory.path(), "id", "#!/bin/sh\nid -u >\"$2\"\n");
    let id = somebody(3).uid;
    nix::unistd::setgroups(&[Gid::from_raw(id)]).unwrap();
    nix::unistd::setresgid(Gid::from_raw(id), Gid::from_raw(id), Gid::from_raw(id)).unwrap();
    nix::unistd::setresuid(Uid::from_raw(id), Uid::from_raw(id), Uid::from_raw(id)).unwrap();
    let hard = 1000;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let event = "hook_slave_post_fetch_hook";
    let create = |suffix: &str, value: &str| {
        let parameters = [
            ("module_name".to_owned(), "not-root".to_owned()),
            (format!("{event}_command"), path.display().to_string()),
            (format!("{event}_{suffix}"), value.to_owned()),
        ];
        Hook::create(&parameters).map_err(|error| error.to_string())
    };
    let above = (hard + 1).to_string();
    for (suffix, value, why) in [
        ("user", "nobody", "it lacks CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_KILL, CAP_SETGID"),
        ("nice", "-5", "it lacks CAP_SYS_NICE: accepted are "),
        ("rlimit_nofile", &above, "it lacks CAP_SYS_RESOURCE: accepted are 16 to "),
    ] {
        let refusal = create(suffix, value).expect_err("it is refused");
        let begin = format!("parameter '{event}_{suffix}' has the value '{value}': ");
        assert!(refusal.starts_with(&begin) && refusal.contains(why), "{refusal}");
    }
    // Its own user is nothing else.
    create("user", &format!("{id}:{id}")).expect("it is that already");
    let tries = |identity: Identity| {
        let report = command(&path).with(|spec| spec.identity = identity).run();
        assert_eq!(report.outcome, OutcomeKind::SpawnError, "{report:?}");
        report.message
    };
    let none = Identity::default();
    let user = User { name: "root".into(), uid: 0, gid: 0, groups: [0].into() };
    // Its files cannot be given away either, which comes first.
    let message = tries(Identity { user: Some(user), ..none.clone() });
    assert!(message.contains("cannot make the command's files"), "{message}");
    let message = tries(Identity { nice: Some(-20), ..none.clone() });
    assert!(message.contains("its niceness cannot be -20 (parameter 'isolator_prepare_nice')"));
    let message = tries(Identity { open_files: Some(hard + 1), ..none });
    assert!(message.contains("(parameter 'isolator_prepare_rlimit_nofile'): "), "{message}");
}

const REFUSED: [(&str, &str); 5] = [
    ("setpriority=EPERM", "its niceness cannot be 5 (parameter 'isolator_prepare_nice'): "),
    (
        "prlimit64=EPERM",
        "its limit of open files cannot be 99 (parameter 'isolator_prepare_rlimit_nofile'): ",
    ),
    ("setgroups=EPERM", "it cannot become user 'somebody-1' "),
    ("setresgid=EPERM", "it cannot become user 'somebody-1' "),
    ("setresuid=EPERM", "it cannot become user 'somebody-1' "),
];

#[test]
fn every_step_that_is_refused_keeps_the_program_from_being_started() {
    if !Uid::effective().is_root() {
        return skip("refused steps", "only root may become another user");
    }
    REFUSED.iter().for_each(|(refused, _)| in_own_process(refused));
}

fn host_that_is_refused(refused: &str) {
    let directory = open_directory();
    let path = script(directory.path(), "never", "#!/bin/sh\n: >\"${0%/*}/started\"\n");
    let case = with_user(&path, &somebody(1));
    let case =
        case.with(|spec| (spec.identity.nice, spec.identity.open_files) = (Some(5), Some(99)));
    runner();
    refuse(refused);
    let report = case.run();
    assert_eq!(report.outcome, OutcomeKind::SpawnError, "{report:?}");
    let begin = format!("cannot start command '{}': ", path.display());
    let (_, what) = REFUSED.iter().find(|(list, _)| *list == refused).unwrap();
    assert!(report.message.starts_with(&begin), "{}", report.message);
    assert!(report.message.contains(what), "{}", report.message);
    assert!(report.message.contains("Operation not permitted (EPERM)"), "{}", report.message);
    assert!(!directory.path().join("started").exists());
}
