//! The supervisor of one place of a pool: one worker after the other, each from its start to its
//! end.
//!
//! It is a task on the runtime. It starts and greets a worker, waits for its end, for the pool's,
//! for a change of the command's file and for what is printed to stderr, and ends it when it cannot
//! be used any more. It moves no byte of a request.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use crate::escape::one_line_bytes;
use crate::outcome::WorkerRestart;
use crate::reactor::{Backoff, sleep_until};
use crate::run::{PipedChild, Unended};

use super::fault::Fault;
use super::recycle::Replacement;
use super::teardown::{Ending, Restart, Teardown, end};
use super::worker::{Lost, Pool, Worker};

/// The first pause before a worker is started again, and the longest; each is twice the one before.
const PAUSES: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(5)];
/// A worker that was up for this long was healthy: the pauses begin anew.
const HEALTHY: Duration = Duration::from_secs(10);
/// Time for start and handshake when the event has no timeout.
const START: Duration = Duration::from_secs(30);
/// How long what a worker prints is kept for a failure that it may explain, before it is logged.
const PRINTED: Duration = Duration::from_millis(20);

/// Keeps a worker up until the pool is dropped, or another supervisor has the place. `ready` is
/// told when the first one is up.
pub(super) fn keep_up(
    unended: Arc<Unended>,
    pool: Arc<Pool>,
    ready: Option<oneshot::Sender<()>>,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    // In a box, because a supervisor may start another, which is one like it.
    Box::pin(supervise(unended, pool, ready))
}

