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

#[path = "common/figure.rs"]
mod figure;
#[path = "common/median.rs"]
mod median;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio as StdStdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use mesos_command::command::{Background, CommandLine, Stdio};
use mesos_command::event::{Event, ModuleKind};
use mesos_command::metrics::ModuleMetrics;
use mesos_command::outcome::OutcomeKind;
use mesos_command::run::{CommandSpec, Request, RunReport, Runner};
use mesos_command::staging::{Input, IoMode};
use mesos_command::sys::Identity;
use mesos_command::worker::{Recycling, WorkerLog, WorkerPool, WorkerSettings};

use figure::{Figure, figure};
use median::median;

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

/// Makes so many calls.
type Calls = Box<dyn FnMut(usize)>;

/// One of the ways to make calls.
struct Side {
    name: &'static str,
    /// Of the first side: microseconds of a call. Of others: their rate, to that of the first.
    figure: Figure,
    calls: Calls,
    /// Seconds per call, per round.
    rounds: Vec<f64>,
}

struct Loud;

impl WorkerLog for Loud {
    fn failure(&self, text: &str) {
        eprintln!("{text}");
    }

    fn note(&self, text: &str) {
        eprintln!("{text}");
    }
}

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

    let script = directory.path().join("worker.py");
    std::fs::write(&script, PYTHON).expect("the script");
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("its mode");
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

fn measure(sides: &mut [Side], rounds: usize, slice: usize, turns: usize) {
    for side in &mut *sides {
        (side.calls)(slice);
    }
    for round in 0..rounds {
        let mut took = vec![Duration::ZERO; sides.len()];
        for turn in 0..turns {
            for index in 0..sides.len() {
                let which = (index + turn + round) % sides.len();
                let start = Instant::now();
                (sides[which].calls)(slice);
                took[which] += start.elapsed();
            }
        }
        for (side, took) in sides.iter_mut().zip(took) {
            side.rounds.push(took.as_secs_f64() / (slice * turns) as f64);
        }
    }
}

fn report(title: &str, sides: &[Side]) {
    println!("{title}");
    println!("{:<22} {:>10} {:>10}", "", "us a call", "rate x");
    for (place, side) in sides.iter().enumerate() {
        let relative = side.rounds.iter().zip(&sides[0].rounds).map(|(own, first)| first / own);
        let (micros, rate) = (median(side.rounds.iter().copied()) * 1e6, median(relative));
        println!("{:<22} {micros:>10.1} {rate:>10.2}", side.name);
        side.figure.print(if place == 0 { micros } else { rate });
    }
}

fn compile(directory: &Path) -> PathBuf {
    let worker = directory.join("worker");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/worker.c");
    let status = Command::new("cc").args(["-O2", source, "-o"]).arg(&worker).status();
    assert!(status.expect("a C compiler").success());
    worker
}

fn side(name: &'static str, figure: Figure, calls: Calls) -> Side {
    Side { name, figure, calls, rounds: Vec::new() }
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

fn spec(command: &Path, event: Event) -> Arc<CommandSpec> {
    Arc::new(CommandSpec {
        event,
        module: "bench".into(),
        command: CommandLine::Path(command.into()),
        environment: Arc::from([]),
        timeout: Some(Duration::from_secs(30)),
        kill_grace: Duration::from_secs(1),
        max_output_bytes: 1 << 20,
        io: IoMode::MemfdInput,
        stdio: Stdio::Capture,
        background: Background::Kill,
        identity: Identity::default(),
        temp_dir: None,
        cgroups: None,
    })
}

fn pool(spec: &Arc<CommandSpec>) -> WorkerPool {
    let settings = WorkerSettings {
        spec: spec.clone(),
        workers: 1,
        lane: None,
        stand_in: true,
        queue_limit: None,
        recycling: Recycling::default(),
        quarantine: None,
        metrics: ModuleMetrics::new("bench", ModuleKind::Isolator),
        log: Arc::new(Loud),
    };
    let pool = WorkerPool::start(Runner::global().expect("a runner"), settings);
    while pool.up() == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    pool
}

fn check(report: &RunReport, input: &[u8]) {
    assert_eq!(report.outcome, OutcomeKind::Ok, "{report:?}");
    assert!(report.by_worker && report.output.len() >= input.len());
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

/// Calls of a container's usage, as the module makes them: what continues a call makes the next
/// one. `at_once` of them are on their way, for one worker.
fn continued(worker: &Path, input: &Arc<[u8]>, at_once: usize) -> Calls {
    let spec = spec(worker, Event::Usage);
    let calls = Arc::new(Continued {
        pool: pool(&spec),
        spec,
        input: input.clone(),
        left: AtomicUsize::new(0),
        under_way: AtomicUsize::new(0),
        over: Barrier::new(2),
    });
    Box::new(move |count| {
        calls.left.store(count - at_once, Ordering::SeqCst);
        calls.under_way.store(at_once, Ordering::SeqCst);
        for _ in 0..at_once {
            calls.clone().make();
        }
        calls.over.wait();
    })
}

struct Continued {
    pool: WorkerPool,
    spec: Arc<CommandSpec>,
    input: Arc<[u8]>,
    /// Calls that are not made yet.
    left: AtomicUsize,
    /// Chains of calls that go on.
    under_way: AtomicUsize,
    over: Barrier,
}

impl Continued {
    fn make(self: Arc<Self>) {
        let request = Request::new(self.spec.clone(), Input::Text(self.input.clone()));
        let own = self.clone();
        self.pool.submit(request, None, move |report| {
            check(&report, &own.input);
            let more = |left: usize| left.checked_sub(1);
            if own.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok() {
                own.make();
            } else if own.under_way.fetch_sub(1, Ordering::SeqCst) == 1 {
                own.over.wait();
            }
        });
    }
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
