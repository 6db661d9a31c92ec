//! Warm interpreters: unchanged scripts, each run in a process forked from their interpreter, which
//! is started already.
//!
//! A [`WarmPool`] belongs to one command of one instance. It keeps one interpreter of the script up
//! (`supervisor`), which runs a text of ours (`interpreter/`): it compiles the script, imports what
//! the script will import of the standard library, and forks processes when it is asked to. Those
//! stand ready for runs ([`Standby`](crate::run::Standby)); a run that is given to one is from then
//! on what a run of a started command is.
//!
//! Invariants:
//! * a run is what a plain start would be, or it is a plain start: when no process stands ready,
//!   while no interpreter is up, and when anything has changed since the interpreter was started;
//! * every process is a child of this one, is reaped, and ends with the instance;
//! * nothing of a script is run in the interpreter itself but its imports of the standard library.

mod look;
mod said;
mod supervisor;

pub use look::{Interpreters, SeenInterpreter, SeenWarm};
pub use supervisor::{WarmPool, WarmSettings};
