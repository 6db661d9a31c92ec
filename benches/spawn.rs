//! One call of the trivial script through the runner, next to the same argv and environment by
//! `posix_spawn` and `waitpid`, and next to the way one writes first: `std::process::Command` with
//! pipes, and three temporary files.
//!
//! The two sides alternate in short rounds, so that what else goes on in the machine hits both;
//! the result is the median of the rounds' ratios. Absolute times of a virtual machine mean little.
//! Usage: `cargo bench --bench spawn [-- rounds calls [descriptors MiB]]`; the last two make the
//! host a large one: so many more open descriptors, so much touched memory.

#![expect(clippy::disallowed_methods, reason = "the bare side is to be bare")]

#[path = "common/median.rs"]
mod median;

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mesos_command::command::{Background, CommandLine, Stdio};
use mesos_command::event::Event;
use mesos_command::outcome::OutcomeKind;
use mesos_command::run::{CommandSpec, LaneQueue, Request, Runner};
use mesos_command::staging::SealedInput;
use mesos_command::staging::{Input, IoMode};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, posix_spawn};
use nix::sys::wait::{WaitStatus, waitpid};

use median::median;

const SCRIPT: &str = "#!/bin/sh\nprintf '{}' >\"$2\"\n";
const INPUT: &[u8] = br#"{"container_id":{"value":"5a2f1c3e-0d7b-4a55-9d0e-2f6b8c1d7e90"}}"#;

/// One of the ways to make the call.
struct Side {
    name: &'static str,
    call: Box<dyn Fn()>,
    seen: Vec<Duration>,
    /// Of each call through the runner: until its process is created, the start, all.
    spent: Option<Arc<Mutex<Vec<[Duration; 3]>>>>,
    /// Per round: median and 99th percentile.
    rounds: Vec<[f64; 2]>,
}

fn main() {
    let arguments: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let rounds = arguments.first().copied().unwrap_or(15).max(9);
    let calls = arguments.get(1).copied().unwrap_or(100);

    let null = std::fs::File::open("/dev/null").expect("/dev/null");
    let _descriptors: Vec<_> = (0..arguments.get(2).copied().unwrap_or(0))
        .map(|_| null.try_clone().expect("RLIMIT_NOFILE is high enough"))
        .collect();
    let memory = vec![1u8; arguments.get(3).copied().unwrap_or(0) << 20];
    std::hint::black_box(&memory);

    // In memory, like the runner's own directories: a disk file system would slow the bare side.
    let shared = Path::new("/dev/shm");
    let parent = if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() };
    let directory = tempfile::tempdir_in(parent).expect("a temporary directory");
    let script = directory.path().join("trivial");
    std::fs::write(&script, SCRIPT).expect("the script");
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("its mode");
    let environment: Arc<[OsString]> = std::env::vars_os()
        .map(|(mut entry, value)| {
            entry.push("=");
            entry.push(value);
            entry
        })
        .collect();

    let mut sides = vec![
        bare(&script, directory.path(), &environment),
        runner("launch, files", &script, &environment, Event::Prepare, IoMode::Files),
        runner(
            "hook, files",
            &script,
            &environment,
            Event::SlaveRunTaskLabelDecorator,
            IoMode::Files,
        ),
        runner("usage, memfd input", &script, &environment, Event::Usage, IoMode::MemfdInput),
        runner("usage, files", &script, &environment, Event::Usage, IoMode::SharedStdin),
        naive(&script),
    ];
    for side in &sides {
        (0..20).for_each(|_| (side.call)());
    }
    for round in 0..rounds {
        let count = sides.len();
        // Small slices, and another one first each time.
        for slice in 0..calls.div_ceil(5) {
            for index in 0..count {
                let side = &mut sides[(index + slice + round) % count];
                for _ in 0..5 {
                    let start = Instant::now();
                    (side.call)();
                    side.seen.push(start.elapsed());
                }
            }
        }
        for side in &mut sides {
            side.seen.sort_unstable();
            let at = |q: f64| {
                let last = side.seen.len() - 1;
                side.seen[(last as f64 * q).round() as usize].as_secs_f64() * 1e6
            };
            side.rounds.push([at(0.5), at(0.99)]);
            side.seen.clear();
        }
    }
    report(&sides, rounds, calls);
}

