//! What stands on the page: one section after the other.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::html::{Cell, Html, Table};
use crate::control::{Wanted, gather, instances};
use crate::metrics::figures::{EventFigures, Figures, per_second};
use crate::quantity;

/// The longest page, in bytes, but for what the last row has.
const MOST_BYTES: usize = 1 << 20;
/// Calls and containers that are listed.
const MOST_ROWS: usize = 100;

/// What the metrics say: now, and what has changed for how long (since the start).
pub(super) struct Counted {
    pub(super) now: Figures,
    pub(super) changed: Figures,
    pub(super) over: Option<Duration>,
}

/// Everything between the head and the foot of the page.
pub(super) fn render(counted: &Counted) -> String {
    let all = instances();
    let statuses: Vec<Value> = all.iter().map(|one| one.status()).collect();
    let mut html = Html::new(MOST_BYTES);
    summary(&mut html, counted, &statuses);
    // What is looked for at three in the morning comes first.
    let (calls, left_out) = gather::calls(&all, MOST_ROWS);
    call_table(&mut html, &calls, left_out);
    event_table(&mut html, counted, &statuses);
    failure_table(&mut html, &gather::failures(&all));
    instance_table(&mut html, &statuses);
    worker_table(&mut html, &statuses);
    let wanted = Wanted { container: None, whole: false, most: MOST_ROWS };
    let (containers, left_out) = gather::containers(&all, &wanted);
    container_table(&mut html, &containers, left_out);
    html.finish()
}

fn list<'a>(one: &'a Value, key: &str) -> &'a [Value] {
    one[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A value as text; a dash where there is none.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) if text.is_empty() => "–".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn text(value: &Value) -> Cell {
    Cell::Text(shown(value))
}

fn number(value: &Value) -> Cell {
    Cell::Number(shown(value))
}

fn measured<T>(value: Option<T>, show: fn(T) -> String) -> Cell {
    Cell::Number(value.map_or("–".to_owned(), show))
}

fn duration(value: &Value) -> Cell {
    measured(value.as_f64(), quantity::duration)
}

fn summary(html: &mut Html, counted: &Counted, statuses: &[Value]) {
    html.begin_section("summary", "Summary");
    html.markup("<dl>\n");
    let mut pair = |name: &'static str, value: &str| {
        html.markup("<div><dt>");
        html.markup(name);
        html.markup("</dt><dd>");
        html.text(value);
        html.markup("</dd></div>\n");
    };
    let sum = |key: &str| statuses.iter().filter_map(|one| one[key].as_u64()).sum::<u64>();
    pair("Commands that run", &sum("running").to_string());
    pair("Waiting", &sum("queued").to_string());
    pair("Containers", &sum("containers").to_string());
    let workers = statuses.iter().flat_map(|one| list(one, "workers"));
    let up: u64 = workers.filter_map(|pool| pool["up"].as_u64()).sum();
    pair("Workers up", &up.to_string());
    let hanging: f64 = counted.now.modules.values().map(|module| module.quarantined).sum();
    pair("Hanging in the kernel", &hanging.to_string());
    let (mut all, mut at_once) = (0.0, 0.0);
    for module in counted.changed.modules.values() {
        let requests: f64 = module.cache.values().sum();
        all += requests;
        at_once += module.at_once().unwrap_or_default() * requests;
    }
    let share = if all > 0.0 { format!("{:.1}%", 100.0 * at_once / all) } else { "–".to_owned() };
    pair("Usage answered at once", &share);
    html.markup("</dl>\n<p>Rates and percentiles are ");
    match counted.over {
        Some(over) => {
            html.markup("of the last ");
            html.text(&quantity::duration(over.as_secs_f64()));
        }
        None => html.markup(
            "of all the time since the start; once the page is loaded again, of the last minute",
        ),
    }
    html.markup(".</p>\n</section>\n");
}

const INSTANCES: Table = Table {
    id: "instances",
    title: "Instances",
    heads: &["Module", "Kind", "Up", "Containers", "Running", "Waiting", "Containment", "Remarks"],
    empty: "There is none.",
};

