//! Answers of the control socket as people read them.

use serde_json::Value;

use crate::table::plain;

use super::mark::{self, Mark};
use super::shadow;
use super::words::{bytes, clock, duration, list, short, text};

/// A call in flight for longer than this part of the time to its deadline is marked.
const LATE: f64 = 0.5;

fn left_out(answer: &Value) {
    if let Some(count) = answer["left_out"].as_u64().filter(|count| *count > 0) {
        println!("({count} more are not shown)");
    }
}

/// When its parameters were last taken from the file anew, and what of that needs a restart.
fn reloaded(instance: &Value) {
    if instance["reloaded_seconds"].is_null() {
        return;
    }
    println!("  reloaded {} ago", duration(&instance["reloaded_seconds"]));
    let pending: Vec<String> = list(instance, "needs_restart").iter().map(text).collect();
    if !pending.is_empty() {
        let line = format!("  these need a restart to be as in the file: {}", pending.join(", "));
        println!("{}", Mark::Doubtful.of(&line));
    }
}

pub(super) fn status(answer: &Value, with_parameters: bool) {
    println!("process {}, module version {}", text(&answer["pid"]), text(&answer["version"]));
    for instance in list(answer, "instances") {
        println!();
        let debug = if instance["debug"] == true { ", debug" } else { "" };
        println!(
            "{} '{}': up {}, containment {}{debug}",
            text(&instance["kind"]),
            text(&instance["module"]),
            duration(&instance["up_seconds"]),
            text(&instance["containment"]),
        );
        reloaded(instance);
        let containers = match &instance["containers"] {
            Value::Null => String::new(),
            count => format!(", {count} containers"),
        };
        println!("  {} running, {} queued{containers}", instance["running"], instance["queued"]);
        if let Some(every) = instance["foreseen"]["every_seconds"].as_f64() {
            let next = duration(&instance["foreseen"]["in_seconds"]);
            println!("  usage is asked for every {every:.1}s, and next in {next}");
        }
        for suspended in list(instance, "suspended") {
            let line = format!(
                "  {} is suspended for another {}: its command timed out again and again",
                text(&suspended["event"]),
                duration(&suspended["for_seconds"])
            );
            println!("{}", Mark::Bad.of(&line));
        }
        for command in list(instance, "commands") {
            let (event, command_text) = (text(&command["event"]), text(&command["command"]));
            let timeout = duration(&command["timeout_seconds"]);
            let when = match &command["when"] {
                Value::Null => String::new(),
                condition => format!(", when {}", text(condition)),
            };
            let mode = match &command["mode"] {
                Value::String(mode) if mode != "spawn" => format!(", mode {}", plain(mode)),
                _ => String::new(),
            };
            println!("  {event}: {command_text} (timeout {timeout}{mode}{when})");
        }
        list(instance, "shadows").iter().for_each(compared);
        for pool in list(instance, "workers") {
            workers(pool);
        }
        list(instance, "warm").iter().for_each(warm);
        for parameter in list(instance, "parameters") {
            if with_parameters || parameter["origin"] == "given" {
                let (key, value) = (text(&parameter["key"]), text(&parameter["value"]));
                let origin = if parameter["origin"] == "given" { "" } else { " (default)" };
                println!("  {key} = {value}{origin}");
            }
        }
    }
}

/// A shadow command: how it compared, and its last difference.
fn compared(one: &Value) {
    println!("  shadow of {}: {}", text(&one["event"]), text(&one["command"]));
    let differences = shadow::last_difference(one);
    let mark = if differences.is_empty() { Mark::Plain } else { Mark::Bad };
    println!("{}", mark.of(&format!("    {}", shadow::counts(one))));
    differences.iter().for_each(|line| println!("    {line}"));
}

fn workers(pool: &Value) {
    let up = &pool["up"];
    let line = format!("  workers of {}: {up} up, {} queued", text(&pool["event"]), pool["queued"]);
    let mark = if up == 0 { Mark::Bad } else { Mark::Plain };
    println!("{}", mark.of(&line));
    for worker in list(pool, "processes") {
        println!(
            "    pid {}: {}, up {}, {} requests, {}",
            worker["pid"],
            worker_state(worker),
            duration(&worker["up_seconds"]),
            worker["requests"],
            bytes(&worker["rss_bytes"]),
        );
    }
}

