//! The containers of an isolator, as an operator sees them who asks.

use std::sync::{Arc, Weak};
use std::time::Instant;

use serde_json::{Value, json};

use crate::cache::{Look, Policy};
use crate::call::Containers;
use crate::control::Wanted;
use crate::event::{Event, ModuleKind, Output};
use crate::schema;

use super::Inner;
use super::ahead::Planned;
use super::context::{Context, Skips};
use super::sampling::sampler;

/// Contexts and values that are longer are told by their length, in bytes.
const MOST_BYTES: usize = 256 << 10;

/// The containers of an isolator, while that lives.
pub(super) struct Known(pub(super) Weak<Inner>);

impl Containers for Known {
    fn count(&self) -> usize {
        self.0.upgrade().map_or(0, |inner| inner.contexts.len())
    }

    fn foreseen(&self) -> Option<Value> {
        let (period, at) = self.0.upgrade()?.foresight.planned().foreseen?;
        let left = at.saturating_duration_since(Instant::now());
        Some(json!({"every_seconds": period.as_secs_f64(), "in_seconds": left.as_secs_f64()}))
    }

    fn list(&self, wanted: &Wanted) -> (Vec<Value>, usize) {
        let Some(inner) = self.0.upgrade() else { return (Vec::new(), 0) };
        let is_wanted = |context: &Context| {
            wanted.container.as_deref().is_none_or(|container| *context.id.text == *container)
        };
        // No guard of the map is held while anything is rendered.
        let mut found: Vec<Arc<Context>> = Vec::new();
        let mut left_out = 0;
        for known in inner.contexts.iter().filter(|known| is_wanted(&known.0)) {
            if found.len() < wanted.most {
                found.push(known.0.clone());
            } else {
                left_out += 1;
            }
        }
        found.sort_by(|a, b| a.id.text.cmp(&b.id.text));
        let planned = inner.foresight.planned();
        let shown = |context: &Arc<Context>| inner.show(context, &planned, wanted.whole);
        (found.iter().map(shown).collect(), left_out)
    }
}

impl Inner {
    /// The events whose commands are not run for a container.
    fn skipped_events(&self, context: &Context) -> Vec<&'static str> {
        let called = Event::of_kind(ModuleKind::Isolator).filter(|it| *it != Event::UsageBatch);
        let set = self.commands.set();
        let skipped = called.filter(|it| context.skips.has(*it) && sampler(&set, *it).is_some());
        skipped.map(Event::label).collect()
    }

    fn show(&self, context: &Context, planned: &Planned, whole: bool) -> Value {
        let set = self.commands.set();
        let policy = Policy::from(set.config.cache());
        let mut shown = json!({
            "container": &*context.id.text,
            "module": &*set.config.module_name,
            "left_out": context.skips == Skips::ALL,
            "skipped": self.skipped_events(context),
        });
        for event in [Event::Usage, Event::Status] {
            if sampler(&set, event).is_some() {
                let now = Instant::now();
                let seen = context.slot(event).look(policy, now);
                let mut value = show_value(event, seen, whole);
                if event == Event::Usage {
                    let left = planned.next(context).map(|at| at.saturating_duration_since(now));
                    value["next_refresh_seconds"] = json!(left.map(|left| left.as_secs_f64()));
                }
                shown[event.row().method] = value;
            }
        }
        if whole {
            let config = String::from_utf8_lossy(context.config());
            shown["context"] = as_value(set.config.redact.json(&config), config.len());
        }
        shown
    }
}

/// What the cache has for usage or status.
fn show_value(event: Event, seen: Look, whole: bool) -> Value {
    let bytes = seen.value.as_ref().map(|value| value.len());
    let mut shown = json!({
        "value_bytes": bytes,
        "age_seconds": seen.age.map(|age| age.as_secs_f64()),
        "fresh_for_seconds": seen.fresh_for.map(|left| left.as_secs_f64()),
        "may_be_served": seen.is_served,
        "failed": seen.failed.map(|outcome| outcome.label()),
        "runs": seen.flights,
        "waiting": seen.waiting,
    });
    if let (true, Some(value), Output::Message(name)) = (whole, seen.value, event.row().output) {
        let mut text = Vec::new();
        let kind = schema::current().message(name);
        let written = kind.is_some_and(|kind| kind.write_json(&value, &mut text).is_ok());
        let text = written.then(|| String::from_utf8_lossy(&text).into_owned());
        shown["value"] = as_value(text, value.len());
    }
    shown
}

/// A JSON text as a value; what it is instead where that cannot be shown.
fn as_value(text: Option<String>, bytes: usize) -> Value {
    let value = text
        .filter(|text| text.len() <= MOST_BYTES)
        .and_then(|text| serde_json::from_str(&text).ok());
    value.unwrap_or_else(|| json!({"not_shown_bytes": bytes}))
}
