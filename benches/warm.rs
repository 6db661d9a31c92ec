//! Calls of an unchanged Python script that are run warm, next to plain starts of it: one after the
//! other, and eight at a time.
//!
//! The sides alternate in short slices; the results are medians of the rounds' ratios: of the time
//! that all calls of a round took, and of the median of how long each of its calls took. Usage:
//! `cargo bench --bench warm [-- rounds]`.

#[path = "common/figure.rs"]
mod figure;
#[path = "common/median.rs"]
mod median;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mesos_command::command::{Background, CommandLine, Stdio};
use mesos_command::config::warm_script;
use mesos_command::event::{Event, ModuleKind};
use mesos_command::metrics::ModuleMetrics;
use mesos_command::outcome::{OutcomeKind, WarmStart};
use mesos_command::run::{CommandSpec, Lifetime, Request, Runner, Standby};
use mesos_command::staging::{Input, IoMode};
use mesos_command::sys::Identity;
use mesos_command::warm::{WarmPool, WarmSettings};
use mesos_command::worker::{Recycling, WorkerLog};

use figure::{Figure, figure};
use median::median;

/// Calls of a slice, of each thread; each side has one slice per turn.
const SLICE: usize = 5;
/// Turns of a round.
const TURNS: usize = 4;

const SCRIPT: &str = r#"#!/usr/bin/python3
import json, os, sys
with open(sys.argv[1]) as file:
    given = json.load(file)
with open(sys.argv[2], "w") as file:
    json.dump({"mem_rss_bytes": len(given) + os.getpid()}, file)
"#;

struct Loud;

impl WorkerLog for Loud {
    fn failure(&self, text: &str) {
        eprintln!("{text}");
    }

    fn note(&self, text: &str) {
        eprintln!("{text}");
    }
}

/// One of the ways to make calls.
struct Side {
    name: &'static str,
    figure: Figure,
    at_once: usize,
    standby: Option<Arc<Standby>>,
    /// Of which side it shows the ratio.
    to: usize,
    /// Microseconds per call, per round.
    rounds: Vec<f64>,
    /// How long the call in the middle of a round took, in microseconds.
    middles: Vec<f64>,
}

fn main() {
    let arguments: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let rounds = arguments.first().copied().unwrap_or(15).max(9);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let script = directory.path().join("usage.py");
    std::fs::write(&script, SCRIPT).expect("the script");
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("its mode");
    let spec = spec(&script);
    let lifetime = Lifetime::begin(Duration::ZERO);
    let pool = pool(&lifetime, &spec);
    let warm = || Some(pool.standby().clone());
    let side = |name, figure, at_once, standby, to| Side {
        name,
        figure,
        at_once,
        standby,
        to,
        rounds: Vec::new(),
        middles: Vec::new(),
    };
    let mut sides = [
        side("plainly", figure!("warm: started plainly", "us"), 1, None, 0),
        side("warm", figure!("warm: one by one", "x rate"), 1, warm(), 0),
        side("plainly, eight", figure!("warm: started plainly, eight at once", "us"), 8, None, 2),
        side("warm, eight", figure!("warm: eight at once", "x rate"), 8, warm(), 2),
    ];
    for side in &sides {
        calls(&spec, side);
    }
    for round in 0..rounds {
        let (mut took, mut each) = ([Duration::ZERO; 4], [const { Vec::new() }; 4]);
        for turn in 0..TURNS {
            for index in 0..sides.len() {
                let which = (index + turn + round) % sides.len();
                let start = Instant::now();
                each[which].append(&mut calls(&spec, &sides[which]));
                took[which] += start.elapsed();
            }
        }
        for ((side, took), each) in sides.iter_mut().zip(took).zip(each) {
            side.rounds.push(took.as_secs_f64() * 1e6 / (SLICE * TURNS * side.at_once) as f64);
            side.middles.push(median(each.into_iter()));
        }
    }
    report(&sides);
    drop(pool);
    lifetime.end();
}

fn report(sides: &[Side]) {
    println!("an unchanged Python script; target 8 x the rate of plain starts");
    println!("{:<22} {:>10} {:>10}", "", "us a call", "rate x");
    for (place, side) in sides.iter().enumerate() {
        let relative = side.rounds.iter().zip(&sides[side.to].rounds).map(|(own, to)| to / own);
        let (micros, rate) = (median(side.rounds.iter().copied()), median(relative));
        println!("{:<22} {micros:>10.1} {rate:>10.2}", side.name);
        side.figure.print(if side.to == place { micros } else { rate });
    }
    let of_middles = sides[1].middles.iter().zip(&sides[0].middles).map(|(own, to)| own / to);
    let p50 = median(of_middles);
    println!("{:<22} {:>10} {p50:>10.3} (a time; target 0.15)", "warm, p50", "");
    figure!("warm: one by one, p50", "x").print(p50);
}

/// Makes the calls of a slice; how long each took, in microseconds.
fn calls(spec: &Arc<CommandSpec>, side: &Side) -> Vec<f64> {
    let one = || {
        let start = Instant::now();
        call(spec, side.standby.clone());
        start.elapsed().as_secs_f64() * 1e6
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..side.at_once)
            .map(|_| scope.spawn(|| (0..SLICE).map(|_| one()).collect::<Vec<_>>()))
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a call succeeds")).collect()
    })
}

fn call(spec: &Arc<CommandSpec>, standby: Option<Arc<Standby>>) {
    let is_warm = standby.is_some();
    let input = Input::Text(b"{\"container_id\":{\"value\":\"c\"}}"[..].into());
    let request = Request { standby, ..Request::new(spec.clone(), input) };
    let runner = Runner::global().expect("a runner");
    let report = runner.run_blocking(request, None, None);
    assert_eq!(report.outcome, OutcomeKind::Ok, "{report:?}");
    assert_eq!(report.warm_start, is_warm.then_some(WarmStart::Warm), "{report:?}");
}

fn spec(command: &Path) -> Arc<CommandSpec> {
    Arc::new(CommandSpec {
        event: Event::Usage,
        module: "bench".into(),
        command: CommandLine::Path(command.into()),
        environment: Arc::from(["PATH=/usr/bin:/bin".into()]),
        timeout: Some(Duration::from_secs(30)),
        kill_grace: Duration::from_secs(1),
        max_output_bytes: 1 << 20,
        io: IoMode::SharedStdin,
        stdio: Stdio::Capture,
        background: Background::Kill,
        identity: Identity::default(),
        temp_dir: None,
        cgroups: None,
    })
}

fn pool(lifetime: &Arc<Lifetime>, spec: &Arc<CommandSpec>) -> WarmPool {
    let settings = WarmSettings {
        spec: spec.clone(),
        script: warm_script(&spec.command).expect("a script of Python"),
        ready: 8,
        recycling: Recycling::default(),
        quarantine: None,
        metrics: ModuleMetrics::new("bench", ModuleKind::Isolator),
        log: Arc::new(Loud),
    };
    let runner = Runner::global().expect("a runner");
    let pool = WarmPool::start_in(lifetime, runner.clone(), settings).expect("a thread");
    loop {
        let input = Input::Text(b"{}"[..].into());
        let standby = Some(pool.standby().clone());
        let request = Request { standby, ..Request::new(spec.clone(), input) };
        if runner.run_blocking(request, None, None).warm_start == Some(WarmStart::Warm) {
            return pool;
        }
    }
}
