//! The life of one worker after the other, in one place of the pool.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::escape::one_line_bytes;
use crate::outcome::OutcomeKind;
use crate::outcome::WorkerRestart;
use crate::reactor::Backoff;
use crate::reactor::{Expires, sleep_until};
use crate::run::{RunReport, unix_seconds};

use super::direct::Direct;
use super::ended::{Ended, Ending, Lost, describe, end};
use super::job::{Begun, Job, Returned, blank, settled};
use super::line::Found;
use super::loss::{Failure, Loss};
use super::pool::Shared;
use super::protocol::Reply;
use super::seat::{Access, Seat};
use super::talk::{Limits, Stir, Talk};

/// The first pause before a worker is started again, and the longest; each is twice the one before.
const PAUSES: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(5)];
/// A worker that was up for this long was healthy: the pauses begin anew.
const HEALTHY: Duration = Duration::from_secs(10);
/// Time for start and handshake when the event has no timeout.
const START: Duration = Duration::from_secs(30);
/// How long what a worker prints is kept for a failure that it may explain, before it is logged.
const PRINTED: Duration = Duration::from_millis(20);

/// Keeps a worker in `seat` until the pool is dropped.
pub(super) async fn keep(pool: Arc<Shared>, seat: Arc<Seat>) {
    let mut backoff = Backoff::new(PAUSES[0], PAUSES[1]);
    while !pool.stop.is_cancelled() {
        let Some(lost) = live(&pool, &seat).await else { return };
        let pause = match lost.reason {
            WorkerRestart::CommandChanged => Duration::ZERO,
            _ => {
                if lost.lived >= HEALTHY {
                    backoff.reset();
                }
                backoff.pause()
            }
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
    let quarantine = pool.settings.quarantine.as_ref();
    if let Some(refusal) = quarantine.and_then(|it| it.refusal_of_worker(spec.event)) {
        let text = Some(format!("cannot be started: {refusal}"));
        return Some(Lost { reason: WorkerRestart::SpawnError, lived: Duration::ZERO, text });
    }
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
            Loss::Timeout => {
                let prefix = spec.event.label();
                let parameter = spec.timeout.map(|_| format!(", its {prefix}_timeout"));
                let parameter = parameter.unwrap_or_default();
                format!("did not say {{\"ready\":1}} within {timeout:?}{parameter}")
            }
            loss => describe(loss),
        };
        let ended = Ended::of(pool, talk, Duration::ZERO).await;
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

/// What a worker's task has to do.
enum Work {
    /// A request that the worker has not seen.
    New(Job),
    /// One that it has.
    Begun(Begun),
    /// One that it answered with an error, after so long in the queue.
    Answered(Job, Duration, Reply),
}

/// Lets a worker answer requests.
async fn serve(
    pool: &Arc<Shared>,
    seat: &Arc<Seat>,
    talk: &mut Talk,
    changes: &mut watch::Receiver<u64>,
) -> Ending {
    let access = Direct::new(&talk.attached, talk.ids.clone(), talk.max_output)
        .map_or(Access::Task, |direct| pool.open_access(seat, direct));
    // What the worker says to others must not wake the runtime.
    let listen = matches!(access, Access::Task);
    talk.attached.stdout.set_polled(listen);
    pool.join(seat, access);
    loop {
        let work = match pool.next(seat) {
            Some(job) => Work::New(job),
            None => match idle(pool, seat, talk, changes).await {
                Ok(work) => work,
                Err(ending) => return ending,
            },
        };
        let found = seat.line().map_or(Found::Silence, |line| line.seize());
        talk.attached.stdout.set_polled(true);
        if let Err(ending) = work_on(pool, talk, work, found).await {
            return ending;
        }
        talk.attached.stdout.set_polled(listen);
        // Before it is idle: then it waits for the change itself.
        if changes.has_changed().unwrap_or(false) {
            return Ending::Changed;
        }
    }
}

/// Expires for something to do.
async fn idle(
    pool: &Arc<Shared>,
    seat: &Arc<Seat>,
    talk: &mut Talk,
    changes: &mut watch::Receiver<u64>,
) -> Result<Work, Ending> {
    let mut printed = None;
    let ending = loop {
        tokio::select! {
            biased;
            () = seat.called.notified() => {
                if let Some(work) = seat.take() {
                    return to_do(work);
                }
                match seat.line().map_or(Found::Silence, |line| line.seize_unusual()) {
                    Found::Silence => {}
                    Found::Begun(begun) => return Ok(Work::Begun(begun)),
                    Found::Broken(broken) => {
                        break Ending::Idle(talk.loss(broken).await, None);
                    }
                }
            }
            () = pool.stop.cancelled() => break Ending::Stopped,
            () = sleep_until(printed), if printed.is_some() => {
                printed = None;
                log_stderr(pool, talk);
            }
            stir = talk.stirs() => match stir {
                // Not at once: if the worker is about to be lost, it says why.
                Stir::Stderr => {
                    printed.get_or_insert_with(|| Instant::now() + PRINTED);
                }
                Stir::Loss(loss) => break Ending::Idle(loss, None),
            },
            _ = changes.changed() => break Ending::Changed,
        }
    };
    match (take_back(pool, seat).await, ending) {
        (None, ending) => Err(ending),
        (Some(Returned::Unseen(job)), Ending::Idle(loss, _)) => Err(Ending::Idle(loss, Some(job))),
        (Some(returned), ending) => {
            if matches!(ending, Ending::Changed) {
                // It has an answer to give first.
                changes.mark_changed();
            }
            to_do(returned)
        }
    }
}

/// Takes a worker back from whoever has it, with what is to be done.
async fn take_back(pool: &Shared, seat: &Arc<Seat>) -> Option<Returned> {
    // Whoever has it sees its end too, or its own deadline, or leaves it to us soon.
    while !pool.recall(seat) {
        if let Some(line) = seat.line()
            && let Found::Begun(begun) = line.seize()
        {
            return Some(Returned::Begun(begun));
        }
        seat.called.notified().await;
    }
    seat.take()
}

/// What to do about a request that comes from somebody else.
#[expect(clippy::result_large_err, reason = "it is rare")]
fn to_do(returned: Returned) -> Result<Work, Ending> {
    let (Failure { loss, unsent }, job, queued) = match returned {
        Returned::Unseen(job) => return Ok(Work::New(job)),
        Returned::Begun(begun) => return Ok(Work::Begun(begun)),
        Returned::Answered(job, queued, reply) => return Ok(Work::Answered(job, queued, reply)),
        Returned::Lost(failure, job, queued) => (failure, job, queued),
    };
    // Only what it did of itself may be blamed on it alone.
    Err(match loss {
        Loss::Ended | Loss::Protocol(_) if unsent => Ending::Idle(loss, Some(job)),
        loss => Ending::Busy(loss, job, queued),
    })
}

fn log_stderr(pool: &Shared, talk: &mut Talk) {
    let said = talk.take_stderr();
    let said = said.trim_ascii();
    if !said.is_empty() {
        let command = pool.settings.spec.command.text().to_string_lossy();
        let said = one_line_bytes(said);
        pool.settings.log.note(&format!("worker of command \"{command}\" printed: {said}"));
    }
}

/// Sees to one request. `found` is what was found when the worker was taken for it.
async fn work_on(pool: &Shared, talk: &mut Talk, work: Work, found: Found) -> Result<(), Ending> {
    let broken = match found {
        Found::Broken(broken) => Some(talk.loss(broken).await),
        _ => None,
    };
    match work {
        Work::New(job) => {
            let broken = match broken {
                None => talk.spoke_unasked().await,
                broken => broken,
            };
            match broken {
                Some(loss) => Err(Ending::Idle(loss, Some(job))),
                None => begin(pool, talk, job).await,
            }
        }
        Work::Begun(Begun { job, queued, deadline, id, heard }) => {
            talk.take_up(heard);
            finish(pool, talk, Asked { job, queued, deadline, id }).await
        }
        Work::Answered(mut job, queued, reply) => {
            let report = blank(OutcomeKind::Ok, &job.request, queued);
            job.done.answer(told(talk, report, reply));
            match broken {
                Some(loss) => Err(Ending::Idle(loss, None)),
                None => Ok(()),
            }
        }
    }
}

/// A request that the worker has, or is about to get.
struct Asked {
    job: Job,
    queued: Duration,
    deadline: Option<Instant>,
    id: u64,
}

/// Sends a request and gets its answer.
async fn begin(pool: &Shared, talk: &mut Talk, mut job: Job) -> Result<(), Ending> {
    let now = Instant::now();
    if let Some(expired) = job.expired(now) {
        job.give_up(expired);
        return Ok(());
    }
    let queued = now.saturating_duration_since(job.request.submitted);
    let deadline = job.request.deadline(now);
    let until = deadline.and_then(|deadline| unix_seconds(deadline, now));
    let id = match job.request.input.bytes() {
        Ok(input) => talk.begin(pool.settings.spec.event.label(), until.as_deref(), &input),
        Err(message) => {
            let report = blank(OutcomeKind::SpawnError, &job.request, queued);
            job.done.answer(RunReport { message, ..report });
            return Ok(());
        }
    };
    job.request.started();
    // What it printed before is not this request's.
    log_stderr(pool, talk);
    finish(pool, talk, Asked { job, queued, deadline, id }).await
}

/// Gets the answer to a request.
async fn finish(pool: &Shared, talk: &mut Talk, asked: Asked) -> Result<(), Ending> {
    let Asked { mut job, queued, deadline, id } = asked;
    let pid = talk.attached.pid();
    let cancel = job.cancel.clone();
    let grace = pool.settings.spec.kill_grace;
    let limits = Limits { deadline, stop: &pool.stop, cancel: cancel.as_ref(), grace };
    let on_cancel = || {
        let mut report = blank(OutcomeKind::Cancelled, &job.request, queued);
        report.pid = Some(pid);
        report.message = "the call was withdrawn".to_owned();
        job.done.answer(report);
    };
    match talk.answer(id, limits, on_cancel).await {
        Ok(reply) => {
            let report = blank(OutcomeKind::Ok, &job.request, queued);
            job.done.answer(told(talk, report, reply));
            Ok(())
        }
        Err(loss) if loss == Loss::Ended && talk.is_unsent() => Err(Ending::Idle(loss, Some(job))),
        Err(loss) => Err(Ending::Busy(loss, job, queued)),
    }
}

/// The report of a request that was answered, with what the worker printed meanwhile.
fn told(talk: &mut Talk, report: RunReport, reply: Reply) -> RunReport {
    talk.hear_stderr();
    let stdio_tail = talk.take_stderr();
    let pid = Some(talk.attached.pid());
    RunReport { pid, stdio_tail, ..settled(report, reply) }
}
