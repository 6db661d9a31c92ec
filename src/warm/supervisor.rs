//! The supervisor of a warm interpreter: one after the other, each from its start to its end.
//!
//! It is a task on the runtime. Messages to and from the interpreter are fields with a NUL byte
//! between any two:
//!
//! | direction | fields |
//! |---|---|
//! | to it, first | its text |
//! | to it, second | the script, the name of its processes, its first line, 1 when modules are imported ahead |
//! | from it | `up`, how many files it watches; or `ahead`, why nothing can be imported ahead; or `refused`, why the script cannot be run warm |
//! | to it | `fork` and the `cgroup.procs` to enter, with the channel of the process and perhaps the directory of its cgroup (`run/standby.rs`) |
//! | from it | `changed`, a file: it has ended |
//! | to a process | its run (`sys/ready.rs`) |
//! | from a process | `made`, its number; `started` or `plain`, the time; `failed`, a step and an errno |

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::unix::AsyncFd;

use crate::command::WarmScript;
use crate::metrics::ModuleMetrics;
use crate::outcome::{KillSignal, WorkerRestart};
use crate::reactor::{Backoff, CancelToken};
use crate::run::{
    Asked, CommandSpec, InterpreterEnds, Lifetime, PipedChild, Quarantine, Runner, Standby, Unended,
};
use crate::sys::{poll_channel, resident_bytes, send_message};
use crate::worker::{Recycling, WorkerLog};

use super::look::{Interpreters, Serving};
use super::said::{hear, printed};

/// The text that the interpreter runs.
const TEXT: &str = concat!(
    include_str!("interpreter/1-start.py.in"),
    include_str!("interpreter/2-process.py.in"),
    include_str!("interpreter/3-end.py.in"),
    include_str!("interpreter/4-serve.py.in"),
);
/// What reads it: the argument of `-c`. It leaves no name behind.
const BOOT: &str = "(lambda m:exec(m['read'](0,1<<20),m)or m['main']())\
                    ({'__name__':'mesos_command_warm','read':__import__('os').read})";
/// Until when an interpreter must be up.
const START: Duration = Duration::from_secs(30);
/// The first pause before one is started again, and the longest; each is twice the one before.
const PAUSES: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(5)];
/// The same, after it has said that the script cannot be run warm.
const REFUSED_PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];
/// One that was up for this long was healthy: the pauses begin anew.
const HEALTHY: Duration = Duration::from_secs(10);
/// Between two looks at it and its processes.
const LOOK: Duration = Duration::from_secs(1);
/// How long it may take to end by itself.
const GRACE: Duration = Duration::from_millis(500);

/// What a pool is made of.
pub struct WarmSettings {
    /// The command.
    pub spec: Arc<CommandSpec>,
    /// The script that it is.
    pub script: WarmScript,
    /// How many processes stand ready.
    pub ready: usize,
    /// When the interpreter is replaced although it is well; requests are the processes that it
    /// has made.
    pub recycling: Recycling,
    /// Where an interpreter is counted that outlives SIGKILL.
    pub quarantine: Option<Arc<Quarantine>>,
    /// The instance's metrics.
    pub metrics: Arc<ModuleMetrics>,
    /// Where to log.
    pub log: Arc<dyn WorkerLog>,
}

/// The warm interpreter of one command. Dropped, it ends with the processes that stand ready; those
/// that have a run go on.
pub struct WarmPool {
    standby: Arc<Standby>,
    serving: Arc<Serving>,
    stop: CancelToken,
}

impl std::fmt::Debug for WarmPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WarmPool").field("standby", &self.standby).finish_non_exhaustive()
    }
}

struct Shared {
    runner: Arc<Runner>,
    settings: WarmSettings,
    standby: Arc<Standby>,
    serving: Arc<Serving>,
    stop: CancelToken,
}

impl WarmPool {
    /// Starts the interpreter, as a part of an instance, with which it ends; does not wait until it
    /// is up.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start_in(
        lifetime: &Arc<Lifetime>,
        runner: Arc<Runner>,
        settings: WarmSettings,
    ) -> std::io::Result<WarmPool> {
        let cgroups = settings.spec.cgroups.clone();
        let (reactor, handle) = (runner.worker_reactor()?, runner.handle().clone());
        let standby = Standby::new(reactor, handle.clone(), lifetime, cgroups, settings.ready);
        let stop = lifetime.stop().child();
        let serving: Arc<Serving> = Arc::default();
        let (shown, end) = (serving.clone(), stop.clone());
        let pool = WarmPool { standby: standby.clone(), serving: shown, stop: end };
        let shared = Shared { runner, settings, standby, serving, stop };
        // Makes the series, so that they are there as zeros.
        shared.metrics().worker();
        shared.metrics().warm();
        handle.spawn(supervise(shared, lifetime.unended()));
        Ok(pool)
    }

    /// The processes that stand ready, for the requests of the command.
    pub fn standby(&self) -> &Arc<Standby> {
        &self.standby
    }

    /// What an operator sees of the interpreter.
    pub fn interpreters(&self) -> Interpreters {
        let standby = Arc::downgrade(&self.standby);
        Interpreters { standby, serving: self.serving.clone() }
    }
}

