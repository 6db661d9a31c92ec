//! One call of the trivial script through the runner, next to the same argv and environment by
//! `posix_spawn` and `waitpid`, and next to the way one writes first: `std::process::Command` with
//! pipes, and three temporary files.
//!
//! The two sides alternate in short rounds, so that what else goes on in the machine hits both;
//! the result is the median of the rounds' ratios. Absolute times of a virtual machine mean little.
//! Usage: `cargo bench --bench spawn [-- rounds calls [descriptors MiB]]`; the last two make the
//! host a large one: so many more open descriptors, so much touched memory.

#![expect(clippy::disallowed_methods, reason = "the bare side is to be bare")]

#[path = "common/figure.rs"]
mod figure;
#[path = "common/median.rs"]
mod median;
#[path = "common/scripts.rs"]
mod scripts;

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
use mesos_command::sys::Identity;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, posix_spawn};
use nix::sys::wait::{WaitStatus, waitpid};

use figure::{Figure, figure};
use median::median;
use scripts::write_script;

const SCRIPT: &str = "#!/bin/sh\nprintf '{}' >\"$2\"\n";
const INPUT: &[u8] = br#"{"container_id":{"value":"5a2f1c3e-0d7b-4a55-9d0e-2f6b8c1d7e90"}}"#;

/// Calls through the runner: how input and output are passed, and the figures.
const RUNNER: [(&str, Event, IoMode, [Figure; 2]); 4] = [
    (
        "launch, files",
        Event::Prepare,
        IoMode::Files,
        [
            figure!("spawn: launch, files p50", "x bare"),
            figure!("spawn: launch, files p99", "x bare"),
        ],
    ),
    (
        "hook, files",
        Event::SlaveRunTaskLabelDecorator,
        IoMode::Files,
        [figure!("spawn: hook, files p50", "x bare"), figure!("spawn: hook, files p99", "x bare")],
    ),
    (
        "usage, memfd input",
        Event::Usage,
        IoMode::MemfdInput,
        [
            figure!("spawn: usage, memfd input p50", "x bare"),
            figure!("spawn: usage, memfd input p99", "x bare"),
        ],
    ),
    (
        "usage, files",
        Event::Usage,
        IoMode::SharedStdin,
        [
            figure!("spawn: usage, files p50", "x bare"),
            figure!("spawn: usage, files p99", "x bare"),
        ],
    ),
];
const NAIVE: [Figure; 2] = [
    figure!("spawn: naive, temp files p50", "x bare"),
    figure!("spawn: naive, temp files p99", "x bare"),
];

/// Makes the call.
type Call = Box<dyn Fn()>;
/// Times of each call: until its process is created, the start, all.
type Spent = Arc<Mutex<Vec<[Duration; 3]>>>;

/// One of the ways to make the call.
struct Side {
    name: &'static str,
    /// Of the bare side: its median. Of others: median and 99th percentile, to those of the bare
    /// one.
    figures: Vec<Figure>,
    call: Call,
    seen: Vec<Duration>,
    /// Of the runner's.
    spent: Option<Spent>,
    /// Per round: median and 99th percentile.
    rounds: Vec<[f64; 2]>,
}

fn main() {
    let arguments: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let argument = |place: usize| arguments.get(place).copied();
    let (rounds, calls) = (argument(0).unwrap_or(15).max(9), argument(1).unwrap_or(100));

    let null = std::fs::File::open("/dev/null").expect("/dev/null");
    let _descriptors: Vec<_> = (0..argument(2).unwrap_or(0))
        .map(|_| null.try_clone().expect("RLIMIT_NOFILE is high enough"))
        .collect();
    let memory = vec![1u8; argument(3).unwrap_or(0) << 20];
    std::hint::black_box(&memory);

    // In memory, like the runner's own directories: a disk file system would slow the bare side.
    let shared = Path::new("/dev/shm");
    let parent = if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() };
    let directory = tempfile::tempdir_in(parent).expect("a temporary directory");
    let mut sides = sides(directory.path());
    measure(&mut sides, rounds, calls);
    report(&sides, rounds, calls);
}