/// A warm interpreter, or why there is none.
fn warm(pool: &Value) {
    let (event, one) = (text(&pool["event"]), &pool["interpreter"]);
    if one.is_null() {
        let why = match &pool["why"] {
            Value::String(why) => format!(": it {}", plain(why)),
            _ => " yet".to_owned(),
        };
        let line = format!("  no warm interpreter of {event}{why}");
        println!("{}", Mark::Bad.of(&line));
        return;
    }
    println!(
        "  warm interpreter of {event}: pid {}, up {}, {} runs made, {} ready, {}",
        one["pid"],
        duration(&one["up_seconds"]),
        one["made"],
        pool["ready"],
        bytes(&one["rss_bytes"]),
    );
}

/// `busy with 3`, where it can have several requests.
fn worker_state(worker: &Value) -> String {
    match worker["in_flight"].as_u64() {
        _ if worker["busy"] != true => "idle".to_owned(),
        Some(requests) if requests > 1 => format!("busy with {requests}"),
        _ => "busy".to_owned(),
    }
}

pub(super) fn calls(answer: &Value) {
    let all = list(answer, "calls");
    if all.is_empty() {
        println!("no call is in flight");
    }
    let rows: Vec<_> = all.iter().map(|call| (call_row(call), call_mark(call))).collect();
    if !rows.is_empty() {
        mark::print(
            &[
                "ID",
                "STATE",
                "AGE",
                "LEFT",
                "PID",
                "EVENT",
                "CONTAINER",
                "TASK",
                "FRAMEWORK",
                "COMMAND",
            ],
            &rows,
        );
    }
    left_out(answer);
}

/// Seconds to the deadline of a call; negative when it has passed.
pub(super) fn left(call: &Value) -> Option<f64> {
    let since = call["since"].as_f64()? + call["age_seconds"].as_f64()?;
    Some(call["deadline"].as_f64()? - since)
}

fn call_row(call: &Value) -> Vec<String> {
    let state =
        if call["killed"] == true { "killed" } else { call["state"].as_str().unwrap_or("-") };
    vec![
        text(&call["id"]),
        state.to_owned(),
        duration(&call["age_seconds"]),
        duration(&left(call).map_or(Value::Null, Value::from)),
        text(&call["pid"]),
        text(&call["event"]),
        text(&call["container"]),
        text(&call["task"]),
        text(&call["framework"]),
        short(&text(&call["command"])),
    ]
}

pub(super) fn call_mark(call: &Value) -> Mark {
    let ran = call["run_seconds"].as_f64().unwrap_or_default();
    match left(call) {
        Some(left) if left <= 0.0 => Mark::Bad,
        Some(left) if ran > 1.0 && ran > (ran + left) * LATE => Mark::Doubtful,
        _ => Mark::Plain,
    }
}

pub(super) fn failures(answer: &Value) {
    let all = list(answer, "failures");
    if all.is_empty() {
        println!("nothing has failed");
    }
    for failure in all {
        let line = failure_line(failure, &["container", "task"]);
        println!("{}", Mark::Bad.of(&line));
        println!("    {}", text(&failure["text"]));
        if !failure["tail"].is_null() {
            println!("    stdout and stderr end with: {}", text(&failure["tail"]));
        }
    }
}

/// What failed when and how, in a line; with what is known of `keys`.
pub(super) fn failure_line(failure: &Value, keys: &[&str]) -> String {
    let about = keys.iter().filter(|key| !failure[**key].is_null());
    let about: String = about.map(|key| format!(", {key} {}", text(&failure[*key]))).collect();
    format!(
        "{}  call {}: {} of '{}'{about}: {}, {} after {}",
        clock(&failure["time"]),
        text(&failure["id"]),
        text(&failure["event"]),
        text(&failure["module"]),
        text(&failure["outcome"]),
        text(&failure["reason"]),
        duration(&failure["run_seconds"]),
    )
}

