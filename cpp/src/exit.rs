//! What happens when the host's process exits.
//!
//! Isolators are deleted before that by a host that ends cleanly; hooks never are, and a host that
//! calls `exit` in the middle of something deletes nothing. What both have started is ended here.
//!
//! The handler is registered when the first instance is created, so it runs before the destructors
//! of what the host's libraries had set up by then, glog and libprocess among them.

#![expect(unsafe_code, reason = "atexit has no safe interface")]

use std::sync::OnceLock;

use mesos_command::run::Runner;

use crate::guard::guard;
use crate::log;

/// The process whose exit it is: a child that the host forks has the handler, but no thread of
/// ours.
static PROCESS: OnceLock<u32> = OnceLock::new();

unsafe extern "C" {
    /// From the C library's static part, so that it belongs to this library.
    safe fn atexit(handler: extern "C" fn()) -> std::ffi::c_int;
}

/// Makes sure that what was started is ended when the process exits. The first call counts.
pub(crate) fn prepare() {
    PROCESS.get_or_init(|| {
        if atexit(at_exit) != 0 {
            tracing::warn!("commands that run when this process exits will not be ended");
        }
        std::process::id()
    });
}

/// Blocks for as long as [`mesos_command::run::Lifetime::end`] says, at the most.
extern "C" fn at_exit() {
    guard("ending what runs at exit", || {
        if PROCESS.get() == Some(&std::process::id()) {
            if !mesos_command::run::end_all() {
                tracing::warn!("not all commands have ended at the exit of this process");
            } else if let Ok(runner) = Runner::global() {
                runner.remove_directories();
            }
            // Of a process that has a runner already: the handler comes with an instance.
            if let Ok(runner) = mesos_command::run::Runner::global() {
                runner.remove_directories();
            }
            mesos_command::control::end();
            // From here on the host takes down its log.
            log::silence();
        }
    })
    .unwrap_or_default();
}
