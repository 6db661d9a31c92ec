//! What went into a call and came out of it, in full: for `call --verbose`.

use std::time::Duration;

use mesos_command::event::Event;
use mesos_command::outcome::WarmStart;
use serde_json::{Map, Value, json};

use super::made::Made;
use crate::samples;
use crate::table::plain;

/// What a call was made of, a name and a text each; secrets are hidden as in the agent's log.
fn of(made: &Made) -> Vec<(&'static str, String)> {
    let redact = &made.config.redact;
    let mut all = Vec::new();
    if let Some(input) = &made.input {
        all.push(("input", redact.text(input.as_bytes())));
    }
    let Some(run) = &made.run else { return all };
    let Some(report) = &run.report else { return all };
    all.push((
        "argv",
        match report.by_worker {
            true => "none: one line of JSON to a worker".to_owned(),
            false => format!("{} INPUT OUTPUT ERROR", run.command),
        },
    ));
    all.push(("env", environment(made, run.event).join(" ")));
    if !report.output.is_empty() {
        all.push(("output", redact.text(&report.output)));
    }
    if !report.error_file.is_empty() {
        all.push(("error", String::from_utf8_lossy(&report.error_file).trim_end().to_owned()));
    }
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    let times = &report.timings;
    let (queued, spawn, total) = (ms(times.queued), ms(times.spawn), ms(times.total));
    let how = match report.warm_start {
        Some(WarmStart::Warm) => " (forked from a warm interpreter)",
        Some(WarmStart::Changed) => " (anew, because something had changed)",
        Some(WarmStart::Plain) => " (plainly, because no process stood ready)",
        None => "",
    };
    all.push(("times", format!("waited {queued}, started in {spawn}{how}, {total} in all")));
    all
}

/// What is added to the environment.
fn environment(made: &Made, event: Event) -> Vec<String> {
    let mut all = vec![
        format!("MESOS_COMMAND_EVENT={}", event.label()),
        format!("MESOS_COMMAND_MODULE={}", made.config.module_name),
    ];
    if made.container != "-" && event != Event::UsageBatch {
        all.push(format!("MESOS_CONTAINER_ID={}", made.container));
    }
    if made.config.events.get(&event).is_some_and(|it| it.timeout.is_some()) {
        all.push("MESOS_COMMAND_DEADLINE=(Unix seconds)".to_owned());
    }
    all
}

/// The input of a call; `None` where the module makes it of more than the command line has.
pub(super) fn input(made: &Made, object: &Map<String, Value>, containers: usize) -> Option<String> {
    let event = made.run.as_ref().map_or(made.event, |run| run.event);
    let is_one = event != Event::UsageBatch || containers == 1;
    is_one.then(|| samples::render(event, object).ok()).flatten()
}

pub(super) fn print(made: &Made) {
    for (name, text) in of(made) {
        println!("  {name:<8}  {}", plain(&text));
    }
}

pub(super) fn data(made: &Made) -> Value {
    let mut data: Map<String, Value> =
        of(made).into_iter().map(|(name, text)| (name.to_owned(), text.into())).collect();
    if let Some(run) = &made.run {
        data.insert("env".into(), json!(environment(made, run.event)));
    }
    data.into()
}
