//! After the leader: its report, the answer, and what is removed afterwards.

use std::time::{Duration, Instant};

use crate::containment::{Exceeded, Slot};
use crate::outcome::WarmStart;
use crate::reactor::{Exit, NoPlace};
use crate::staging::RunMark;
use crate::sys::{Pid, ProcessGroup};

use super::files::Files;
use super::judge::{Cause, ERROR_BYTES, Reading, explain_limits, judge};
use super::run::Run;
use super::{Kills, RunReport, Timings};

/// How long a child process may take to read the files of a run on a disk, without a deadline and
/// after it.
const FETCHING: Duration = Duration::from_secs(30);
const LATE_FETCHING: Duration = Duration::from_secs(1);

/// Which thread removes the files of an ended run.
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
    /// The limits that its processes met.
    pub(super) exceeded: Exceeded,
    /// The cgroup that it ran in, with nothing in it.
    pub(super) slot: Option<Slot>,
    /// It had none although it was to have one.
    pub(super) uncontained: bool,
    pub(super) warm_start: Option<WarmStart>,
}

impl Ended {
    /// Answers the run and removes its files.
    pub(super) fn conclude(self, cleaning: Cleaning) {
        if let Some(on_disk) = self.files.io.on_disk() {
            let (on_disk, runtime) = (on_disk.clone(), self.run.services.runtime.clone());
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
        if let Some(report) = self.judge(Reading::Small) {
            return self.answer(report, cleaning);
        }
        match self.run.services.reads.place() {
            Ok(place) => {
                place.run(Box::new(move || self.read_and_answer(Reading::Any, Cleaning::Here)))
            }
            Err(NoPlace::NoThread) => self.read_and_answer(Reading::Any, cleaning),
            Err(NoPlace::Full) => self.read_and_answer(Reading::NoRoom, cleaning),
        }
    }

    fn judge(&self, reading: Reading) -> Option<RunReport> {
        let report = judge(&self.run.request, &self.files.io, self.cause, self.exit, reading)?;
        Some(explain_limits(report, &self.run.request.spec, self.exceeded))
    }

    /// Must not be called with [`Reading::Small`].
    fn read_and_answer(self, reading: Reading, cleaning: Cleaning) {
        // Without a report the run's `ReplyOnce` answers.
        if let Some(report) = self.judge(reading) {
            self.answer(report, cleaning);
        }
    }

    fn answer(self, mut report: RunReport, cleaning: Cleaning) {
        let Ended { mut run, files, cause, pid, kills, timings, others, kept, mark, .. } = self;
        report.uncontained = self.uncontained;
        report.warm_start = self.warm_start;
        report.strays = others && report.exit_code == Some(0) && cause.is_none();
        report.stdio_tail =
            files.capture.as_ref().map(|capture| capture.tail()).unwrap_or_default();
        report.kills = kills;
        report.pid = Some(pid);
        report.timings = timings;
        report.timings.total = run.request.submitted.elapsed();
        run.permit = None;
        run.done.answer(report);
        let services = run.services.clone();
        // What it was counted in ends with it.
        drop((run, self.slot));
        let Files { io, capture } = files;
        match cleaning {
            Cleaning::Here => services.cleaner.clean_up(io, capture, mark, kept),
            Cleaning::Later => {
                let cleaner = services.cleaner.clone();
                let clean_up = move || cleaner.clean_up(io, capture, mark, kept);
                services.timers.later(Box::new(clean_up));
            }
        }
    }
}
