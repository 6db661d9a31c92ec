//! Parameters that are taken from the modules file anew while their instances run.
//!
//! * `source`: which file that is. `changes`: what differs, and what of that cannot change.
//! * `request`: one reload of some instances, all of them or none, on a thread of its own.
//! * `watch`: files that are looked at again and again (`reload=auto`).
//!
//! An instance is a [`Target`]: it checks parameters and makes all that they need ready
//! ([`Target::prepare`]) before anything of it changes, and then has only to exchange one set for
//! the other ([`Prepared::exchange`]), which cannot fail.

mod changes;
mod request;
mod source;
mod watch;

use std::path::Path;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::config::ReloadChoice;
use crate::control;
use crate::event::ModuleKind;

pub(crate) use changes::{Change, Fixed};
use source::Source;

/// Parameters as they are given, in their order.
pub(crate) type Given = Vec<(String, String)>;

/// An instance whose parameters can change.
pub(crate) trait Target: Send + Sync {
    /// Its `module_name`.
    fn module(&self) -> &str;
    /// Hook or isolator.
    fn kind(&self) -> ModuleKind;
    /// When it is reloaded.
    fn choice(&self) -> ReloadChoice;
    /// The parameters that hold now.
    fn given(&self) -> Given;
    /// A value without its secrets.
    fn shown(&self, key: &str, value: &str) -> String;
    /// What of `wanted` cannot hold before a restart, beside what never can, by event.
    fn fixed(&self, wanted: &Given) -> Vec<Fixed>;
    /// Whether an agent that is started with these parameters would have the instance. May block.
    ///
    /// # Errors
    /// In words, on one line, when it would not.
    fn check(&self, given: &Given) -> Result<(), String>;
    /// Checks parameters, and makes ready what they need, without changing anything. May block.
    ///
    /// # Errors
    /// In words, on one line, when they cannot hold.
    fn prepare(
        self: Arc<Self>,
        given: Given,
        changes: &[Change],
    ) -> Result<Box<dyn Prepared>, String>;
    /// A reload has succeeded, `pending` being the parameters that need a restart; or has failed.
    fn ended(&self, result: Result<&[Change], &str>);
}

/// What has only to be put into its place. Dropped, it changes nothing.
pub(crate) trait Prepared: Send {
    /// Lets it hold from now on.
    fn exchange(self: Box<Self>);
}

/// An instance, and where its parameters stand.
#[derive(Clone)]
struct Known {
    target: Weak<dyn Target>,
    source: Result<Source, String>,
}

/// All instances of the process, in the order in which they were created.
static KNOWN: Mutex<Vec<Known>> = Mutex::new(Vec::new());

/// Makes an instance known, for as long as it lives, whose parameters stand in the agent's modules
/// file or in `from`. `handle` is the runtime's.
pub(crate) fn register(target: &Arc<dyn Target>, from: Option<&Path>, handle: &Handle) {
    control::set_reloader(&request::Requests);
    let source = source::of_this_process(from);
    let known = Known { target: Arc::downgrade(target), source };
    {
        let mut all = KNOWN.lock();
        all.retain(|other| other.target.strong_count() > 0);
        all.push(known.clone());
    }
    if target.choice() == ReloadChoice::Auto {
        watch::begin(target, &known.source, handle);
    }
}

/// The instances that live, and where their parameters stand.
fn living() -> Vec<(Arc<dyn Target>, Result<Source, String>)> {
    let all = KNOWN.lock().clone();
    all.into_iter().filter_map(|known| Some((known.target.upgrade()?, known.source))).collect()
}