/// All ways; the bare one first.
fn sides(directory: &Path) -> Vec<Side> {
    let script = write_script(directory, "trivial", SCRIPT);
    let environment: Arc<[OsString]> = std::env::vars_os()
        .map(|(mut entry, value)| {
            entry.push("=");
            entry.push(value);
            entry
        })
        .collect();
    let mut sides = vec![side(
        "bare posix_spawn",
        &[figure!("spawn: bare posix_spawn p50", "us")],
        bare(&script, directory, &environment),
    )];
    for (name, event, io, figures) in RUNNER {
        let (call, spent) = runner(&script, &environment, event, io);
        sides.push(Side { spent: Some(spent), ..side(name, &figures, call) });
    }
    sides.push(side("naive, temp files", &NAIVE, naive(&script)));
    sides
}

fn measure(sides: &mut [Side], rounds: usize, calls: usize) {
    for side in &*sides {
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
        for side in &mut *sides {
            side.seen.sort_unstable();
            let at = |q: f64| {
                let last = side.seen.len() - 1;
                side.seen[(last as f64 * q).round() as usize].as_secs_f64() * 1e6
            };
            side.rounds.push([at(0.5), at(0.99)]);
            side.seen.clear();
        }
    }
}

fn report(sides: &[Side], rounds: usize, calls: usize) {
    println!("{rounds} rounds of {calls} calls; medians of the rounds, ratios to bare");
    println!("{:<20} {:>9} {:>9} {:>7} {:>7}", "", "p50 us", "p99 us", "p50 x", "p99 x");
    for (place, side) in sides.iter().enumerate() {
        let absolute = [0, 1].map(|which| median(side.rounds.iter().map(|own| own[which])));
        let rounds = || side.rounds.iter().zip(&sides[0].rounds);
        let ratios =
            [0, 1].map(|which| median(rounds().map(|(own, bare)| own[which] / bare[which])));
        println!(
            "{:<20} {:>9.0} {:>9.0} {:>7.3} {:>7.3}",
            side.name, absolute[0], absolute[1], ratios[0], ratios[1]
        );
        let values = if place == 0 { absolute } else { ratios };
        side.figures.iter().zip(values).for_each(|(figure, value)| figure.print(value));
    }
    println!("medians in us:        prepared, start, until answered");
    for side in sides {
        let Some(spent) = &side.spent else { continue };
        let spent = spent.lock().expect("no panics");
        let [prepared, start, total] = [0, 1, 2]
            .map(|which| median(spent.iter().map(|times| times[which].as_secs_f64() * 1e6)));
        println!("{:<20} {prepared:>11.0} {start:>6.0} {total:>15.0}", side.name);
    }
}

fn side(name: &'static str, figures: &[Figure], call: Call) -> Side {
    Side {
        name,
        figures: figures.to_vec(),
        call,
        seen: Vec::new(),
        spent: None,
        rounds: Vec::new(),
    }
}

fn bare(script: &Path, directory: &Path, environment: &[OsString]) -> Call {
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
    Box::new(move || {
        let pid = posix_spawn(&*program, &actions, &attributes, &argv, &envp).expect("it starts");
        assert_eq!(waitpid(pid, None), Ok(WaitStatus::Exited(pid, 0)));
    })
}

/// `Command::output` and three temporary files where the system keeps such.
fn naive(script: &Path) -> Call {
    let script = script.to_owned();
    Box::new(move || {
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

fn runner(script: &Path, environment: &Arc<[OsString]>, event: Event, io: IoMode) -> (Call, Spent) {
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
        identity: Identity::default(),
        temp_dir: None,
        cgroups: None,
    });
    let input = match io {
        IoMode::Files => Input::Text(INPUT.into()),
        _ => Input::Sealed(Arc::new(SealedInput::new(INPUT).expect("a memfd"))),
    };
    let runner = Runner::global().expect("the runner starts");
    let lane = (event != Event::SlaveRunTaskLabelDecorator).then(|| LaneQueue::new(1, None));
    let spent = Spent::default();
    let noted = spent.clone();
    let call = move || {
        let request = Request::new(spec.clone(), input.clone());
        let report = runner.run_blocking(request, lane.as_ref(), None);
        assert_eq!((report.outcome, &*report.output), (OutcomeKind::Ok, b"{}".as_slice()));
        let timings = report.timings;
        noted.lock().expect("no panics").push([timings.queued, timings.spawn, timings.total]);
    };
    (Box::new(call), spent)
}
