//! After the leader: its report, the answer, and what is removed afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::staging::{Leftover, RunMark};
use crate::sys::{Pid, ProcessGroup};

use super::report::{Cause, ERROR_BYTES, judge};
use super::run::Run;
use super::runner::Shared;
use super::start::Files;
use super::stragglers;
use super::{Kills, Timings};
use crate::reactor::Exit;
use crate::reactor::NoPlace;

/// An output that is larger is read, and its answer made of it, on a thread for that: to parse a
/// mebibyte takes as long as many runs do.
const LARGE_OUTPUT: u64 = 64 * 1024;
/// How long what a command left is waited for where threads of ours do not go, until the deadline
/// and after it.
const FETCHING: Duration = Duration::from_secs(30);
const LATE_FETCHING: Duration = Duration::from_secs(1);
/// Pauses between two looks for descriptors that can be freed.
const SWEEP_PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// Who removes the files of an ended run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cleaning {
    /// The thread that ended it, after the answer.
    Here,
    /// The runtime, within milliseconds: this is the caller's thread, which is waited for, and to
    /// wake another one takes as long.
    Later,
}

/// A run whose leader was reaped.
pub(super) struct Ended {
    pub(super) run: Run,
    pub(super) deadline: Option<Instant>,
    pub(super) files: Files,
    pub(super) cause: Option<Cause>,
    pub(super) exit: Exit,
    pub(super) pid: Pid,
    pub(super) kills: Kills,
    pub(super) timings: Timings,
    /// Some of its processes live, or had to be killed.
    pub(super) others: bool,
    /// Its process group, if some of it may live on.
    pub(super) kept: Option<ProcessGroup>,
    pub(super) mark: Option<RunMark>,
}

impl Ended {
    /// Answers the run and removes its files.
    pub(super) fn conclude(self, cleaning: Cleaning) {
        if let Some(on_disk) = self.files.io.on_disk() {
            let (on_disk, runtime) = (on_disk.clone(), self.run.shared.runtime.clone());
            runtime.spawn(async move {
                let left = self.deadline.map(|it| it.saturating_duration_since(Instant::now()));
                let patience = left.unwrap_or(FETCHING).clamp(LATE_FETCHING, FETCHING);
                let limit = self.run.request.spec.max_output_bytes;
                on_disk.fetch(limit, ERROR_BYTES, patience).await;
                drop(on_disk);
                self.conclude_here(Cleaning::Here);
            });
            return;
        }
        self.conclude_here(cleaning);
    }

    fn conclude_here(self, cleaning: Cleaning) {
        let is_large = self.files.io.output_size().is_some_and(|size| size > LARGE_OUTPUT);
        if !is_large || self.cause.is_some() {
            return self.answer(cleaning, true);
        }
        match self.run.shared.reads.place() {
            Ok(place) => place.run(Box::new(move || self.answer(Cleaning::Here, true))),
            Err(why) => self.answer(cleaning, why == NoPlace::NoThread),
        }
    }

    /// `read`: there is a thread that may read the output.
    fn answer(self, cleaning: Cleaning, read: bool) {
        let Ended {
            mut run,
            deadline: _,
            files,
            cause,
            exit,
            pid,
            kills,
            timings,
            others,
            kept,
            mark,
        } = self;
        let mut report = judge(&run.request, &files.io, cause, exit, read);
        report.strays = others && report.exit_code == Some(0) && cause.is_none();
        report.stdio_tail =
            files.capture.as_ref().map(|capture| capture.tail()).unwrap_or_default();
        report.kills = kills;
        report.pid = Some(pid);
        report.timings = timings;
        report.timings.total = run.request.submitted.elapsed();
        run.permit = None;
        run.done.answer(report);
        let shared = run.shared.clone();
        // What it was counted in ends with it.
        drop(run);
        match cleaning {
            Cleaning::Here => clean_up(&shared, files, mark, kept),
            Cleaning::Later => {
                let own = shared.clone();
                shared.timers.later(Box::new(move || clean_up(&own, files, mark, kept)));
            }
        }
    }
}

/// Removes the files of an ended run; `kept` is its process group if some of it lives on.
fn clean_up(shared: &Arc<Shared>, files: Files, mark: Option<RunMark>, kept: Option<ProcessGroup>) {
    let Files { io, capture } = files;
    if let Some(leftover) = io.finish(&shared.reserved_fds, mark) {
        remove(shared, leftover);
    }
    match (capture, kept) {
        (Some(capture), Some(group)) => {
            shared.runtime.spawn(stragglers::watch(group, capture));
        }
        (Some(capture), None) => capture.close(),
        (None, _) => {}
    }
    if !shared.reserved_fds.is_empty() && !shared.sweeping.swap(true, Ordering::SeqCst) {
        shared.runtime.spawn(sweep_parking(shared.clone()));
    }
}

/// Removes a tree, however large, where that holds nobody up. One that finds no place goes with
/// the directory of the process, at its end or at the start of the next one.
fn remove(shared: &Arc<Shared>, leftover: Leftover) {
    static LEFT: AtomicU64 = AtomicU64::new(0);
    match shared.removals.place() {
        Ok(place) => place.run(Box::new(move || leftover.remove())),
        Err(NoPlace::NoThread) => leftover.remove(),
        Err(NoPlace::Full) => {
            let count = LEFT.fetch_add(1, Ordering::Relaxed) + 1;
            if count.is_power_of_two() {
                tracing::warn!(
                    path = %leftover.path().display(),
                    "commands leave files behind faster than they can be removed: {count} \
                     directories of calls stay until this process has ended"
                );
            }
        }
    }
}

/// Frees reserved descriptors until none is left. On the runtime; looking at the processes of the
/// machine is not done there, because one that hangs can hold up whoever looks at it.
async fn sweep_parking(shared: Arc<Shared>) {
    let [short, long] = SWEEP_PAUSES;
    let mut pause = short;
    loop {
        tokio::time::sleep(pause).await;
        let freed = match shared.sweeps.place() {
            Ok(place) => {
                let (sender, freed) = oneshot::channel();
                let own = shared.clone();
                place.run(Box::new(move || {
                    // Somebody waits for it until the end of the process.
                    let _ = sender.send(own.reserved_fds.sweep());
                }));
                freed.await.unwrap_or(false)
            }
            Err(NoPlace::NoThread) => shared.reserved_fds.sweep(),
            Err(NoPlace::Full) => false,
        };
        pause = if freed { short } else { (pause * 2).min(long) };
        if shared.reserved_fds.is_empty() {
            shared.sweeping.store(false, Ordering::SeqCst);
            // Somebody may have parked between the two: then it is ours again, or theirs.
            if shared.reserved_fds.is_empty() || shared.sweeping.swap(true, Ordering::SeqCst) {
                return;
            }
        }
    }
}
