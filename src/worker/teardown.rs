//! The end of a worker: it is killed with its tree, the requests that it was lost with are
//! answered, and what happened is put into words.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::escape::one_line_bytes;
use crate::outcome::OutcomeKind;
use crate::outcome::WorkerRestart;
use crate::run::{End, Kills, LimitMet, PipedChild, PipedEnd, RunReport};
use crate::sys::{ExitStatus, Pid};

use super::fault::Fault;
use super::pending::late;
use super::verdict::{Failed, Verdict};
use super::worker::{Lost, Pool, Worker};

/// Why a worker serves no longer.
pub(super) enum Ending {
    /// The pool is being dropped.
    Stopped,
    /// The command's file changed.
    Changed,
    /// Another has taken its place, because it was due for this reason.
    Recycled(String),
    /// It cannot be used any more.
    Lost(Box<Lost>),
}

/// Why another worker is started.
pub(super) struct Restart {
    pub(super) reason: WorkerRestart,
    /// How long the worker before it was up.
    pub(super) lived: Duration,
    /// For the log, unless a failing call says it.
    pub(super) text: Option<String>,
    /// Whether another supervisor has the place.
    pub(super) handed_over: bool,
}

impl Restart {
    /// After one that was never up.
    pub(super) fn early(reason: WorkerRestart, text: String) -> Restart {
        Restart { reason, lived: Duration::ZERO, text: Some(text), handed_over: false }
    }
}

/// Ends a worker that has served, and answers the requests that it was lost with, unless they are
/// asked for again.
pub(super) async fn end(
    pool: &Arc<Pool>,
    worker: &Arc<Worker>,
    child: PipedChild,
    ending: Ending,
    up: Instant,
) -> Option<Restart> {
    let lived = up.elapsed();
    let (fault, verdict) = match ending {
        Ending::Lost(lost) => Verdict::of(*lost, Instant::now()),
        healthy => {
            pool.leave(worker, Vec::new());
            worker.close();
            let grace = pool.settings.spec.kill_grace;
            Teardown::run(pool, worker, child, grace).await.count_kill(pool);
            let (reason, text) = match healthy {
                Ending::Changed => {
                    let text = "ends because the command's file has changed".to_owned();
                    (WorkerRestart::CommandChanged, text)
                }
                Ending::Recycled(why) => (WorkerRestart::Recycled, format!("{why} and ends")),
                Ending::Stopped | Ending::Lost(_) => return None,
            };
            return Some(Restart { reason, lived, text: Some(text), handed_over: false });
        }
    };
    let reason = fault.restart();
    let repeated = verdict.repeated();
    pool.metrics().repeated(repeated);
    pool.leave(worker, verdict.again);
    let teardown = Teardown::run(pool, worker, child, Duration::ZERO).await;
    let mut text = None;
    if verdict.failed.is_empty() {
        // No report of a call says what became of the worker.
        teardown.count_kill(pool);
        text = Some(format!("{}{}", fault.describe(), teardown.details()));
    }
    if repeated > 0 {
        let text = text.get_or_insert_with(|| fault.describe());
        *text += &format!("; requests of it that are made again: {repeated}");
    }
    let mut killed = teardown.killed;
    for Failed { mut pending, innocent } in verdict.failed {
        let mut report = pending.report(OutcomeKind::WorkerProtocol);
        // It is one process, and counted once.
        report.kills = Kills { term: 0, kill: u32::from(std::mem::take(&mut killed)) };
        pending.reply.answer(match innocent {
            true => teardown.report_of_another(report, &fault),
            false => teardown.report(report, &fault, pool),
        });
    }
    (fault != Fault::Stopped).then_some(Restart { reason, lived, text, handed_over: false })
}

/// A worker that has been ended.
pub(super) struct Teardown {
    pid: Pid,
    end: End,
    killed: bool,
    met: Option<LimitMet>,
    stderr: Vec<u8>,
}

