//! The end of a worker: it is killed with its tree, the request that it was lost with is answered,
//! and what happened is put into words.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::escape::one_line_bytes;
use crate::outcome::OutcomeKind;
use crate::outcome::WorkerRestart;
use crate::run::{End, Kills, PipedChild, RunReport};
use crate::sys::{ExitStatus, Pid};

use super::fault::Fault;
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

/// Ends a worker that has served, and answers the request that it was lost with.
pub(super) async fn end(
    pool: &Arc<Pool>,
    worker: &Arc<Worker>,
    child: PipedChild,
    ending: Ending,
    up: Instant,
) -> Option<Restart> {
    let lived = up.elapsed();
    let Lost { fault, pending, unseen } = match ending {
        Ending::Lost(lost) => *lost,
        healthy => {
            pool.leave(worker, None);
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
    // Only what it did of itself may be blamed on it alone.
    let (unseen, busy) = match pending {
        Some(pending) if unseen && fault.is_its_own() => (Some(pending), None),
        pending => (None, pending),
    };
    pool.leave(worker, unseen);
    let teardown = Teardown::run(pool, worker, child, Duration::ZERO).await;
    let text = match busy {
        Some(mut pending) if !pending.reply.is_answered() => {
            let report = pending.report(OutcomeKind::WorkerProtocol);
            pending.reply.answer(teardown.report(report, &fault, pool));
            None
        }
        // No report of a call says what became of the worker.
        _ => {
            teardown.count_kill(pool);
            Some(format!("{}{}", fault.describe(), teardown.details()))
        }
    };
    (fault != Fault::Stopped).then_some(Restart { reason, lived, text, handed_over: false })
}

/// A worker that has been ended.
pub(super) struct Teardown {
    pid: Pid,
    end: End,
    killed: bool,
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
        let (end, killed) = child.end(grace, worker.drain(), quarantine).await;
        Teardown { pid, end, killed, stderr }
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
        let said = self.stderr.trim_ascii();
        if !said.is_empty() {
            text += &format!("; its stderr ends with: {}", one_line_bytes(said));
        }
        text
    }

    /// The report for the request that it was lost with.
    fn report(self, mut report: RunReport, fault: &Fault, pool: &Pool) -> RunReport {
        let spec = &pool.settings.spec;
        report.pid = Some(self.pid);
        report.kills = Kills { term: 0, kill: u32::from(self.killed) };
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
            (Fault::Closed(_) | Fault::Protocol(_), _) => {
                (OutcomeKind::WorkerProtocol, format!("its worker {}", fault.describe()))
            }
            (Fault::Timeout, _) => {
                let timeout = spec.timeout.unwrap_or_default();
                let prefix = spec.event.label();
                let text =
                    format!("its worker did not answer within {timeout:?}, its {prefix}_timeout");
                (OutcomeKind::Timeout, text)
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
        report.stdio_tail = self.stderr;
        report
    }
}