fn report(sides: &[Side], rounds: usize, calls: usize) {
    println!("{rounds} rounds of {calls} calls; medians of the rounds, ratios to bare");
    println!("{:<20} {:>9} {:>9} {:>7} {:>7}", "", "p50 us", "p99 us", "p50 x", "p99 x");
    for side in sides {
        let pick = |which: usize, relative: bool| {
            let rounds = side.rounds.iter().zip(&sides[0].rounds);
            let figure = |(own, bare): (&[f64; 2], &[f64; 2])| {
                if relative { own[which] / bare[which] } else { own[which] }
            };
            median(rounds.map(figure))
        };
        println!(
            "{:<20} {:>9.0} {:>9.0} {:>7.3} {:>7.3}",
            side.name,
            pick(0, false),
            pick(1, false),
            pick(0, true),
            pick(1, true)
        );
    }
    println!("medians in us:        prepared, start, until answered");
    for side in sides {
        let Some(spent) = &side.spent else { continue };
        let spent = spent.lock().expect("no panics");
        let median = |which: usize| {
            let mut times: Vec<Duration> = spent.iter().map(|times| times[which]).collect();
            times.sort_unstable();
            times[times.len() / 2].as_micros()
        };
        println!("{:<20} {:>11} {:>6} {:>15}", side.name, median(0), median(1), median(2));
    }
}

fn side(name: &'static str, call: impl Fn() + 'static) -> Side {
    Side { name, call: Box::new(call), seen: Vec::new(), spent: None, rounds: Vec::new() }
}

fn bare(script: &Path, directory: &Path, environment: &[OsString]) -> Side {
    let c = |bytes: &[u8]| CString::new(bytes).expect("no NUL");
    let path = |name: &str| c(directory.join(name).as_os_str().as_bytes());
    for name in ["input", "output", "error"] {
        std::fs::write(directory.join(name), INPUT).expect("a file");
    }
    let program = c(script.as_os_str().as_bytes());
    let argv = [program.clone(), path("input"), path("output"), path("error")];
    let envp: Vec<CString> = environment.iter().map(|entry| c(entry.as_bytes())).collect();
    let actions = PosixSpawnFileActions::init().expect("actions");
    let attributes = PosixSpawnAttr::init().expect("attributes");
    side("bare posix_spawn", move || {
        let pid = posix_spawn(&*program, &actions, &attributes, &argv, &envp).expect("it starts");
        assert_eq!(waitpid(pid, None), Ok(WaitStatus::Exited(pid, 0)));
    })
}

/// `Command::output` and three temporary files where the system keeps such.
fn naive(script: &Path) -> Side {
    let script = script.to_owned();
    side("naive, temp files", move || {
        let mut files: Vec<_> =
            (0..3).map(|_| tempfile::NamedTempFile::new().expect("a temporary file")).collect();
        std::io::Write::write_all(&mut files[0], INPUT).expect("it is written");
        let paths = files.iter().map(tempfile::NamedTempFile::path);
        let done = std::process::Command::new(&script).args(paths).output().expect("it starts");
        assert!(done.status.success());
        assert_eq!(std::fs::read(files[1].path()).expect("it is readable"), b"{}");
        std::fs::read(files[2].path()).expect("it is readable");
    })
}

fn runner(
    name: &'static str,
    script: &Path,
    environment: &Arc<[OsString]>,
    event: Event,
    io: IoMode,
) -> Side {
    let spec = Arc::new(CommandSpec {
        event,
        module: "bench".into(),
        command: CommandLine::Path(script.into()),
        environment: environment.clone(),
        timeout: Some(Duration::from_secs(30)),
        kill_grace: Duration::from_secs(1),
        max_output_bytes: 1 << 20,
        io,
        stdio: Stdio::Capture,
        background: Background::Keep,
        temp_dir: None,
    });
    let input = match io {
        IoMode::Files => Input::Text(INPUT.into()),
        _ => Input::Sealed(Arc::new(SealedInput::new(INPUT).expect("a memfd"))),
    };
    let runner = Runner::global().expect("the runner starts");
    let lane = (event != Event::SlaveRunTaskLabelDecorator).then(|| LaneQueue::new(1, None));
    let spent = Arc::new(Mutex::new(Vec::new()));
    let noted = spent.clone();
    let mut side = side(name, move || {
        let request = Request::new(spec.clone(), input.clone());
        let report = runner.run_blocking(request, lane.as_ref(), None);
        assert_eq!((report.outcome, &*report.output), (OutcomeKind::Ok, b"{}".as_slice()));
        let timings = report.timings;
        noted.lock().expect("no panics").push([timings.queued, timings.spawn, timings.total]);
    });
    side.spent = Some(spent);
    side
}