impl Teardown {
    /// Ends it: at once, or when it has not ended by itself within `grace`.
    pub(super) async fn run(
        pool: &Pool,
        worker: &Worker,
        child: PipedChild,
        grace: Duration,
    ) -> Teardown {
        let (pid, stderr) = (worker.pid, worker.stderr.take());
        let quarantine = pool.settings.quarantine.as_ref();
        let PipedEnd { end, killed, met } =
            child.end(grace, worker.drain(), async {}, quarantine).await;
        Teardown { pid, end, killed, met, stderr }
    }

    pub(super) fn count_kill(&self, pool: &Pool) {
        if self.killed {
            pool.count_kill();
        }
    }

    /// How it ended by itself and what it said last, for log lines.
    pub(super) fn details(&self) -> String {
        let mut text = match self.end {
            End::Status(ExitStatus::Exited(code)) => format!(" (exit code {code})"),
            End::Status(ExitStatus::Signaled(signal)) if !self.killed => {
                format!(" (signal {signal})")
            }
            _ => String::new(),
        };
        if let Some(met) = &self.met {
            text += &format!("; {}", met.text);
        }
        let said = self.stderr.trim_ascii();
        if !said.is_empty() {
            text += &format!("; its stderr ends with: {}", one_line_bytes(said));
        }
        text
    }

    /// The report for a request that it was lost with, by another one.
    fn report_of_another(&self, report: RunReport, fault: &Fault) -> RunReport {
        let message =
            format!("its worker was lost with a request of another call: it {}", fault.describe());
        RunReport { pid: Some(self.pid), message, ..report }
    }

    /// The report for a request that it was lost with.
    fn report(&self, mut report: RunReport, fault: &Fault, pool: &Pool) -> RunReport {
        let spec = &pool.settings.spec;
        report.pid = Some(self.pid);
        let before = "its worker ended before it answered";
        (report.outcome, report.message) = match (fault, self.end) {
            (_, End::Unkillable) => {
                let text = format!(
                    "its worker {}; it was killed but does not end: it hangs in the kernel",
                    fault.describe()
                );
                (OutcomeKind::Unkillable, text)
            }
            (Fault::Ended, End::Status(ExitStatus::Signaled(signal))) => {
                report.signal = Some(signal);
                (OutcomeKind::Signal, before.to_owned())
            }
            (Fault::Ended, End::Status(ExitStatus::Exited(code @ 1..))) => {
                report.exit_code = Some(code);
                (OutcomeKind::Exit, before.to_owned())
            }
            (Fault::Ended, _) => (OutcomeKind::WorkerProtocol, before.to_owned()),
            (Fault::Closed(_) | Fault::Protocol(_) | Fault::Stray(_), _) => {
                (OutcomeKind::WorkerProtocol, format!("its worker {}", fault.describe()))
            }
            (Fault::Timeout, _) => (OutcomeKind::Timeout, late(spec)),
            (Fault::CancelIgnored, _) => {
                (OutcomeKind::WorkerProtocol, format!("its worker {}", fault.describe()))
            }
            (Fault::TooLarge(size), _) => {
                report.output_bytes = *size;
                let most = spec.max_output_bytes;
                let text = format!(
                    "its worker sent {size} bytes or more in one line; max_output_bytes accepts \
                     {most} of an output"
                );
                (OutcomeKind::OutputTooLarge, text)
            }
            (Fault::Killed, _) => (OutcomeKind::Cancelled, "its worker was ended".to_owned()),
            (Fault::Stopped, _) => {
                (OutcomeKind::Cancelled, "the module is being taken down".to_owned())
            }
        };
        if *fault == Fault::Ended {
            self.explain_limits(&mut report);
        }
        report.stdio_tail.clone_from(&self.stderr);
        report
    }

    /// Says of a worker that ended by itself which limit it had met. Its processes may have met
    /// that in an earlier request, so only one that the kernel ended has run out of memory now.
    fn explain_limits(&self, report: &mut RunReport) {
        let Some(met) = &self.met else { return };
        if met.is_memory && report.signal == Some(libc::SIGKILL) {
            report.outcome = OutcomeKind::Oom;
        }
        report.message += &format!("; {}", met.text);
    }
}
