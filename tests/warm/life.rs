//! The life of a warm interpreter: what replaces it, what becomes of calls meanwhile, and what is
//! left.

use std::collections::BTreeSet;
use std::time::Duration;

use mesos_command::command::{Containment, Limits};
use mesos_command::containment::choose;
use mesos_command::outcome::{OutcomeKind, WarmStart};
use mesos_command::run::{Lifetime, RunReport, Runner};
use mesos_command::worker::Recycling;
use test_support::{skip, wait_for};

use crate::support::{Choice, PATIENCE, Rig, until, write};

/// Writes `value` to the output.
fn answers(value: &str) -> Vec<u8> {
    format!("import json, sys\njson.dump({value}, open(sys.argv[2], 'w'))\n").into_bytes()
}

fn text(report: &RunReport) -> String {
    assert_eq!(report.outcome, OutcomeKind::Ok, "{report:?}");
    String::from_utf8(report.output.clone()).unwrap()
}

#[test]
fn each_call_has_a_process_of_its_own_with_chances_of_its_own() {
    let rig = Rig::new(
        "",
        b"import json, os, random, sys, uuid\n\
          found = [os.getpid(), random.random(), str(uuid.uuid4()), len(sys.argv)]\n\
          json.dump(found, open(sys.argv[2], 'w'))\n",
        Choice::default(),
    );
    let found: BTreeSet<String> = (0..20).map(|_| text(&rig.warm())).collect();
    assert_eq!(found.len(), 20);
    let fields: Vec<Vec<&str>> = found.iter().map(|text| text.split(", ").collect()).collect();
    for field in 0..3 {
        let values: BTreeSet<&str> = fields.iter().map(|fields| fields[field]).collect();
        assert_eq!(values.len(), 20, "{values:?}");
    }
    rig.finish();
}

#[test]
fn a_changed_script_is_run_as_it_is_now_at_once() {
    let rig = Rig::new("", &answers("1"), Choice::default());
    assert_eq!(text(&rig.warm()), "1");
    for value in 2..6 {
        write(&rig.path(), "", &answers(&value.to_string()));
        assert_eq!(text(&rig.run(true)), value.to_string(), "however it is started");
        until("a new interpreter", || {
            let report = rig.run(true);
            assert_eq!(text(&report), value.to_string());
            report.warm_start == Some(WarmStart::Warm)
        });
    }
    rig.log.wait("script.py has changed");
    rig.finish();
}

#[test]
fn a_module_beside_the_script_is_as_it_is_now() {
    let rig = Rig::of(tempfile::tempdir().unwrap(), "", b"import beside\n", Choice::default());
    let beside = rig.directory.path().join("beside.py");
    for value in ["1", "22", "333"] {
        let body = format!("import sys\nopen(sys.argv[2], 'w').write('{value}')\n");
        std::fs::write(&beside, body).unwrap();
        assert_eq!(text(&rig.run(true)), value);
    }
    rig.finish();
}

#[test]
fn a_file_that_hides_a_module_of_the_library_is_found() {
    let rig = Rig::new(
        "",
        b"import json, sys\nopen(sys.argv[2], 'w').write(json.__doc__[:4])\n",
        Choice::default(),
    );
    assert_eq!(text(&rig.warm()), "JSON");
    std::fs::write(rig.directory.path().join("json.py"), "'mine'\n").unwrap();
    until("the other module", || {
        let report = rig.run(true);
        ["JSON", "mine"].contains(&text(&report).as_str()) && text(&report) == "mine"
    });
    assert_eq!(text(&rig.run(true)), "mine");
    rig.finish();
}

#[test]
fn a_look_from_outside_sees_the_interpreter_or_why_there_is_none() {
    let rig = Rig::new("", &answers("1"), Choice::default());
    rig.warm();
    let seen = rig.look();
    let interpreter = seen.interpreter.expect("an interpreter");
    assert!(rig.processes().contains(&interpreter.pid), "{interpreter:?}");
    assert!(interpreter.made > 0 && interpreter.rss_bytes.is_some_and(|it| it > 1 << 20));
    assert_eq!(seen.why, None);
    write(&rig.path(), "", b"import json\nimport\n");
    let why = wait_for("the reason", || {
        // The change is found when a process is made.
        rig.run(true);
        let seen = rig.look();
        seen.interpreter.is_none().then_some(seen.why).flatten()
    });
    assert!(why.contains("SyntaxError"), "{why}");
    assert_eq!(rig.look().ready, 0);
    write(&rig.path(), "", &answers("2"));
    until("another interpreter", || rig.look().interpreter.is_some());
    assert_eq!((text(&rig.run(true)), rig.look().why), ("2".to_owned(), None));
    rig.finish();
}

#[test]
fn a_burst_is_served_by_processes_of_its_own() {
    let rig = Rig::new("", &answers("1"), Choice { ready: 2, ..Choice::default() });
    rig.warm();
    let runs: Vec<_> = (0..40).map(|_| rig.start(true)).collect();
    let reports: Vec<_> = runs.iter().map(|run| run.recv_timeout(PATIENCE).unwrap()).collect();
    let pids: BTreeSet<_> = reports.iter().map(|report| report.pid).collect();
    assert_eq!(pids.len(), 40);
    assert!(reports.iter().all(|report| report.outcome == OutcomeKind::Ok));
    assert!(reports.iter().any(|report| report.warm_start == Some(WarmStart::Warm)));
    rig.finish();
}

