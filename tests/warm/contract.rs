//! The contract: each script of `cases.txt` is run by a process that is started for it and by one
//! that is forked from a warm interpreter, and nothing that it or its caller sees differs. A worker
//! that runs it answers the same, unless the table says why it cannot.

use std::io::Write;
use std::sync::Mutex;
use std::time::Duration;

use mesos_command::command::Stdio;
use mesos_command::outcome::{OutcomeKind, WarmStart};
use mesos_command::run::{Kills, RunReport};
use mesos_command::staging::IoMode;

use crate::by_worker::ByWorker;
use crate::support::{Choice, PATIENCE, Rig};

const CASES: &str = include_str!("cases.txt");
/// As many as there are, and as a worker plays: none may be lost on the way.
const COUNT: usize = 140;
const BY_WORKER: usize = 97;
/// Calls of a worker with each script: what one leaves of it serves the next one.
const CALLS: usize = 2;
/// The input of a script that is to have much of it.
const HUGE: usize = 8 << 20;
/// How many are played at a time.
const TOGETHER: usize = 4;
/// The deadline of those that are to meet it.
const SHORT: Duration = Duration::from_secs(3);
/// Those that a TERM does not end; the others have all the time that they need for that.
const DEAF: [&str; 2] = ["a deaf one", "a child that is ended with it"];

struct Case {
    name: &'static str,
    option: &'static str,
    body: &'static str,
    /// Why a worker cannot be the same.
    no_worker: Option<&'static str>,
}

fn cases() -> Vec<Case> {
    let parts = CASES.split("\n== ").skip(1);
    let case = |part: &'static str| {
        let (head, body) = part.split_once('\n').unwrap_or((part, ""));
        let (head, why) = head.split_once(" | ").unwrap_or((head, ""));
        let name = head.split_once(" -").map_or(head, |(name, _)| name);
        let no_worker = (!why.is_empty()).then_some(why);
        Case { name, option: &head[name.len()..], body, no_worker }
    };
    parts.map(case).collect()
}

/// What is the same of two runs.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) outcome: OutcomeKind,
    pub(crate) exit_code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) message: String,
    pub(crate) output: Vec<u8>,
    pub(crate) error_file: Vec<u8>,
    pub(crate) text: String,
    strays: bool,
    kills: Kills,
}

pub(crate) fn seen(report: RunReport) -> Seen {
    let pid = report.pid.map(|pid| pid.to_string()).unwrap_or_default();
    let text = without_what_differs(&String::from_utf8_lossy(&report.stdio_tail), &pid);
    Seen {
        outcome: report.outcome,
        exit_code: report.exit_code,
        signal: report.signal,
        message: report.message,
        output: report.output,
        error_file: report.error_file,
        text,
        strays: report.strays,
        kills: report.kills,
    }
}

/// Makes what a process prints of itself the same for all.
pub(crate) fn without_what_differs(text: &str, pid: &str) -> String {
    let text = if pid.is_empty() { text.to_owned() } else { text.replace(pid, "PID") };
    without_addresses(&without_directory(&text))
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
fn play(case: &Case) -> Vec<String> {
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
    if !DEAF.contains(&case.name) {
        // That of a busy machine.
        choice.kill_grace = PATIENCE;
    }
    if case.name.contains("huge input") {
        choice.input = format!("{{\"in\":\"{}\"}}", "x".repeat(HUGE)).into_bytes();
    }
    let rig = Rig::of(directory, case.option, &body, choice);
    crate::support::wait_for("the interpreter", || {
        (rig.metric("mesos_command_worker_up") == 1).then_some(())
    });
    let (plain, warm) = (rig.run(false), rig.warm());
    assert_eq!(plain.warm_start, None);
    assert_eq!(warm.warm_start, Some(WarmStart::Warm));
    let (plain, warm) = (seen(plain), seen(warm));
    let mut different = Vec::new();
    if plain != warm {
        different.push(format!("{}: {plain:#?} {warm:#?}", case.name));
    }
    if case.no_worker.is_none() {
        let worker = ByWorker::new(&rig, case.option);
        for _ in 0..CALLS {
            let found = worker.differs(&rig, &plain);
            different
                .extend(found.into_iter().map(|one| format!("{} by a worker: {one}", case.name)));
        }
        worker.finish();
    }
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
fn a_script_is_the_same_plainly_warm_and_by_a_worker() {
    let cases = cases();
    let by_worker = cases.iter().filter(|case| case.no_worker.is_none()).count();
    assert_eq!((cases.len(), by_worker), (COUNT, BY_WORKER));
    let queue = Mutex::new(cases);
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
    // Past the test harness, which hides what a test prints that passes.
    let counts = format!("contract: {COUNT} scripts plainly and warm, {by_worker} by a worker");
    let _ = writeln!(std::io::stderr(), "{counts}");
}

/// The counter-example: a worker that answers otherwise is noticed.
#[test]
fn a_worker_that_is_not_the_same_is_noticed() {
    for (body, what) in [
        (
            "import os, sys\nsys.exit(3 if 'MESOS_COMMAND_WORKER' in os.environ else 4)\n",
            "exit code",
        ),
        ("import os\nprint('MESOS_COMMAND_WORKER' in os.environ)\n", "printed"),
        ("import os, sys\nif 'MESOS_COMMAND_WORKER' in os.environ:\n    sys.exit(1)\n", "outcome"),
        (
            "import os, sys\n\
             open(sys.argv[2], 'w').write(str(int('MESOS_COMMAND_WORKER' in os.environ)))\n",
            "output 1",
        ),
    ] {
        let rig = Rig::new("", body.as_bytes(), Choice::default());
        let plain = seen(rig.run(false));
        let worker = ByWorker::new(&rig, "");
        let found = worker.differs(&rig, &plain);
        assert!(found[0].starts_with(what), "{found:?}");
        worker.finish();
        rig.finish();
    }
}
