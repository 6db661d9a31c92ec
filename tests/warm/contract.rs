//! The contract: each script of `cases.txt` is run by a process that is started for it and by one
//! that is forked from a warm interpreter, and nothing that it or its caller sees differs.

use std::sync::Mutex;
use std::time::Duration;

use mesos_command::command::Stdio;
use mesos_command::outcome::{OutcomeKind, WarmStart};
use mesos_command::run::{Kills, RunReport};
use mesos_command::staging::IoMode;

use crate::support::{Choice, Rig};

const CASES: &str = include_str!("cases.txt");
/// As many as there are: none may be lost on the way.
const COUNT: usize = 122;
/// How many are played at a time.
const TOGETHER: usize = 4;
/// The deadline of those that are to meet it.
const SHORT: Duration = Duration::from_secs(3);

struct Case {
    name: &'static str,
    option: &'static str,
    body: &'static str,
}

fn cases() -> Vec<Case> {
    let parts = CASES.split("\n== ").skip(1);
    let case = |part: &'static str| {
        let (head, body) = part.split_once('\n').unwrap_or((part, ""));
        let (name, option) = head.split_once(" -").unwrap_or((head, ""));
        Case {
            name,
            option: &head[name.len()..head.len().min(name.len() + 2 + option.len())],
            body,
        }
    };
    parts.map(case).collect()
}

/// What is the same of two runs.
#[derive(Debug, PartialEq)]
struct Seen {
    outcome: OutcomeKind,
    exit_code: Option<i32>,
    signal: Option<i32>,
    message: String,
    output: Vec<u8>,
    error_file: Vec<u8>,
    text: String,
    strays: bool,
    kills: Kills,
}

fn seen(report: RunReport) -> Seen {
    let pid = report.pid.map(|pid| pid.to_string()).unwrap_or_default();
    let text = String::from_utf8_lossy(&report.stdio_tail).replace(&pid, "PID");
    Seen {
        outcome: report.outcome,
        exit_code: report.exit_code,
        signal: report.signal,
        message: report.message,
        output: report.output,
        error_file: report.error_file,
        text: without_addresses(&without_directory(&text)),
        strays: report.strays,
        kills: report.kills,
    }
}

/// The directory of a call has a number of its own.
fn without_directory(text: &str) -> String {
    let mut parts = text.split("/mesos-command.");
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.split_once('/').and_then(|(_, rest)| rest.split_once('/'));
        result.push_str("/CALL/");
        result.push_str(rest.map_or(part, |(_, rest)| rest));
    }
    result
}

fn without_addresses(text: &str) -> String {
    let mut parts = text.split("0x");
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        result.push_str("0x");
        result.push_str(part.trim_start_matches(|letter: char| letter.is_ascii_hexdigit()));
    }
    result
}

/// Plays a case; what differs.
fn play(case: &Case) -> Option<String> {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in
        [("beside.py", "VALUE = 42\n"), ("broken.py", "1/0\n"), ("colorsys.py", "HIDDEN = 1\n")]
    {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    let body = case.body.replace("{}", directory.path().to_str().unwrap());
    let body = match case.name.contains("encoding") {
        true => body.chars().map(|letter| letter as u8).collect(),
        false => body.into_bytes(),
    };
    let mut choice = Choice::default();
    if case.name.contains("ended") || ["a stop by TERM", "a deaf one"].contains(&case.name) {
        choice.timeout = SHORT;
    }
    let rig = Rig::of(directory, case.option, &body, choice);
    crate::support::wait_for("the interpreter", || {
        (rig.metric("mesos_command_worker_up") == 1).then_some(())
    });
    let (plain, warm) = (rig.run(false), rig.warm());
    assert_eq!(plain.warm_start, None);
    assert_eq!(warm.warm_start, Some(WarmStart::Warm));
    let (plain, warm) = (seen(plain), seen(warm));
    let different = (plain != warm).then(|| format!("{}: {plain:#?} {warm:#?}", case.name));
    rig.finish();
    different
}

#[test]
fn it_is_the_same_with_memfds_and_other_streams() {
    let body = b"import os, sys\n\
                 print(sys.stdin.read(), os.path.samestat(os.fstat(1), os.fstat(2)))\n\
                 with open(sys.argv[1]) as file, open(sys.argv[2], 'w') as output:\n    \
                     output.write(file.read() + str(os.isatty(1)) + os.readlink('/proc/self/fd/2'))\n\
                 open(sys.argv[3], 'w').write('why')\n\
                 sys.exit(len(sys.argv) - 4)\n";
    for io in [IoMode::Memfd, IoMode::MemfdInput, IoMode::SharedStdin] {
        for stdio in [Stdio::Null, Stdio::Inherit] {
            let rig = Rig::new("", body, Choice { io, stdio, ..Choice::default() });
            let (plain, warm) = (seen(rig.run(false)), seen(rig.warm()));
            assert_eq!(plain.outcome, OutcomeKind::Ok, "{plain:?}");
            assert_eq!(plain, warm, "{io:?} {stdio:?}");
            rig.finish();
        }
    }
}

#[test]
fn a_script_is_the_same_plainly_and_warm() {
    let queue = Mutex::new(cases());
    assert_eq!(queue.lock().unwrap().len(), COUNT);
    let different = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..TOGETHER {
            scope.spawn(|| {
                loop {
                    let Some(case) = queue.lock().unwrap().pop() else { return };
                    let found = play(&case);
                    different.lock().unwrap().extend(found);
                }
            });
        }
    });
    let different = different.into_inner().unwrap();
    assert!(different.is_empty(), "{} of {COUNT}: {}", different.len(), different.join("\n"));
}