impl Drop for WarmPool {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Shared {
    fn metrics(&self) -> &crate::metrics::EventMetrics {
        self.settings.metrics.event(self.settings.spec.event)
    }

    fn line(&self, text: &str) -> String {
        let command = self.settings.spec.command.text().to_string_lossy();
        format!("warm interpreter of command \"{command}\" {text}")
    }
}

/// An interpreter that is up.
struct Interpreter {
    child: PipedChild,
    channel: AsyncFd<Arc<OwnedFd>>,
    up: Instant,
}

/// Why there is none.
enum NotUp {
    Stopped,
    /// It could not be started, or has ended.
    Failed(String),
    /// It has said why nothing can be imported ahead.
    NotAhead(String),
    /// It has said why the script cannot be run warm.
    Refused(String),
}

/// Why one serves no longer.
enum Ending {
    Stopped,
    Ended,
    Changed(String),
    Due(String),
}

/// Keeps an interpreter up until the pool is dropped.
async fn supervise(shared: Shared, unended: Unended) {
    let mut backoff = Backoff::new(PAUSES[0], PAUSES[1]);
    let mut refused = Backoff::new(REFUSED_PAUSES[0], REFUSED_PAUSES[1]);
    let mut ahead = true;
    while !shared.stop.is_cancelled() {
        let (reason, pause, text) = match bring_up(&shared, ahead).await {
            Ok(interpreter) => {
                refused.reset();
                let (ending, limit, lived) = serve_on(&shared, interpreter, ahead).await;
                ahead = true;
                if lived >= HEALTHY {
                    backoff.reset();
                }
                match ending {
                    Ending::Changed(file) => {
                        let text = format!("ends because {file} has changed");
                        shared.settings.log.note(&shared.line(&text));
                        shared.metrics().worker().restart(WorkerRestart::CommandChanged);
                        continue;
                    }
                    Ending::Ended => {
                        (WorkerRestart::Exit, backoff.pause(), format!("has ended{limit}"))
                    }
                    Ending::Stopped | Ending::Due(_) => continue,
                }
            }
            Err(NotUp::Stopped) => break,
            Err(NotUp::NotAhead(why)) => {
                let text = format!("imports nothing ahead: {why}");
                shared.settings.log.note(&shared.line(&text));
                ahead = false;
                continue;
            }
            Err(NotUp::Failed(why)) => (WorkerRestart::SpawnError, backoff.pause(), why),
            Err(NotUp::Refused(why)) => {
                let text = format!("cannot be used, so its calls start the command: {why}");
                (WorkerRestart::Handshake, refused.pause(), text)
            }
        };
        if shared.serving.failed(&text) {
            let line = format!("{}; started again in {pause:?}", shared.line(&text));
            shared.settings.log.failure(&line);
        }
        tokio::select! {
            () = shared.stop.cancelled() => break,
            () = tokio::time::sleep(pause) => {}
        }
        shared.metrics().worker().restart(reason);
    }
    shared.standby.close();
    shared.standby.end_all();
    drop(unended);
}

/// Lets an interpreter serve, and each that takes its place when it is due, until one ends in
/// another way; how, the limit that it had met, for a log line, and how long it was up.
async fn serve_on(
    shared: &Shared,
    mut interpreter: Interpreter,
    ahead: bool,
) -> (Ending, String, Duration) {
    let worker = shared.metrics().worker();
    let mut asked = serve(shared, &interpreter);
    loop {
        let ending = until_ending(shared, &interpreter).await;
        // The successor first: until it is up, the one before serves.
        let successor = match &ending {
            Ending::Due(_) => bring_up(shared, ahead).await.ok(),
            _ => None,
        };
        let successor = successor.map(|next| (serve(shared, &next), next));
        if successor.is_none() {
            shared.standby.close();
            shared.serving.down();
        }
        worker.up_dec();
        let Interpreter { child, channel, up } = interpreter;
        // It ends when nobody is at the other end.
        drop(channel);
        let lived = up.elapsed();
        let settled = shared.standby.settle(child.pid(), &asked);
        let limit = end(shared, child, settled).await;
        let (Ending::Due(why), Some(next)) = (&ending, successor) else {
            return (ending, limit, lived);
        };
        let text = format!("{why} and ends; another takes its place");
        shared.settings.log.note(&shared.line(&text));
        worker.restart(WorkerRestart::Recycled);
        (asked, interpreter) = next;
    }
}

/// Has an interpreter asked for processes, instead of the one before.
fn serve(shared: &Shared, interpreter: &Interpreter) -> Arc<Asked> {
    shared.serving.up(interpreter.child.pid(), interpreter.up);
    shared.metrics().worker().up_inc();
    shared.standby.open(interpreter.channel.get_ref().clone())
}

/// Watches over an interpreter that serves, until it is to be ended.
async fn until_ending(shared: &Shared, interpreter: &Interpreter) -> Ending {
    let mut look = Instant::now() + LOOK;
    loop {
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => return Ending::Stopped,
            said = hear(&interpreter.channel) => return match said.unwrap_or_default().as_slice() {
                [what, file, ..] if what == "changed" => Ending::Changed(file.clone()),
                _ => Ending::Ended,
            },
            () = interpreter.child.ended() => return Ending::Ended,
            () = tokio::time::sleep_until(look.into()) => {}
        }
        look = Instant::now() + LOOK;
        shared.standby.tidy();
        let memory = || resident_bytes(interpreter.child.pid());
        let (made, age) = (shared.standby.made(), interpreter.up.elapsed());
        if let Some(why) = shared.settings.recycling.due(made, age, memory) {
            return Ending::Due(why);
        }
    }
}

