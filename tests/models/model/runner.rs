//! What starts commands, as far as workers need it: it starts none.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::event::Event;
use crate::outcome::OutcomeKind;
use crate::reactor::{CancelToken, Reactor, Timers};
use crate::sys::Pid;

use super::{CommandSpec, Fate, LaneQueue, PipeEnds, PipedChild, Request, RunReport, waited_since};

/// Of no play: no process outlives SIGKILL.
#[derive(Clone, Copy, Debug)]
pub enum Quarantine {}

impl Quarantine {
    pub(crate) fn refusal(&self, _event: Event, _container: Option<&str>) -> Option<String> {
        match *self {}
    }

    pub(crate) fn refusal_of_worker(&self, _event: Event) -> Option<String> {
        match *self {}
    }
}

/// The runner of one play.
pub struct Runner {
    reactor: Arc<Reactor>,
    timers: Arc<Timers>,
    /// What becomes of the workers that will be started, the last one first.
    fates: Mutex<Vec<Fate>>,
    handle: Handle,
}

/// Where tasks are started.
pub(crate) struct Handle;

impl Handle {
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(shuttle::future::spawn(task));
    }
}

impl Runner {
    /// One whose workers have these fates, and those of after them the last one.
    pub(crate) fn new(fates: Vec<Fate>) -> Arc<Runner> {
        let reactor = Reactor::start("model", 1).expect("an epoll instance");
        let timers = Arc::new(Timers::default());
        let serves = timers.clone();
        drop(shuttle::future::spawn(async move { serves.serve().await }));
        Arc::new(Runner { reactor, timers, fates: Mutex::new(fates), handle: Handle })
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(crate) fn timers(&self) -> &Arc<Timers> {
        &self.timers
    }

    pub(crate) fn worker_reactor(&self) -> io::Result<Arc<Reactor>> {
        Ok(self.reactor.clone())
    }

    /// Starts a worker.
    pub(crate) async fn attach(
        &self,
        _spec: &Arc<CommandSpec>,
        _timeout: Duration,
        _cancel: &CancelToken,
    ) -> Result<(PipedChild, PipeEnds), io::Error> {
        let fate = self.fates.lock().pop().unwrap_or_default();
        PipedChild::start(fate)
    }

    /// A plain run, which succeeds at once.
    pub(crate) fn submit(
        &self,
        request: Request,
        _lane: Option<&Arc<LaneQueue>>,
        _cancel: Option<CancelToken>,
        done: impl FnOnce(RunReport) + Send + 'static,
    ) {
        let timings = waited_since(request.submitted);
        done(RunReport::without_process(OutcomeKind::Ok, "", timings));
    }
}

/// The life of an instance, as far as workers need it.
pub struct Lifetime {
    stop: CancelToken,
}

/// Of what the end of an instance waits for.
pub(crate) struct Unended(#[expect(dead_code, reason = "kept until it is dropped")] Arc<Lifetime>);

impl Lifetime {
    pub(crate) fn begin(_grace: Duration) -> Arc<Lifetime> {
        Arc::new(Lifetime { stop: CancelToken::new() })
    }

    pub(crate) fn stop(&self) -> &CancelToken {
        &self.stop
    }

    pub(crate) fn unended(self: &Arc<Lifetime>) -> Unended {
        Unended(self.clone())
    }
}

pub(crate) fn unix_seconds(_deadline: Instant, _now: Instant) -> Option<String> {
    None
}

pub(crate) async fn answer_later(
    request: Request,
    submit: impl FnOnce(Request, Box<dyn FnOnce(RunReport) + Send>),
) -> RunReport {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    submit(request, Box::new(move |report| drop(sender.send(report))));
    receiver.await.expect("an answer")
}

pub(crate) fn answer_blocking(
    request: Request,
    submit: impl FnOnce(Request, Box<dyn FnOnce(RunReport) + Send>),
) -> RunReport {
    shuttle::future::block_on(answer_later(request, submit))
}

/// The number of the next process.
pub(super) fn next_pid() -> Pid {
    Pid::from_raw(7).expect("a number of a process")
}
