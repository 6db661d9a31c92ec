//! Making the calls when they are due, and looking at the process meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::bare::Bare;
use super::counters::Counters;
use super::options::{Options, Schedule};
use super::recorder::{Recorder, Reply, histogram, record};
use super::report::{Report, Second};
use super::system::Sample;

/// How often a line of progress is shown and a sample is taken.
const TICK: Duration = Duration::from_secs(1);
/// How often the end looks for outstanding answers.
const LOOK: Duration = Duration::from_millis(5);

/// Who answers.
pub trait Target: Sync {
    /// Makes a usage call for container number `container`; must not block. `reply` is told when
    /// the answer comes, during the call or later, on any thread.
    fn call(&self, container: usize, reply: Reply);

    /// The product's metrics as text.
    fn metrics(&self) -> String;

    /// Whether no more calls are to be made, although the schedule has some.
    fn is_over(&self) -> bool {
        false
    }
}

/// What the calling thread and the looking one share.
struct Shared {
    start: Instant,
    made: AtomicU64,
}

/// Plays the load that `options` describe and waits for outstanding answers.
///
/// `bare` is started as often as the options say, spread over the load, so that it meets the same
/// conditions: back to back, or while nothing else happens, a command takes half the time.
///
/// # Errors
/// When the options contradict each other, or the bare command cannot be started.
pub fn run(options: &Options, target: &dyn Target, bare: Option<&Bare>) -> Result<Report, String> {
    let schedule = options.schedule()?;
    // Once before, uncounted: a command that cannot be started is said now and not at the end.
    if let Some(bare) = bare {
        run_bare(bare)?;
    }
    let recorder = Recorder::new();
    let before = Counters::read(&target.metrics());
    let sample = Sample::take(Duration::ZERO);
    let mut looker = Looker::new(options, &schedule, sample);
    let shared = Shared { start: Instant::now(), made: AtomicU64::new(0) };
    let (behind, bare_times) = std::thread::scope(|scope| {
        let caller = spawn(scope, "load-caller", || {
            let containers = options.containers as usize;
            make_calls(&schedule, containers, target, &recorder, &shared)
        })?;
        let starter = spawn(scope, "load-bare", || start_bare(options, bare, shared.start))?;
        while !caller.is_finished() {
            let next = shared.start + TICK * (looker.ticks + 1);
            while Instant::now() < next && !caller.is_finished() {
                std::thread::sleep(next.saturating_duration_since(Instant::now()).min(TICK / 20));
            }
            looker.look(&recorder, &shared);
        }
        let behind = caller.join().map_err(|_| "the calling thread panicked".to_owned())?;
        let bare = starter.join().map_err(|_| "the starting thread panicked".to_owned())?;
        Ok::<_, String>((behind, bare?))
    })?;
    let made = shared.made.load(Ordering::Acquire);
    let deadline = Instant::now() + options.drain;
    while recorder.answers() < made && Instant::now() < deadline {
        std::thread::sleep(LOOK);
    }
    // The last refreshes behind stale answers may be under way; they are nobody's answer.
    let took = shared.start.elapsed();
    let counters = Counters::read(&target.metrics()).since(&before);
    let end = Sample::take(shared.start.elapsed());
    Ok(Report {
        options: options.clone(),
        schedule,
        made,
        answers: recorder.answers(),
        counters,
        recorded: recorder.recorded(),
        behind,
        bare: bare_times,
        seconds: looker.seconds,
        samples: looker.samples,
        ends: [sample, end],
        took,
    })
}

/// Starts a thread of the load.
fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>, String> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn_scoped(scope, work).map_err(|error| format!("no thread can be started: {error}"))
}

fn run_bare(bare: &Bare) -> Result<Duration, String> {
    bare.run().map_err(|error| format!("the bare command: {error}"))
}

/// Starts the bare command at even distances between the warm-up and the end.
fn start_bare(
    options: &Options,
    bare: Option<&Bare>,
    start: Instant,
) -> Result<Histogram<u64>, String> {
    let mut times = histogram();
    let Some(bare) = bare else { return Ok(times) };
    for number in 0..options.bare {
        let part = (f64::from(number) + 0.5) / f64::from(options.bare);
        let due = start + options.warm_up + options.duration.mul_f64(part);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        record(&mut times, run_bare(bare)?);
    }
    Ok(times)
}

/// Makes all calls; returns how far behind its schedule each was begun.
fn make_calls(
    schedule: &Schedule,
    containers: usize,
    target: &dyn Target,
    recorder: &Arc<Recorder>,
    shared: &Shared,
) -> Histogram<u64> {
    recorder.calls_are_made_here();
    // Timers are late by this much on purpose otherwise: 50 µs. Without it the run is as valid,
    // and its latencies are that much longer.
    let _ = nix::sys::prctl::set_timerslack(1);
    let mut behind = histogram();
    for index in 0..schedule.calls {
        if target.is_over() {
            break;
        }
        let due = shared.start + schedule.due(index);
        let mut now = Instant::now();
        while now < due {
            std::thread::sleep(due - now);
            now = Instant::now();
        }
        let measured = index >= schedule.warm_up_calls;
        if measured {
            record(&mut behind, now - due);
        }
        // Before the call: its answer may come during it, and answers never outnumber calls.
        shared.made.store(index + 1, Ordering::Release);
        target.call((index % containers as u64) as usize, recorder.reply(due, now, measured));
    }
    behind
}