/// Starts an interpreter and waits until it is up.
async fn bring_up(shared: &Shared, ahead: bool) -> Result<Interpreter, NotUp> {
    let WarmSettings { spec, script, quarantine, .. } = &shared.settings;
    if let Some(refusal) = quarantine.as_ref().and_then(|it| it.refusal_of_worker(spec.event)) {
        return Err(NotUp::Failed(format!("cannot be started: {refusal}")));
    }
    let arguments = script.arguments(BOOT);
    let attached = shared.runner.attach_interpreter(spec, &arguments, START, &shared.stop).await;
    let (child, ends) = match attached {
        Ok(attached) => attached,
        Err(_) if shared.stop.is_cancelled() => return Err(NotUp::Stopped),
        Err(error) => return Err(NotUp::Failed(format!("could not be started: {error}"))),
    };
    shared.metrics().spawn(child.spawn);
    let InterpreterEnds { channel, stderr } = ends;
    let answer = match poll_channel(Arc::new(channel)) {
        Ok(channel) => set_up(shared, channel, ahead).await,
        Err(error) => Err(NotUp::Failed(format!("cannot be listened to: {error}"))),
    };
    match answer {
        Ok(channel) => Ok(Interpreter { child, channel, up: Instant::now() }),
        Err(not_up) => {
            let said = printed(&stderr) + &end(shared, child, async {}).await;
            Err(match not_up {
                NotUp::Failed(why) => NotUp::Failed(format!("{why}{said}")),
                other => other,
            })
        }
    }
}

/// Tells an interpreter what it is for, and waits until it is ready for that.
async fn set_up(
    shared: &Shared,
    channel: AsyncFd<Arc<OwnedFd>>,
    ahead: bool,
) -> Result<AsyncFd<Arc<OwnedFd>>, NotUp> {
    let script = &shared.settings.script;
    let ahead: &[u8] = if ahead { b"1" } else { b"0" };
    let path = std::os::unix::ffi::OsStrExt::as_bytes(script.path.as_os_str());
    let setting = [path, script.process_name(), &script.line, ahead].join(&0);
    for message in [TEXT.as_bytes(), &setting] {
        send_message(channel.get_ref().as_fd(), message, &[])
            .map_err(|errno| NotUp::Failed(format!("cannot be told what it is for: {errno}")))?;
    }
    let said = tokio::select! {
        biased;
        () = shared.stop.cancelled() => return Err(NotUp::Stopped),
        said = hear(&channel) => said,
        () = tokio::time::sleep(START) => {
            return Err(NotUp::Failed(format!("did not get ready within {START:?}")));
        }
    };
    let said: Vec<&str> = said.iter().flatten().map(String::as_str).collect();
    match *said {
        ["up", ..] => Ok(channel),
        ["ahead", why, ..] => Err(NotUp::NotAhead(why.to_owned())),
        ["refused", why, ..] => Err(NotUp::Refused(why.to_owned())),
        _ => Err(NotUp::Failed("ended before it was ready".to_owned())),
    }
}

/// Ends an interpreter whose channel is closed; the limit that it had met, for a log line.
/// `settled` is awaited before it is reaped.
async fn end(shared: &Shared, child: PipedChild, settled: impl Future<Output = ()>) -> String {
    let quarantine = shared.settings.quarantine.as_ref();
    let ended = child.end(GRACE, std::future::pending(), settled, quarantine).await;
    if ended.killed {
        shared.settings.metrics.kill(KillSignal::Kill);
    }
    ended.met.map_or_else(String::new, |met| format!("; {}", met.text))
}
