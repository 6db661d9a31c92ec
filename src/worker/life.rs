//! The life of one worker after the other, in one place of the pool.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::event::OutcomeKind;
use crate::metrics::WorkerRestart;
use crate::process::{End, Input, Kills, Request, RunReport, Timings, unix_seconds};
use crate::sys::ExitStatus;

use super::direct::{Direct, Failure};
use super::pool::{Job, Seat, Shared};
use super::protocol::Reply;
use super::talk::{Limits, Loss, Stir, Talk};

/// The first pause before a worker is started again, and the longest; each is twice the one before.
const PAUSES: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(5)];
/// A worker that was up for this long was healthy: the pauses begin anew.
const HEALTHY: Duration = Duration::from_secs(10);
/// Time for start and handshake when the event has no timeout.
const START: Duration = Duration::from_secs(30);
/// How much of the text of an error answer, or of a worker's stderr, is passed on.
const ERROR_BYTES: usize = 4096;

/// Pauses between restarts.
struct Backoff(Duration);

impl Backoff {
    fn new() -> Backoff {
        Backoff(PAUSES[0])
    }

    /// The pause after a worker that was up for `lived`.
    fn pause(&mut self, lived: Duration) -> Duration {
        if lived >= HEALTHY {
            *self = Backoff::new();
        }
        let pause = self.0;
        self.0 = (pause * 2).min(PAUSES[1]);
        pause
    }
}

/// How a worker was lost.
struct Lost {
    reason: WorkerRestart,
    lived: Duration,
    /// For the log, unless a failing call tells it.
    text: Option<String>,
}

