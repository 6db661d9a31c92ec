//! Calls of persistent workers, next to what they replace.
//!
//! * A C worker through the pool, next to a bare loop of write and read over pipes with the very
//!   same program and 2 KiB of JSON each way: one call after the other, and with eight waiting.
//! * A Python worker through the pool, next to starting the same program for each call.
//!
//! The sides alternate in short slices, so that what else goes on in the machine hits all; the
//! results are medians of the rounds' ratios. Everything runs on one processor: a round trip is two
//! switches, and where there are several, chance decides whether the two ends share one (7 µs) or
//! each wakes another (70 µs). Usage: `cargo bench --bench worker [-- rounds]`; `spread` instead of
//! a number leaves the processors to the scheduler.

#[path = "common/commands.rs"]
mod commands;
#[path = "common/figure.rs"]
mod figure;
#[path = "common/median.rs"]
mod median;
#[path = "common/pools.rs"]
mod pools;
#[path = "common/scripts.rs"]
mod scripts;
#[path = "common/sides.rs"]
mod sides;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio as StdStdio};
use std::sync::Arc;

use mesos_command::event::Event;
use mesos_command::outcome::OutcomeKind;
use mesos_command::run::{Request, Runner};
use mesos_command::staging::Input;

use figure::figure;
use pools::{Calls, check, continued, pool, spec};
use scripts::write_script;
use sides::{measure, report, side};

/// Calls of a slice; each side has one slice per turn.
const SLICE: usize = 50;
/// Turns of a round.
const TURNS: usize = 20;

const PYTHON: &str = r#"#!/usr/bin/python3 -IS
import json, os, sys
if "MESOS_COMMAND_WORKER" in os.environ:
    for line in sys.stdin:
        request = json.loads(line)
        answer = {"id": request["id"], "output": request["input"]} if "id" in request else {"ready": 1}
        print(json.dumps(answer), flush=True)
else:
    json.dump(json.load(open(sys.argv[1])), open(sys.argv[2], "w"))
"#;

fn main() {
    let arguments: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let rounds = arguments.first().copied().unwrap_or(15).max(9);
    if !std::env::args().any(|argument| argument == "spread") {
        stay_on_one_processor();
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let input: Arc<[u8]> = format!("{{\"text\":\"{}\"}}", "x".repeat(2000)).into_bytes().into();

    let worker = compile(directory.path());
    let hook = Event::SlaveRunTaskLabelDecorator;
    let mut sides = vec![
        side("bare pipe loop", figure!("worker: bare pipe loop", "us"), bare(&worker, &input)),
        side(
            "hook, one by one",
            figure!("worker: hook, one by one", "x rate"),
            sequential(&worker, &input, hook),
        ),
        side(
            "usage, one by one",
            figure!("worker: usage, one by one", "x rate"),
            continued(&worker, &input, 1),
        ),
        side(
            "usage, eight waiting",
            figure!("worker: usage, eight waiting", "x rate"),
            continued(&worker, &input, 8),
        ),
        side(
            "usage, waited for",
            figure!("worker: usage, waited for", "x rate"),
            sequential(&worker, &input, Event::Usage),
        ),
    ];
    measure(&mut sides, rounds, SLICE, TURNS);
    report("C worker, 2 KiB each way; target 0.7 x the bare loop's rate", &sides);

    let script = write_script(directory.path(), "worker.py", PYTHON);
    let mut sides = vec![
        side(
            "started each time",
            figure!("worker: started each time", "us"),
            spawned(&script, &input),
        ),
        side(
            "worker, one by one",
            figure!("worker: worker, one by one", "x rate"),
            sequential(&script, &input, Event::Usage),
        ),
    ];
    measure(&mut sides, rounds, 4, 2);
    report("Python worker; target 100 x the rate of starting python3 -IS", &sides);
}

/// Before any thread or worker is started: they inherit it.
fn stay_on_one_processor() {
    let own = nix::unistd::Pid::from_raw(0);
    let allowed = nix::sched::sched_getaffinity(own).expect("the processors");
    let mut one = nix::sched::CpuSet::new();
    let last = (0..nix::sched::CpuSet::count()).rev().find(|cpu| allowed.is_set(*cpu) == Ok(true));
    one.set(last.expect("a processor")).expect("a number within the set");
    nix::sched::sched_setaffinity(own, &one).expect("it may be chosen");
}

fn compile(directory: &Path) -> PathBuf {
    let worker = directory.join("worker");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/worker.c");
    let status = Command::new("cc").args(["-O2", source, "-o"]).arg(&worker).status();
    assert!(status.expect("a C compiler").success());
    worker
}

fn bare(worker: &Path, input: &[u8]) -> Calls {
    // It ends with its pipes when the bench does, and is nobody's to wait for then.
    #[expect(clippy::zombie_processes, reason = "it lives as long as the bench")]
    let mut child = Command::new(worker)
        .stdin(StdStdio::piped())
        .stdout(StdStdio::piped())
        .spawn()
        .expect("the worker starts");
    let mut stdin = child.stdin.take().expect("piped");
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    say(&mut stdin, &mut stdout, b"{\"mesos_command_worker\":1}\n", &mut line);
    let mut request = b"{\"id\":7,\"event\":\"isolator_usage\",\"input\":".to_vec();
    request.extend_from_slice(input);
    request.extend_from_slice(b"}\n");
    Box::new(move |calls| {
        for _ in 0..calls {
            say(&mut stdin, &mut stdout, &request, &mut line);
            assert!(line.starts_with("{\"id\":7,"), "{line}");
        }
    })
}

fn say(
    stdin: &mut ChildStdin,
    stdout: &mut BufReader<ChildStdout>,
    text: &[u8],
    line: &mut String,
) {
    stdin.write_all(text).expect("written");
    line.clear();
    stdout.read_line(line).expect("read");
}

fn sequential(worker: &Path, input: &Arc<[u8]>, event: Event) -> Calls {
    let spec = spec(worker, event);
    let pool = pool(&spec);
    let input = input.clone();
    Box::new(move |calls| {
        for _ in 0..calls {
            let request = Request::new(spec.clone(), Input::Text(input.clone()));
            check(&pool.run_blocking(request), &input);
        }
    })
}

fn spawned(script: &Path, input: &Arc<[u8]>) -> Calls {
    let runner = Runner::global().expect("a runner");
    let spec = spec(script, Event::Usage);
    let input = input.clone();
    Box::new(move |calls| {
        for _ in 0..calls {
            let request = Request::new(spec.clone(), Input::Text(input.clone()));
            let report = runner.run_blocking(request, None, None);
            assert_eq!(report.outcome, OutcomeKind::Ok, "{report:?}");
        }
    })
}