#[test]
fn a_caller_that_blocks_is_served_too() {
    let rig = Rig::new("", &answers("1"), Choice::default());
    rig.warm();
    let runner = Runner::global().unwrap();
    until("a warm run", || {
        let report = runner.run_blocking(rig.request(true), None, None);
        assert_eq!(text(&report), "1");
        report.warm_start == Some(WarmStart::Warm)
    });
    rig.finish();
}

#[test]
fn an_interpreter_is_replaced_after_so_many_calls_and_none_fails() {
    let recycling = Recycling { requests: Some(5), ..Recycling::default() };
    let rig = Rig::new("", &answers("1"), Choice { recycling, ..Choice::default() });
    until("two others", || {
        assert_eq!(text(&rig.run(true)), "1");
        rig.metric("mesos_command_worker_restarts_total{") >= 2
    });
    rig.log.wait("requests and ends; another takes its place");
    assert_eq!(rig.metric("mesos_command_kills_total{"), 0, "each ended by itself");
    rig.finish();
}

#[test]
fn a_killed_interpreter_and_killed_processes_fail_no_call() {
    let rig = Rig::new("", &answers("1"), Choice { ready: 2, ..Choice::default() });
    for _ in 0..5 {
        for pid in rig.processes() {
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(pid),
                nix::sys::signal::Signal::SIGKILL,
            );
        }
        assert_eq!(text(&rig.run(true)), "1");
    }
    rig.log.wait("has ended; started again");
    assert_eq!(text(&rig.warm()), "1");
    rig.finish();
}

#[test]
fn a_script_that_cannot_be_run_warm_is_run_plainly() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::of(directory, "", b"this is no Python\n", Choice::default());
    rig.log.wait("SyntaxError");
    let report = rig.run(true);
    assert_eq!((report.outcome, report.exit_code), (OutcomeKind::Exit, Some(1)));
    assert_eq!(report.warm_start, Some(WarmStart::Plain));
    rig.finish();
}

#[test]
fn a_changed_first_line_is_obeyed() {
    let rig = Rig::new("", &answers("1"), Choice::default());
    rig.warm();
    std::fs::write(rig.path(), "#!/bin/sh\nprintf 2 >\"$2\"\n").unwrap();
    for _ in 0..3 {
        assert_eq!(text(&rig.run(true)), "2");
    }
    rig.log.wait("its first line is not what it was");
    assert_eq!(text(&rig.run(true)), "2");
    rig.finish();
}

#[test]
fn its_end_leaves_nothing_and_ends_what_runs() {
    let rig =
        Rig::new("", b"import time\ntime.sleep(60)\n", Choice { ready: 4, ..Choice::default() });
    until("processes that stand ready", || rig.processes().len() >= 5);
    rig.finish();
    let (lifetime, runner) = (Lifetime::begin(Duration::ZERO), Runner::global().unwrap());
    drop(runner);
    assert!(lifetime.end());
}

#[test]
fn a_process_has_a_cgroup_of_its_own() {
    let root = format!("mesos-command-test-warm-{}", std::process::id());
    let chosen = match choose(Containment::Cgroup, std::path::Path::new(&root)) {
        Ok(chosen) => chosen,
        Err(why) => return skip("a_process_has_a_cgroup_of_its_own", &why),
    };
    let cgroups = chosen.pool("warm", "isolator_prepare", Limits::default()).unwrap();
    let rig = Rig::new(
        "",
        b"import os, sys\n\
          if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        os.execv('/bin/sleep', ['sleep', '600'])\n    os._exit(0)\n\
          os.wait()\n\
          open(sys.argv[2], 'w').write(open('/proc/self/cgroup').read())\n",
        Choice { cgroups, ..Choice::default() },
    );
    let (plain, warm) = (rig.run(false), rig.warm());
    for report in [&plain, &warm] {
        assert!(text(report).contains(&root), "{report:?}");
        assert!(report.strays && report.kills.kill == 1, "the escaped one was ended: {report:?}");
        assert!(!report.uncontained);
    }
    rig.finish();
}

/// Keeps both sides of a fork from going on, in a process that has this in its path.
const HELD: &str = "import os, sys, time\n\
    def hold():\n    open(sys.argv[-1] + '.held', 'a').write('x')\n    time.sleep(600)\n\
    os.register_at_fork(after_in_parent=hold, after_in_child=hold)\n";

/// Both are killed before either can say that there is a process.
#[test]
fn a_process_is_reaped_that_was_killed_with_its_interpreter_before_anybody_heard_of_it() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("sitecustomize.py"), HELD).unwrap();
    let path = format!("PYTHONPATH={}", place.path().display()).into();
    let rig = Rig::new("", &answers("1"), Choice { environment: vec![path], ..Choice::default() });
    let held = rig.path().with_extension("py.held");
    until("both", || std::fs::read(&held).is_ok_and(|text| text.len() == 2));
    assert_eq!(rig.processes().len(), 2);
    assert_eq!(rig.look().ready, 0);
    rig.finish();
}