/// Keeps a worker in `seat` until the pool is dropped.
pub(super) async fn keep(pool: Arc<Shared>, seat: Arc<Seat>) {
    let mut backoff = Backoff::new();
    while !pool.stop.is_cancelled() {
        let Some(lost) = live(&pool, &seat).await else { return };
        let pause = match lost.reason {
            WorkerRestart::CommandChanged => Duration::ZERO,
            _ => backoff.pause(lost.lived),
        };
        if let Some(text) = lost.text {
            let command = pool.settings.spec.command.text().to_string_lossy();
            let text = format!("worker of command \"{command}\" {text}; restarted in {pause:?}");
            match lost.reason {
                WorkerRestart::CommandChanged => pool.settings.log.note(&text),
                _ => pool.settings.log.failure(&text),
            }
        }
        tokio::select! {
            () = pool.stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pool.metrics().restart(lost.reason);
    }
}

/// One worker from its start to its end; `None` when the pool's end was its end.
async fn live(pool: &Arc<Shared>, seat: &Arc<Seat>) -> Option<Lost> {
    let spec = &pool.settings.spec;
    // Before the start: a change after it is a change for this worker.
    let mut changes = pool.generation.subscribe();
    let began = Instant::now();
    let timeout = spec.timeout.unwrap_or(START);
    let attached = match pool.runner.attach(spec, timeout, &pool.stop).await {
        Ok(attached) => attached,
        Err(_) if pool.stop.is_cancelled() => return None,
        Err(message) => {
            let text = Some(format!("could not be started: {message}"));
            return Some(Lost { reason: WorkerRestart::SpawnError, lived: Duration::ZERO, text });
        }
    };
    pool.settings.metrics.event(spec.event).spawn(attached.spawn);
    let mut talk = Talk::new(attached, spec.max_output_bytes);
    let limits = Limits {
        deadline: began.checked_add(timeout),
        stop: &pool.stop,
        cancel: None,
        grace: Duration::ZERO,
    };
    if let Err(loss) = talk.handshake(limits).await {
        let said = match &loss {
            Loss::Timeout => format!("did not say {{\"ready\":1}} within {timeout:?}"),
            loss => describe(loss),
        };
        let ended = Ended::of(talk, Duration::ZERO).await;
        ended.count_kill(pool);
        let text = Some(format!("is not ready: it {said}{}", ended.details()));
        let stopped = loss == Loss::Stopped;
        return (!stopped).then_some(Lost {
            reason: WorkerRestart::Handshake,
            lived: Duration::ZERO,
            text,
        });
    }
    let up = Instant::now();
    let ending = serve(pool, seat, &mut talk, &mut changes).await;
    end(pool, seat, talk, ending, up).await
}

/// Why a worker serves no longer, and the request that it has then.
enum Ending {
    /// The pool is being dropped.
    Stopped,
    /// The command's file changed.
    Changed,
    /// It was lost while it was idle, or before it saw this request.
    Idle(Loss, Option<Job>),
    /// It was lost with this request.
    Busy(Loss, Job, Duration),
}

/// Lets a worker answer requests.
async fn serve(
    pool: &Arc<Shared>,
    seat: &Arc<Seat>,
    talk: &mut Talk,
    changes: &mut watch::Receiver<u64>,
) -> Ending {
    let direct = pool
        .lends()
        .then(|| Direct::new(&talk.attached, talk.ids.clone(), talk.max_output))
        .flatten();
    // Of a worker that is lent only those who borrow it want to hear.
    let listen = direct.is_none();
    talk.attached.stdout.open(listen);
    let mut next = pool.join(seat, direct);
    loop {
        let job = match next.take() {
            Some(job) => job,
            None => match idle(pool, seat, talk, changes).await {
                Ok(job) => job,
                Err(ending) => return ending,
            },
        };
        talk.attached.stdout.open(true);
        if let Some(loss) = talk.spoke_unasked().await {
            return Ending::Idle(loss, Some(job));
        }
        let queued = job.request.submitted.elapsed();
        job.request.started();
        if let Err(ending) = answer(pool, talk, job, queued).await {
            return ending;
        }
        talk.attached.stdout.open(listen);
        // Before it is idle: then it waits for the change itself.
        if changes.has_changed().unwrap_or(false) {
            return Ending::Changed;
        }
        next = pool.next(seat);
    }
}

/// Waits for a request.
async fn idle(
    pool: &Arc<Shared>,
    seat: &Arc<Seat>,
    talk: &mut Talk,
    changes: &mut watch::Receiver<u64>,
) -> Result<Job, Ending> {
    let ending = loop {
        tokio::select! {
            biased;
            () = seat.called.notified() => {
                if let Some(ending) = given_back(pool, seat) {
                    return Err(ending);
                }
                if let Some(job) = pool.called(seat) {
                    return Ok(job);
                }
            }
            () = pool.stop.cancelled() => break Ending::Stopped,
            stir = talk.stirs() => match stir {
                Stir::Stderr => log_stderr(pool, talk),
                Stir::Loss(loss) => break Ending::Idle(loss, None),
            },
            _ = changes.changed() => break Ending::Changed,
        }
    };
    while !pool.recall(seat) {
        // The caller that has it sees its end too, or its own deadline.
        seat.called.notified().await;
    }
    Err(given_back(pool, seat).unwrap_or(ending))
}

/// What to do about a worker that a blocking caller has lost.
fn given_back(pool: &Shared, seat: &Seat) -> Option<Ending> {
    let (Failure { loss, unsent }, job, queued) = pool.failed(seat)?;
    // Only what it did of itself may be blamed on it alone.
    Some(match loss {
        Loss::Ended | Loss::Protocol(_) if unsent => Ending::Idle(loss, Some(job)),
        loss => Ending::Busy(loss, job, queued),
    })
}

fn log_stderr(pool: &Shared, talk: &mut Talk) {
    let said = talk.take_stderr();
    let said = String::from_utf8_lossy(&said);
    if !said.trim().is_empty() {
        let command = pool.settings.spec.command.text().to_string_lossy();
        let said = said.trim().replace('\n', "\\n");
        pool.settings.log.note(&format!("worker of command \"{command}\" printed: {said}"));
    }
}

/// Gets the answer to one request.
async fn answer(
    pool: &Shared,
    talk: &mut Talk,
    mut job: Job,
    queued: Duration,
) -> Result<(), Ending> {
    let spec = &pool.settings.spec;
    let source = job.request.input.clone();
    let input = match text(&source) {
        Ok(input) => input,
        Err(message) => {
            let mut report = blank(OutcomeKind::SpawnError, &job.request, queued);
            report.message = message;
            job.done.answer(report);
            return Ok(());
        }
    };
    let now = Instant::now();
    let deadline = job.request.deadline(now);
    let pid = talk.attached.pid();
    let cancel = job.cancel.clone();
    let limits =
        Limits { deadline, stop: &pool.stop, cancel: cancel.as_ref(), grace: spec.kill_grace };
    let until = deadline.and_then(|deadline| unix_seconds(deadline, now));
    let on_cancel = || {
        let mut report = blank(OutcomeKind::Cancelled, &job.request, queued);
        report.pid = Some(pid);
        report.message = "the call was withdrawn".to_owned();
        job.done.answer(report);
    };
    let label = spec.event.label();
    let reply = talk.exchange(label, until.as_deref(), &input, limits, on_cancel).await;
    let mut report = blank(OutcomeKind::Ok, &job.request, queued);
    report.pid = Some(pid);
    match reply {
        Ok(reply) => report = settled(report, reply),
        Err(loss) if loss == Loss::Ended && talk.is_unsent() => {
            return Err(Ending::Idle(loss, Some(job)));
        }
        Err(loss) => return Err(Ending::Busy(loss, job, queued)),
    }
    talk.hear_stderr();
    report.stdio_tail = talk.take_stderr();
    job.done.answer(report);
    Ok(())
}

/// The report of a request that was answered.
pub(super) fn settled(mut report: RunReport, reply: Reply) -> RunReport {
    match reply {
        Reply::Output(output) => {
            report.output_bytes = output.len() as u64;
            report.output = output;
        }
        Reply::Error(text) => {
            report.outcome = OutcomeKind::Exit;
            report.error_file = text.into_bytes();
            report.error_file.truncate(ERROR_BYTES);
        }
    }
    report
}

/// The bytes of an input.
pub(super) fn text(input: &Input) -> Result<std::borrow::Cow<'_, [u8]>, String> {
    match input {
        Input::Text(text) => Ok((&**text).into()),
        Input::Sealed(sealed) => sealed
            .to_bytes()
            .map(Into::into)
            .map_err(|error| format!("the command's input cannot be read: {error}")),
    }
}