pub(super) fn containers(answer: &Value) {
    let all = list(answer, "containers");
    if all.is_empty() {
        println!("no container is known");
        return;
    }
    let rows: Vec<_> = all
        .iter()
        .map(|one| {
            let usage = &one["usage"];
            let is_skipped = list(one, "skipped").iter().any(|it| it == "isolator_usage");
            let fresh = match (&usage["age_seconds"], &usage["fresh_for_seconds"]) {
                _ if is_skipped => "skipped",
                (Value::Null, _) => "-",
                (_, Value::Null) => "stale",
                _ => "fresh",
            };
            let failed = text(&usage["failed"]);
            let mark = if usage["failed"].is_null() { Mark::Plain } else { Mark::Bad };
            let cells = vec![
                text(&one["container"]),
                text(&one["module"]),
                duration(&usage["age_seconds"]),
                fresh.to_owned(),
                duration(&usage["next_refresh_seconds"]),
                bytes(&usage["value_bytes"]),
                failed,
            ];
            (cells, mark)
        })
        .collect();
    mark::print(&["CONTAINER", "MODULE", "USAGE AGE", "VALUE", "NEXT", "SIZE", "FAILED"], &rows);
    left_out(answer);
}

pub(super) fn container(answer: &Value) {
    for one in list(answer, "containers") {
        // Everything of it is wanted, and it has a shape of its own.
        let shown = serde_json::to_string_pretty(one).unwrap_or_default();
        shown.lines().for_each(|line| println!("{}", plain(line)));
    }
}

pub(super) fn killed(answer: &Value) {
    let call = &answer["killed"];
    let pid = match &call["pid"] {
        Value::Null => "which was not started".to_owned(),
        pid => format!("pid {pid}"),
    };
    println!(
        "killed call {}: {} of '{}' ({pid}), container {}, task {}, after {}",
        text(&call["id"]),
        text(&call["event"]),
        text(&call["module"]),
        text(&call["container"]),
        text(&call["task"]),
        duration(&call["age_seconds"]),
    );
}

pub(super) fn log_level(answer: &Value) {
    for instance in list(answer, "instances") {
        let (kind, module) = (text(&instance["kind"]), text(&instance["module"]));
        println!("{kind} '{module}': debug={}", instance["debug"]);
    }
}

pub(super) fn reload(answer: &Value) {
    for instance in list(answer, "reloaded") {
        let (changed, pending) = (list(instance, "changed"), list(instance, "needs_restart"));
        let what = match changed.len() {
            0 => "no parameter has changed".to_owned(),
            1 => "1 parameter has changed".to_owned(),
            count => format!("{count} parameters have changed"),
        };
        println!("{} '{}': {what}", text(&instance["kind"]), text(&instance["module"]));
        for one in changed {
            println!("  {} = {} (was {})", text(&one["key"]), text(&one["to"]), text(&one["from"]));
        }
        for one in pending {
            let line = format!(
                "  {} needs a restart to become {}, and stays {}: {}",
                text(&one["key"]),
                text(&one["to"]),
                text(&one["from"]),
                text(&one["why"])
            );
            println!("{}", Mark::Doubtful.of(&line));
        }
    }
    for instance in list(answer, "off") {
        println!("{} '{}': reload=off", text(&instance["kind"]), text(&instance["module"]));
    }
}

pub(super) fn reset(answer: &Value) {
    for one in list(answer, "reset") {
        let was = if one["was_suspended"] == true { "runs again" } else { "was not suspended" };
        println!("hook '{}': {} {was}", text(&one["module"]), text(&one["event"]));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_past_half_of_its_time_is_marked() {
        let call = |deadline: f64| json!({"since": 100.0, "age_seconds": 20.0, "run_seconds": 20.0, "deadline": deadline});
        assert!(matches!(call_mark(&call(119.0)), Mark::Bad));
        assert!(matches!(call_mark(&call(130.0)), Mark::Doubtful));
        assert!(matches!(call_mark(&call(145.0)), Mark::Plain));
        assert!(matches!(call_mark(&json!({})), Mark::Plain));
    }
}