fn instance_table(html: &mut Html, statuses: &[Value]) {
    let rows = statuses.iter().map(|one| {
        let suspended = list(one, "suspended").iter().map(|it| {
            let left = it["for_seconds"].as_f64().map_or_else(String::new, quantity::duration);
            format!("{} for {left}", shown(&it["event"]))
        });
        let suspended: Vec<String> = suspended.collect();
        let foreseen = one["foreseen"]["every_seconds"].as_f64();
        let foreseen = foreseen.map(|every| format!("usage is asked for every {every:.1}s"));
        let debug = (one["debug"] == true).then(|| "debug is on".to_owned());
        let remarks: Vec<String> = debug.into_iter().chain(foreseen).collect();
        let remarks = remarks.join("; ");
        vec![
            text(&one["module"]),
            text(&one["kind"]),
            duration(&one["up_seconds"]),
            number(&one["containers"]),
            number(&one["running"]),
            number(&one["queued"]),
            text(&one["containment"]),
            if suspended.is_empty() {
                Cell::Text(remarks)
            } else {
                Cell::Marked("suspended:", format!("{} {remarks}", suspended.join(", ")))
            },
        ]
    });
    html.table(&INSTANCES, rows, 0);
}

const EVENTS: Table = Table {
    id: "events",
    title: "Events",
    heads: &[
        "Event", "Module", "Calls/s", "Failed/s", "Call p50", "Call p99", "Run p50", "Run p99",
        "Running", "Calls", "Failed", "Timeout", "Command",
    ],
    empty: "No event has a command.",
};

fn event_table(html: &mut Html, counted: &Counted, statuses: &[Value]) {
    let up = statuses.iter().filter_map(|one| one["up_seconds"].as_f64()).fold(0.0, f64::max);
    let over = counted.over.or_else(|| Duration::try_from_secs_f64(up).ok()).unwrap_or_default();
    let rows = counted.changed.events.iter().map(|(key, changed)| {
        let (module, event) = key;
        let command = statuses.iter().filter(|one| one["module"] == **module).find_map(|one| {
            list(one, "commands").iter().find(|command| command["event"] == **event)
        });
        let now = counted.now.events.get(key).unwrap_or(changed);
        event_row((module, event), changed, now, over, command.unwrap_or(&Value::Null))
    });
    html.table(&EVENTS, rows, 0);
}

fn event_row(
    (module, event): (&str, &str),
    changed: &EventFigures,
    now: &EventFigures,
    over: Duration,
    command: &Value,
) -> Vec<Cell> {
    let ((calls, failed), (all, all_failed)) = (changed.calls_and_failed(), now.calls_and_failed());
    let rate = |count| quantity::rate(per_second(count, over));
    let failed_rate = match rate(failed) {
        rate if failed > 0.0 => Cell::Marked("", rate),
        rate => Cell::Number(rate),
    };
    let latency = |of: &crate::metrics::figures::Distribution, part| {
        measured(of.quantile(part), quantity::latency)
    };
    vec![
        Cell::Text(event.to_owned()),
        Cell::Text(module.to_owned()),
        Cell::Number(rate(calls)),
        failed_rate,
        latency(&changed.call_duration, 0.5),
        latency(&changed.call_duration, 0.99),
        latency(&changed.run_duration, 0.5),
        latency(&changed.run_duration, 0.99),
        Cell::Number(now.running.to_string()),
        Cell::Number(all.to_string()),
        Cell::Number(all_failed.to_string()),
        duration(&command["timeout_seconds"]),
        text(&command["command"]),
    ]
}

const CALLS: Table = Table {
    id: "calls",
    title: "Calls in flight, the oldest first",
    heads: &[
        "Call",
        "State",
        "Age",
        "Time left",
        "Pid",
        "Event",
        "Container",
        "Task",
        "Framework",
        "Command",
    ],
    empty: "No call is in flight.",
};

fn call_table(html: &mut Html, calls: &[Value], left_out: usize) {
    let rows = calls.iter().map(|call| {
        let since = call["since"].as_f64().zip(call["age_seconds"].as_f64());
        let now = since.map(|(since, age)| since + age);
        let left = call["deadline"].as_f64().zip(now).map(|(deadline, now)| deadline - now);
        vec![
            number(&call["id"]),
            if call["killed"] == true {
                Cell::Marked("killed", String::new())
            } else {
                text(&call["state"])
            },
            duration(&call["age_seconds"]),
            match left {
                Some(left) if left <= 0.0 => Cell::Marked("overdue", quantity::duration(-left)),
                left => measured(left, quantity::duration),
            },
            number(&call["pid"]),
            text(&call["event"]),
            text(&call["container"]),
            text(&call["task"]),
            text(&call["framework"]),
            text(&call["command"]),
        ]
    });
    html.table(&CALLS, rows, left_out);
}