/// A report of a worker's request up to now.
pub(super) fn blank(outcome: OutcomeKind, request: &Request, queued: Duration) -> RunReport {
    let total = request.submitted.elapsed();
    let timings = Timings { queued, spawn: Duration::ZERO, total };
    RunReport { by_worker: true, ..RunReport::without_process(outcome, String::new(), timings) }
}

/// Ends a worker that has served, and answers the request that it was lost with.
async fn end(
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
            Ended::of(talk, grace).await.count_kill(pool);
            None
        }
        Ending::Changed => {
            pool.leave(seat, None);
            Ended::of(talk, grace).await.count_kill(pool);
            let text = Some("ends because the command's file has changed".to_owned());
            Some(Lost { reason: WorkerRestart::CommandChanged, lived, text })
        }
        Ending::Idle(loss, job) => {
            pool.leave(seat, job);
            let ended = Ended::of(talk, Duration::ZERO).await;
            ended.count_kill(pool);
            let text = Some(format!("{}{}", describe(&loss), ended.details()));
            Some(Lost { reason: reason(&loss), lived, text })
        }
        Ending::Busy(loss, mut job, queued) => {
            pool.leave(seat, None);
            let ended = Ended::of(talk, Duration::ZERO).await;
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
fn describe(loss: &Loss) -> String {
    match loss {
        Loss::Ended => "ended".to_owned(),
        Loss::Protocol(what) => what.clone(),
        Loss::Timeout => "did not answer in time".to_owned(),
        Loss::TooLarge(size) => format!("sent {size} bytes of a line"),
        Loss::Stopped => "was stopped".to_owned(),
    }
}

/// A worker that has been ended.
struct Ended {
    pid: i32,
    end: End,
    killed: bool,
    stderr: Vec<u8>,
}

impl Ended {
    /// Ends it: at once, or when it has not ended by itself within `grace` after the end of its
    /// input.
    async fn of(mut talk: Talk, grace: Duration) -> Ended {
        talk.hear_last_stderr();
        let (pid, stderr) = (talk.attached.pid(), talk.take_stderr());
        let (end, killed) = talk.attached.end(grace).await;
        Ended { pid, end, killed, stderr }
    }

    fn count_kill(&self, pool: &Shared) {
        if self.killed {
            pool.count_kill();
        }
    }

    /// How it ended by itself and what it said last, for log lines.
    fn details(&self) -> String {
        let mut text = match self.end {
            End::Status(ExitStatus::Exited(code)) => format!(" (exit code {code})"),
            End::Status(ExitStatus::Signaled(signal)) if !self.killed => {
                format!(" (signal {signal})")
            }
            _ => String::new(),
        };
        let said = String::from_utf8_lossy(&self.stderr);
        if !said.trim().is_empty() {
            text += &format!("; its stderr ends with: {}", said.trim().replace('\n', "\\n"));
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
                let text = format!("its worker did not answer within {timeout:?}");
                (OutcomeKind::Timeout, text)
            }
            (Loss::TooLarge(size), _) => {
                report.output_bytes = *size;
                let most = spec.max_output_bytes;
                let text = format!(
                    "its worker sent {size} bytes or more in one line; an output may have {most}"
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
