//! Ctrl-C and TERM: the commands end with their trees, the private directory goes, then the tool
//! ends by the signal, so that a shell sees what happened.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use mesos_command::run::{Runner, end_descendants};
use nix::sys::signal::{SigSet, Signal};

/// The signals that people and service managers end a program with.
const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
/// How long the main thread may take to show what became of the call that was interrupted.
const LAST_WORDS: Duration = Duration::from_secs(1);

static REQUESTED: AtomicBool = AtomicBool::new(false);
static GRACE_MILLIS: AtomicU64 = AtomicU64::new(0);
static DIRECTORIES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
static SHOWN: Mutex<bool> = Mutex::new(false);
static SHOWN_CHANGED: Condvar = Condvar::new();

/// Takes over the signals. To be called before any other thread is started, because threads
/// inherit what is blocked.
///
/// # Errors
/// When the thread that waits for them cannot be started.
pub(crate) fn install() -> anyhow::Result<()> {
    let ignored = ignored_signals();
    let mut signals = SigSet::empty();
    for signal in SIGNALS {
        // `nohup`, or a shell's background job: whoever ignores it means it.
        if ignored & (1 << (signal as u64 - 1)) == 0 {
            signals.add(signal);
        }
    }
    signals.thread_block().context("signals cannot be blocked")?;
    let wait = move || {
        if let Ok(signal) = signals.wait() {
            end(signal, signals);
        }
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(wait)
        .context("no thread can be started")?;
    Ok(())
}

/// Whether a signal has come: nothing new is started any more.
pub(crate) fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

/// Commands get this long between TERM and KILL; the longest that was told counts.
pub(crate) fn allow_grace(grace: Duration) {
    let millis = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
    GRACE_MILLIS.fetch_max(millis, Ordering::SeqCst);
}

/// The grace that was allowed.
pub(crate) fn grace() -> Duration {
    Duration::from_millis(GRACE_MILLIS.load(Ordering::SeqCst))
}

/// After a signal: says that all is shown, and leaves the rest to the thread of the signals.
pub(crate) fn leave_if_requested() {
    if !requested() {
        return;
    }
    *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = true;
    SHOWN_CHANGED.notify_all();
    loop {
        std::thread::park();
    }
}

/// A directory that is removed after a signal.
pub(crate) fn remove_at_end(path: &Path) {
    DIRECTORIES.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_owned());
}

/// Removes such a directory now.
pub(crate) fn remove_now(path: &Path) {
    DIRECTORIES.lock().unwrap_or_else(PoisonError::into_inner).retain(|other| other != path);
    remove(path);
}

fn remove(path: &Path) {
    // Again when something was added while it was being removed.
    for _ in 0..3 {
        match std::fs::remove_dir_all(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::debug!("'{}' cannot be removed: {error}", path.display());
            }
            _ => return,
        }
    }
    say(&format!("'{}' could not be removed", path.display()));
}

/// A line on standard error, whose reader may have ended by the same signal: `eprintln!` would end
/// this thread then, and the main thread would wait for it for ever.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "mesos-command: {text}");
}

fn end(signal: Signal, signals: SigSet) {
    REQUESTED.store(true, Ordering::SeqCst);
    if let Ok(runner) = Runner::global() {
        runner.close();
    }
    say(&format!("{signal}: ending what runs (once more kills it)"));
    // Whoever asks twice does not want to wait.
    let again = move || {
        if signals.wait().is_ok() {
            end_descendants(Duration::ZERO);
        }
    };
    // Without it a second signal has no effect, that is all.
    let _ = std::thread::Builder::new().spawn(again);
    let left = end_descendants(grace());
    if left > 0 {
        say(&format!("{left} processes do not end: they hang in the kernel"));
    }
    let shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    drop(SHOWN_CHANGED.wait_timeout_while(shown, LAST_WORDS, |shown| !*shown));
    for path in &*DIRECTORIES.lock().unwrap_or_else(PoisonError::into_inner) {
        remove(path);
    }
    let mut only = SigSet::empty();
    only.add(signal);
    let _ = only.thread_unblock();
    // To this thread: the other one waits for the same signals.
    let _ = nix::sys::signal::raise(signal);
    // The signal ends the process before this is reached.
    std::process::exit(128 + signal as i32);
}

/// The mask of ignored signals (proc_pid_status(5), `SigIgn`).
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}