// What the end waits for is dropped last.
async fn supervise(unended: Arc<Unended>, pool: Arc<Pool>, mut ready: Option<oneshot::Sender<()>>) {
    let mut backoff = Backoff::new(PAUSES[0], PAUSES[1]);
    while !pool.stop.is_cancelled() {
        let Some(restart) = run_one(&pool, &unended, &mut ready).await else { return };
        if restart.handed_over {
            tell(&pool, &restart, "another takes its place");
            return pool.metrics().restart(restart.reason);
        }
        let pause = match restart.reason {
            WorkerRestart::CommandChanged => Duration::ZERO,
            _ => {
                if restart.lived >= HEALTHY {
                    backoff.reset();
                }
                backoff.pause()
            }
        };
        tell(&pool, &restart, &format!("restarted in {pause:?}"));
        tokio::select! {
            () = pool.stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pool.metrics().restart(restart.reason);
    }
}

/// Logs that a worker asked for more requests at a time than it gets.
fn tell_excess(pool: &Pool, worker: &Worker) {
    let Some(wanted) = worker.excess() else { return };
    let (command, most) = (pool.settings.spec.command.text(), pool.settings.multiplex);
    let prefix = pool.settings.spec.event.label();
    let then = if worker.is_for_hooks() {
        "hooks are asked for one at a time".to_owned()
    } else {
        format!("it gets {most}, as {prefix}_worker_multiplex_max says")
    };
    pool.settings.log.note(&format!(
        "worker of command \"{}\" asks for {wanted} requests at a time; {then}",
        command.to_string_lossy()
    ));
}

/// Logs why a worker was lost, unless a failing call says it, and what follows.
fn tell(pool: &Pool, restart: &Restart, then: &str) {
    let Some(text) = &restart.text else { return };
    let command = pool.settings.spec.command.text().to_string_lossy();
    let text = format!("worker of command \"{command}\" {text}; {then}");
    match restart.reason {
        WorkerRestart::CommandChanged | WorkerRestart::Recycled => pool.settings.log.note(&text),
        _ => pool.settings.log.failure(&text),
    }
}

/// One worker from its start to its end; `None` when the pool's end was its end.
async fn run_one(
    pool: &Arc<Pool>,
    unended: &Arc<Unended>,
    ready: &mut Option<oneshot::Sender<()>>,
) -> Option<Restart> {
    let spec = &pool.settings.spec;
    // Before the start: a change after it is a change for this worker.
    let mut changes = pool.generation.subscribe();
    let began = Instant::now();
    let timeout = spec.timeout.unwrap_or(START);
    let quarantine = pool.settings.quarantine.as_ref();
    let not_started = |text| Some(Restart::early(WorkerRestart::SpawnError, text));
    if let Some(refusal) = quarantine.and_then(|it| it.refusal_of_worker(spec.event)) {
        return not_started(format!("cannot be started: {refusal}"));
    }
    let reactor = match pool.runner.worker_reactor() {
        Ok(reactor) => reactor,
        Err(error) => {
            return not_started(format!(
                "could not be started: no thread can wait for its answers: {error}"
            ));
        }
    };
    let (child, pipes) = match pool.runner.attach(spec, timeout, &pool.stop).await {
        Ok(attached) => attached,
        Err(_) if pool.stop.is_cancelled() => return None,
        Err(message) => return not_started(format!("could not be started: {message}")),
    };
    pool.settings.metrics.event(spec.event).spawn(child.spawn);
    let worker = Worker::new(pool, reactor, child.pid(), pipes);
    if let Err(fault) = greet(pool, &worker, &child, began.checked_add(timeout)).await {
        let said = match &fault {
            Fault::Timeout => {
                let prefix = spec.event.label();
                let parameter = spec.timeout.map(|_| format!(", its {prefix}_timeout"));
                let parameter = parameter.unwrap_or_default();
                format!("did not say {{\"ready\":1}} within {timeout:?}{parameter}")
            }
            fault => fault.describe(),
        };
        let teardown = Teardown::run(pool, &worker, child, Duration::ZERO).await;
        teardown.count_kill(pool);
        let text = format!("is not ready: it {said}{}", teardown.details());
        let restart = Restart::early(WorkerRestart::Handshake, text);
        return (fault != Fault::Stopped).then_some(restart);
    }
    let up = Instant::now();
    tell_excess(pool, &worker);
    pool.join(&worker);
    if let Some(ready) = ready.take() {
        // Nobody waits any more when the worker before it was lost meanwhile.
        let _ = ready.send(());
    }
    let mut replacement = Replacement::new(pool, &worker, unended);
    let ending = until_ending(pool, &worker, &child, &mut changes, &mut replacement).await;
    let handed_over = replacement.has_begun();
    let restart = end(pool, &worker, child, ending, up).await?;
    Some(Restart { handed_over, ..restart })
}

/// Greets a worker and waits until it is ready.
async fn greet(
    pool: &Pool,
    worker: &Arc<Worker>,
    child: &PipedChild,
    deadline: Option<Instant>,
) -> Result<(), Fault> {
    worker.greet();
    let mut ended = false;
    loop {
        // In this order: an answer beats a deadline of the same moment, and no flood of stderr
        // keeps a deadline from being seen.
        tokio::select! {
            biased;
            () = worker.changed.notified() => {}
            () = child.ended(), if !ended => {
                ended = true;
                worker.fail(Fault::Ended);
            }
            () = sleep_until(deadline) => worker.fail(Fault::Timeout),
            () = pool.stop.cancelled() => worker.fail(Fault::Stopped),
            () = worker.stderr.readable() => worker.stderr.read(),
        }
        if let Some(Lost { fault, .. }) = worker.take_lost() {
            return Err(find_out(fault, child).await);
        }
        if worker.is_idle() {
            return Ok(());
        }
    }
}

/// Watches over a worker that serves, until it is to be ended.
async fn until_ending(
    pool: &Arc<Pool>,
    worker: &Arc<Worker>,
    child: &PipedChild,
    changes: &mut watch::Receiver<u64>,
    replacement: &mut Replacement<'_>,
) -> Ending {
    worker.serve();
    let (mut printed, mut ended) = (None, false);
    let mut retires = None;
    loop {
        if let Some(mut lost) = worker.take_lost() {
            lost.fault = find_out(lost.fault, child).await;
            return Ending::Lost(Box::new(lost));
        }
        if let Some(ending) = retires.take_if(|_| worker.is_idle()) {
            return ending;
        }
        tokio::select! {
            biased;
            () = worker.changed.notified() => {}
            () = pool.stop.cancelled(), if !matches!(retires, Some(Ending::Stopped)) => {
                retires = Some(Ending::Stopped);
                worker.stop(pool.settings.spec.kill_grace);
            }
            () = sleep_until(printed), if printed.is_some() => {
                printed = None;
                log_stderr(pool, worker);
            }
            () = child.ended(), if !ended => {
                ended = true;
                worker.process_ended();
            }
            // Not logged at once: if the worker is about to be lost, it says why.
            () = worker.stderr.readable() => {
                worker.stderr.read();
                printed.get_or_insert_with(|| Instant::now() + PRINTED);
            }
            why = replacement.successor(), if retires.is_none() => {
                retires = Some(Ending::Recycled(why));
                worker.retire();
            }
            changed = changes.changed(), if retires.is_none() => {
                if changed.is_ok() {
                    retires = Some(Ending::Changed);
                    worker.retire();
                }
            }
        }
    }
}

/// What a closed pipe means: mostly that the worker is about to end.
async fn find_out(fault: Fault, child: &PipedChild) -> Fault {
    /// How long a worker may live on after it closed a pipe and still count as having ended. One
    /// that ends closes its pipes first, and may then have to wait for a processor.
    const CLOSING: Duration = Duration::from_secs(1);
    match fault {
        Fault::Closed(_) if tokio::time::timeout(CLOSING, child.ended()).await.is_ok() => {
            Fault::Ended
        }
        fault => fault,
    }
}

fn log_stderr(pool: &Pool, worker: &Worker) {
    let printed = worker.stderr.take();
    let printed = printed.trim_ascii();
    if !printed.is_empty() {
        let command = pool.settings.spec.command.text().to_string_lossy();
        let printed = one_line_bytes(printed);
        pool.settings.log.note(&format!("worker of command \"{command}\" printed: {printed}"));
    }
}