/// Looks at the run once a second.
struct Looker {
    quiet: bool,
    warm_up: Duration,
    ticks: u32,
    made: u64,
    seconds: Vec<Second>,
    samples: Vec<Sample>,
    lately: Histogram<u64>,
    spare: Histogram<u64>,
}

impl Looker {
    fn new(options: &Options, schedule: &Schedule, first: Sample) -> Looker {
        let whole = schedule.due(schedule.calls);
        let ticks = whole.as_secs() as usize + 2;
        let mut samples = Vec::with_capacity(ticks);
        samples.push(first);
        Looker {
            quiet: options.quiet,
            warm_up: options.warm_up,
            ticks: 0,
            made: 0,
            seconds: Vec::with_capacity(ticks),
            samples,
            lately: histogram(),
            spare: histogram(),
        }
    }

    fn look(&mut self, recorder: &Recorder, shared: &Shared) {
        self.ticks += 1;
        recorder.take_lately(&mut self.lately, &mut self.spare);
        let at = shared.start.elapsed();
        let sample = Sample::take(at);
        let made = shared.made.load(Ordering::Acquire);
        let second = Second {
            at,
            calls: made - self.made,
            p50: self.lately.value_at_quantile(0.5),
            p99: self.lately.value_at_quantile(0.99),
            max: self.lately.max(),
        };
        self.made = made;
        if !self.quiet {
            let us = |nanoseconds: u64| nanoseconds as f64 / 1e3;
            let phase = if at <= self.warm_up { " (warm-up)" } else { "" };
            eprintln!(
                "{:>5.0} s {:>7} calls {:>9} answers outstanding  p50 {:>8.0} us  p99 {:>8.0} us  \
                 max {:>9.0} us  {:>4} MiB {:>4} fds {:>3} threads{phase}",
                at.as_secs_f64(),
                second.calls,
                made.saturating_sub(recorder.answers()),
                us(second.p50),
                us(second.p99),
                us(second.max),
                sample.rss >> 20,
                sample.fds,
                sample.threads,
            );
        }
        if !self.lately.is_empty() {
            self.seconds.push(second);
        }
        // A capacity that was enough for the schedule: a late end must not make it grow for ever.
        if self.samples.len() < self.samples.capacity() {
            self.samples.push(sample);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use mesos_command::event::{Event, ModuleKind};
    use mesos_command::metrics::Registry;
    use mesos_command::outcome::OutcomeKind;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    /// Answers at once, later, never, or without counting.
    struct Fake {
        registry: Registry,
        lose: Option<usize>,
        uncounted: bool,
        late: std::sync::mpsc::Sender<Reply>,
    }

    impl Target for Fake {
        fn call(&self, container: usize, reply: Reply) {
            if !self.uncounted {
                let module = self.registry.module("m", ModuleKind::Isolator);
                module.event(Event::Usage).call(OutcomeKind::Ok, None);
            }
            if self.lose == Some(container) {
                return;
            }
            if container.is_multiple_of(2) {
                reply.answered();
            } else {
                self.late.send(reply).expect("the answering thread lives");
            }
        }

        fn metrics(&self) -> String {
            self.registry.render()
        }
    }

    fn play(lose: Option<usize>, uncounted: bool) -> Report {
        let line = "load --quiet --rate 2000 --containers 4 --warm-up 50ms --duration 100ms \
                    --drain 100ms --bare 4";
        let options = Line::parse_from(line.split_whitespace()).options;
        let (late, replies) = std::sync::mpsc::channel::<Reply>();
        let answering = std::thread::spawn(move || replies.into_iter().for_each(Reply::answered));
        let fake = Fake { registry: Registry::new(), lose, uncounted, late };
        let bare = Bare::new(std::path::Path::new("true"), b"{}", None).expect("files");
        let report = run(&options, &fake, Some(&bare)).expect("it runs");
        drop(fake);
        answering.join().expect("no panic");
        report
    }

    #[test]
    fn all_calls_are_made_and_add_up() {
        let report = play(None, false);
        assert_eq!((report.made, report.answers), (300, 300));
        assert_eq!(report.recorded.at_once.len(), 100);
        assert_eq!(report.recorded.later.len(), 100);
        assert_eq!(report.recorded.warm_up.len(), 100);
        assert_eq!((report.behind.len(), report.bare.len()), (200, 4));
        assert_eq!(report.problems(), Vec::<String>::new());
    }

    #[test]
    fn what_is_lost_is_a_problem() {
        let report = play(Some(2), false);
        assert_eq!(report.answers, 225);
        assert!(report.problems()[0].contains("75"), "{:?}", report.problems());
        let report = play(None, true);
        assert!(report.problems()[0].contains("calls_total"), "{:?}", report.problems());
    }
}
