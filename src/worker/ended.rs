//! The end of a worker: it is killed with its tree, the request that it was lost with is answered,
//! and what happened is put into words.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::escape::one_line_bytes;
use crate::outcome::OutcomeKind;
use crate::outcome::WorkerRestart;
use crate::run::{End, Kills, RunReport};
use crate::sys::{ExitStatus, Pid};

use super::job::{Job, blank};
use super::loss::Loss;
use super::pool::Shared;
use super::seat::Seat;
use super::talk::Talk;

/// Why a worker serves no longer, and the request that it has then.
pub(super) enum Ending {
    /// The pool is being dropped.
    Stopped,
    /// The command's file changed.
    Changed,
    /// It was lost while it was idle, or before it saw this request.
    Idle(Loss, Option<Job>),
    /// It was lost with this request, after so long in the queue.
    Busy(Loss, Job, Duration),
}

/// How a worker was lost.
pub(super) struct Lost {
    pub(super) reason: WorkerRestart,
    pub(super) lived: Duration,
    /// For the log, unless a failing call tells it.
    pub(super) text: Option<String>,
}

/// Ends a worker that has served, and answers the request that it was lost with.
pub(super) async fn end(
    pool: &Arc<Shared>,
    seat: &Arc<Seat>,
    talk: Talk,
    ending: Ending,
    up: Instant,
) -> Option<Lost> {
    let lived = up.elapsed();
    let grace = pool.settings.spec.kill_grace;
    match ending {
        Ending::Stopped => {
            pool.leave(seat, None);
            Ended::of(pool, talk, grace).await.count_kill(pool);
            None
        }
        Ending::Changed => {
            pool.leave(seat, None);
            Ended::of(pool, talk, grace).await.count_kill(pool);
            let text = Some("ends because the command's file has changed".to_owned());
            Some(Lost { reason: WorkerRestart::CommandChanged, lived, text })
        }
        Ending::Idle(loss, job) => {
            pool.leave(seat, job);
            let ended = Ended::of(pool, talk, Duration::ZERO).await;
            ended.count_kill(pool);
            let text = Some(format!("{}{}", describe(&loss), ended.details()));
            Some(Lost { reason: reason(&loss), lived, text })
        }
        Ending::Busy(loss, mut job, queued) => {
            pool.leave(seat, None);
            let ended = Ended::of(pool, talk, Duration::ZERO).await;
            let text = if job.done.is_answered() {
                // Its caller had withdrawn it, so no report tells what became of the worker.
                ended.count_kill(pool);
                Some(format!("{}{}", describe(&loss), ended.details()))
            } else {
                let report = blank(OutcomeKind::WorkerProtocol, &job.request, queued);
                job.done.answer(ended.report(report, &loss, pool));
                None
            };
            let stopped = loss == Loss::Stopped;
            (!stopped).then(|| Lost { reason: reason(&loss), lived, text })
        }
    }
}

fn reason(loss: &Loss) -> WorkerRestart {
    match loss {
        Loss::Ended | Loss::Stopped => WorkerRestart::Exit,
        Loss::Protocol(_) => WorkerRestart::Protocol,
        Loss::Timeout => WorkerRestart::Timeout,
        Loss::TooLarge(_) => WorkerRestart::OutputTooLarge,
    }
}

/// What happened, continuing "the worker …".
pub(super) fn describe(loss: &Loss) -> String {
    match loss {
        Loss::Ended => "ended".to_owned(),
        Loss::Protocol(what) => what.clone(),
        Loss::Timeout => "did not answer in time".to_owned(),
        Loss::TooLarge(size) => format!("sent {size} bytes of a line"),
        Loss::Stopped => "was stopped".to_owned(),
    }
}

/// A worker that has been ended.
pub(super) struct Ended {
    pid: Pid,
    end: End,
    killed: bool,
    stderr: Vec<u8>,
}

impl Ended {
    /// Ends it: at once, or when it has not ended by itself within `grace` after the end of its
    /// input.
    pub(super) async fn of(pool: &Shared, mut talk: Talk, grace: Duration) -> Ended {
        talk.hear_last_stderr();
        let (pid, stderr) = (talk.attached.pid(), talk.take_stderr());
        let (end, killed) = talk.attached.end(grace, pool.settings.quarantine.as_ref()).await;
        Ended { pid, end, killed, stderr }
    }

    pub(super) fn count_kill(&self, pool: &Shared) {
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
    fn report(self, mut report: RunReport, loss: &Loss, pool: &Shared) -> RunReport {
        let spec = &pool.settings.spec;
        report.pid = Some(self.pid);
        report.kills = Kills { term: 0, kill: u32::from(self.killed) };
        let before = "its worker ended before it answered";
        (report.outcome, report.message) = match (loss, self.end) {
            (_, End::Unkillable) => {
                let text = format!(
                    "its worker {}; it was killed but does not end: it hangs in the kernel",
                    describe(loss)
                );
                (OutcomeKind::Unkillable, text)
            }
            (Loss::Ended, End::Status(ExitStatus::Signaled(signal))) => {
                report.signal = Some(signal);
                (OutcomeKind::Signal, before.to_owned())
            }
            (Loss::Ended, End::Status(ExitStatus::Exited(code @ 1..))) => {
                report.exit_code = Some(code);
                (OutcomeKind::Exit, before.to_owned())
            }
            (Loss::Ended, _) => (OutcomeKind::WorkerProtocol, before.to_owned()),
            (Loss::Protocol(what), _) => {
                (OutcomeKind::WorkerProtocol, format!("its worker {what}"))
            }
            (Loss::Timeout, _) => {
                let timeout = spec.timeout.unwrap_or_default();
                let prefix = spec.event.label();
                let text =
                    format!("its worker did not answer within {timeout:?}, its {prefix}_timeout");
                (OutcomeKind::Timeout, text)
            }
            (Loss::TooLarge(size), _) => {
                report.output_bytes = *size;
                let most = spec.max_output_bytes;
                let text = format!(
                    "its worker sent {size} bytes or more in one line; max_output_bytes accepts \
                     {most} of an output"
                );
                (OutcomeKind::OutputTooLarge, text)
            }
            (Loss::Stopped, _) => {
                (OutcomeKind::Cancelled, "the module is being taken down".to_owned())
            }
        };
        report.stdio_tail = self.stderr;
        report
    }
}