const FAILURES: Table = Table {
    id: "failures",
    title: "Failures, the newest first",
    heads: &[
        "Time",
        "Event",
        "Module",
        "Reason",
        "Container",
        "Task",
        "After",
        "What Mesos was told",
        "End of stdout and stderr",
    ],
    empty: "Nothing has failed.",
};

fn failure_table(html: &mut Html, failures: &[Value]) {
    let lines = |value: &Value| Cell::Lines(value.as_str().unwrap_or_default().to_owned());
    let rows = failures.iter().map(|failure| {
        vec![
            measured(failure["time"].as_f64(), quantity::clock),
            text(&failure["event"]),
            text(&failure["module"]),
            text(&failure["reason"]),
            text(&failure["container"]),
            text(&failure["task"]),
            duration(&failure["run_seconds"]),
            lines(&failure["text"]),
            lines(&failure["tail"]),
        ]
    });
    html.table(&FAILURES, rows, 0);
}

const WORKERS: Table = Table {
    id: "workers",
    title: "Workers",
    heads: &["Pid", "Event", "Module", "State", "Up", "Requests", "Memory"],
    empty: "There is none.",
};

fn worker_table(html: &mut Html, statuses: &[Value]) {
    let mut rows = Vec::new();
    for one in statuses {
        for pool in list(one, "workers") {
            if pool["up"] == 0 {
                rows.push(vec![
                    number(&Value::Null),
                    text(&pool["event"]),
                    text(&one["module"]),
                    Cell::Marked("none is up", String::new()),
                    number(&Value::Null),
                    number(&Value::Null),
                    number(&Value::Null),
                ]);
            }
            rows.extend(list(pool, "processes").iter().map(|worker| {
                let state = if worker["busy"] == true { "busy" } else { "idle" };
                vec![
                    number(&worker["pid"]),
                    text(&pool["event"]),
                    text(&one["module"]),
                    Cell::Text(state.to_owned()),
                    duration(&worker["up_seconds"]),
                    number(&worker["requests"]),
                    measured(worker["rss_bytes"].as_u64(), quantity::bytes),
                ]
            }));
        }
        rows.extend(list(one, "warm").iter().map(|pool| {
            let interpreter = &pool["interpreter"];
            let state = match interpreter.is_null() {
                true => Cell::Marked("none is up", shown(&pool["why"])),
                false => Cell::Text(format!("warm, {} ready", pool["ready"])),
            };
            vec![
                number(&interpreter["pid"]),
                text(&pool["event"]),
                text(&one["module"]),
                state,
                duration(&interpreter["up_seconds"]),
                number(&interpreter["made"]),
                measured(interpreter["rss_bytes"].as_u64(), quantity::bytes),
            ]
        }));
    }
    html.table(&WORKERS, rows, 0);
}

const CONTAINERS: Table = Table {
    id: "containers",
    title: "Containers and their cached usage",
    heads: &["Container", "Module", "Age", "Fresh for", "Next refresh", "Size", "Failed"],
    empty: "No container is known.",
};

fn container_table(html: &mut Html, containers: &[Value], left_out: usize) {
    let rows = containers.iter().map(|one| {
        let usage = &one["usage"];
        let failed = match &usage["failed"] {
            Value::Null => Cell::Text("–".to_owned()),
            outcome => Cell::Marked("", shown(outcome)),
        };
        vec![
            text(&one["container"]),
            text(&one["module"]),
            duration(&usage["age_seconds"]),
            duration(&usage["fresh_for_seconds"]),
            duration(&usage["next_refresh_seconds"]),
            measured(usage["value_bytes"].as_u64(), quantity::bytes),
            failed,
        ]
    });
    html.table(&CONTAINERS, rows, left_out);
}

/// Unix seconds.
pub(super) fn time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
