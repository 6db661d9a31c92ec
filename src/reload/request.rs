//! One reload of some instances: all of them, or none.
//!
//! It reads files of an operator, whose file system may not answer, so it is done by a thread of
//! its own, `mcmd-reload`, which nothing waits for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::config::ReloadChoice;
use crate::config::modules_file::ModuleEntry;
use crate::control::{ReloadAnswer, Reloader};
use crate::sys;

use super::changes::{Change, Plan, plan};
use super::source::{Source, parameters_of};
use super::{Given, Prepared, Target, living};

/// Reloads that are under way or wait for one that is.
const MOST: usize = 16;
/// Values that a log line has.
const SHOWN: usize = 12;

static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
/// One reload at a time: each begins with what the one before has left.
static ONE: Mutex<()> = Mutex::new(());

/// What is behind the control socket.
pub(super) struct Requests;

/// Which instances are meant.
pub(super) enum Meant {
    /// Those with this `module_name`, or all.
    Named(Option<String>),
    /// Those with `reload=auto` whose parameters stand there.
    Watching(Source),
}

impl Reloader for Requests {
    fn reload(&self, module: Option<&str>, answer: ReloadAnswer) {
        begin(Meant::Named(module.map(str::to_owned)), answer);
    }
}

/// Gives its place back when dropped.
struct Place;

impl Place {
    fn take() -> Option<Place> {
        let more = |taken| (taken < MOST).then_some(taken + 1);
        UNDER_WAY.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        UNDER_WAY.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Begins a reload, and calls `answer` when it has ended. Does not wait for that.
pub(super) fn begin(meant: Meant, answer: ReloadAnswer) {
    let Some(place) = Place::take() else {
        let text = "several reloads wait already: the file system of the modules file does not \
                    answer";
        return answer(Err(text.to_owned()));
    };
    // Behind a lock, so that a thread that cannot be started leaves the answer with us.
    let answer = Arc::new(Mutex::new(Some(answer)));
    let own = answer.clone();
    let work = move || {
        let _place = place;
        let result = {
            let _one = ONE.lock();
            reload(&meant)
        };
        if let Some(answer) = own.lock().take() {
            answer(result);
        }
    };
    if let Err(error) = sys::start_thread("mcmd-reload".to_owned(), None, work)
        && let Some(answer) = answer.lock().take()
    {
        answer(Err(format!("no thread could be started for it: {error}")));
    }
}

/// An instance on its way to other parameters.
struct Step {
    target: Arc<dyn Target>,
    plan: Plan,
    /// `None`: nothing changes.
    prepared: Option<Box<dyn Prepared>>,
}

type Files = BTreeMap<Source, Result<Vec<ModuleEntry>, String>>;

fn reload(meant: &Meant) -> Result<Value, String> {
    let (off, targets): (Vec<_>, Vec<_>) = living()
        .into_iter()
        .filter(|(target, source)| match meant {
            Meant::Named(name) => name.as_deref().is_none_or(|name| target.module() == name),
            Meant::Watching(file) => {
                target.choice() == ReloadChoice::Auto && source.as_ref() == Ok(file)
            }
        })
        .partition(|(target, _)| target.choice() == ReloadChoice::Off);
    if targets.is_empty() {
        return Err(match off.first() {
            Some((target, _)) => format!(
                "{} has reload=off: its parameters hold until the agent is restarted",
                named(&**target)
            ),
            None => "there is no such instance".to_owned(),
        });
    }
    let mut files = Files::new();
    let mut steps = Vec::new();
    let mut failures = Vec::new();
    for (target, source) in &targets {
        match step(target, source, &mut files) {
            Ok(step) => steps.push(step),
            Err(why) => failures.push(format!("{}: {why}", named(&**target))),
        }
    }
    if !failures.is_empty() {
        let why = failures.join("; ");
        for (target, _) in &targets {
            target.ended(Err(&why));
        }
        tracing::warn!(
            "the modules file cannot be reloaded, and all parameters stay as they are: {why}"
        );
        return Err(why);
    }
    let reloaded: Vec<Value> = steps.into_iter().map(exchange).collect();
    let off: Vec<Value> = off
        .iter()
        .map(|(target, _)| json!({"kind": target.kind().word(), "module": target.module()}))
        .collect();
    let read: Vec<String> = files.keys().map(Source::shown).collect();
    Ok(json!({"reloaded": reloaded, "off": off, "read": read}))
}

/// Reads, compares and prepares.
fn step(
    target: &Arc<dyn Target>,
    source: &Result<Source, String>,
    files: &mut Files,
) -> Result<Step, String> {
    let source = source.as_ref().map_err(Clone::clone)?;
    let read = files.entry(source.clone()).or_insert_with(|| source.read());
    let entries = read.as_ref().map_err(Clone::clone)?;
    let wanted = parameters_of(entries, target.kind(), target.module())
        .map_err(|why| format!("'{}': {why}", source.shown()))?;
    let now: Given = target.given();
    let plan = plan(target.kind(), &now, &wanted, &target.fixed(&wanted));
    if !plan.pending.is_empty() {
        // What needs a restart must not keep the agent from one.
        target.check(&wanted)?;
    }
    let prepared = if plan.changed.is_empty() {
        None
    } else {
        Some(target.clone().prepare(plan.given.clone(), &plan.changed)?)
    };
    Ok(Step { target: target.clone(), plan, prepared })
}

/// Lets the new parameters of an instance hold, and tells of it.
fn exchange(Step { target, plan, prepared }: Step) -> Value {
    if let Some(prepared) = prepared {
        prepared.exchange();
    }
    target.ended(Ok(&plan.pending));
    let told = |change: &Change| {
        let shown = |value: &Option<String>| {
            value.as_ref().map_or_else(|| "none".to_owned(), |it| target.shown(&change.key, it))
        };
        (shown(&change.from), shown(&change.to))
    };
    let list = |changes: &[Change]| -> String {
        let one = |change: &Change| {
            let (from, to) = told(change);
            format!("{}={to} (was {from})", change.key)
        };
        let mut all: Vec<String> = changes.iter().take(SHOWN).map(one).collect();
        if changes.len() > SHOWN {
            all.push(format!("and {} more", changes.len() - SHOWN));
        }
        all.join(", ")
    };
    let changed = match plan.changed.as_slice() {
        [] => "no parameter has changed".to_owned(),
        changes => list(changes),
    };
    let pending = match plan.pending.as_slice() {
        [] => String::new(),
        changes => format!("; these need a restart of the agent: {}", list(changes)),
    };
    tracing::info!("{} is reloaded: {changed}{pending}", named(&*target));
    let value = |change: &Change| {
        let (from, to) = told(change);
        let mut value = json!({"key": change.key, "from": from, "to": to});
        if let Some(why) = change.why_not {
            value["why"] = json!(why);
        }
        value
    };
    json!({
        "kind": target.kind().word(),
        "module": target.module(),
        "changed": plan.changed.iter().map(value).collect::<Vec<_>>(),
        "needs_restart": plan.pending.iter().map(value).collect::<Vec<_>>(),
    })
}

fn named(target: &dyn Target) -> String {
    format!("{} module '{}'", target.kind().word(), target.module())
}
