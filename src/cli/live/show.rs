//! Answers of the control socket as people read them.

use serde_json::Value;

use crate::table::plain;

use super::mark::{self, Mark};

/// A call in flight for longer than this part of the time to its deadline is marked.
const LATE: f64 = 0.5;
/// Columns of a text in a table.
const MOST_TEXT: usize = 100;

/// A text of an answer, for a terminal; `-` where there is none.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => plain(text).into_owned(),
        other => other.to_string(),
    }
}

/// Seconds as people say them: `0.12s`, `4m05s`, `3h07m`.
pub(super) fn duration(value: &Value) -> String {
    let Some(seconds) = value.as_f64() else { return "-".to_owned() };
    let sign = if seconds < 0.0 { "-" } else { "" };
    let seconds = seconds.abs();
    let whole = seconds.round() as u64;
    match whole {
        0..=9 => format!("{sign}{seconds:.2}s"),
        10..=119 => format!("{sign}{seconds:.0}s"),
        120..=7199 => format!("{sign}{}m{:02}s", whole / 60, whole % 60),
        _ => format!("{sign}{}h{:02}m", whole / 3600, whole % 3600 / 60),
    }
}

/// Bytes as people say them.
fn bytes(value: &Value) -> String {
    match value.as_u64() {
        None => "-".to_owned(),
        Some(bytes @ 0..=9999) => format!("{bytes}B"),
        Some(bytes @ 10_000..=10_239_999) => format!("{}KiB", bytes / 1024),
        Some(bytes) => format!("{}MiB", bytes >> 20),
    }
}

/// The beginning of a long text.
fn short(text: &str) -> String {
    match text.char_indices().nth(MOST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn list<'a>(answer: &'a Value, key: &str) -> &'a [Value] {
    answer[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn left_out(answer: &Value) {
    if let Some(count) = answer["left_out"].as_u64().filter(|count| *count > 0) {
        println!("({count} more are not shown)");
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
        let containers = match &instance["containers"] {
            Value::Null => String::new(),
            count => format!(", {count} containers"),
        };
        println!("  {} running, {} queued{containers}", instance["running"], instance["queued"]);
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
            println!("  {event}: {command_text} (timeout {timeout}{when})");
        }
        list(instance, "shadows").iter().for_each(shadow);
        for pool in list(instance, "workers") {
            workers(pool);
        }
        for parameter in list(instance, "parameters") {
            if with_parameters || parameter["origin"] == "given" {
                let (key, value) = (text(&parameter["key"]), text(&parameter["value"]));
                let origin = if parameter["origin"] == "given" { "" } else { " (default)" };
                println!("  {key} = {value}{origin}");
            }
        }
    }
}

/// A shadow command, with its last difference.
fn shadow(shadow: &Value) {
    let line = format!("  shadow of {}: {}", text(&shadow["event"]), text(&shadow["command"]));
    let Some(last) = list(shadow, "differences").first() else {
        println!("{line}, no difference yet");
        return;
    };
    println!("{}", Mark::Bad.of(&format!("{line}, the last difference:")));
    let (command, own) = (short(&text(&last["command"])), short(&text(&last["shadow"])));
    println!("    {}: the command {command}, the shadow {own}", text(&last["subject"]));
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
            if worker["busy"] == true { "busy" } else { "idle" },
            duration(&worker["up_seconds"]),
            worker["requests"],
            bytes(&worker["rss_bytes"]),
        );
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
fn left(call: &Value) -> Option<f64> {
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

fn call_mark(call: &Value) -> Mark {
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
        let about = [("container", &failure["container"]), ("task", &failure["task"])];
        let about = about.iter().filter(|(_, value)| !value.is_null());
        let about: String = about.map(|(key, value)| format!(", {key} {}", text(value))).collect();
        let line = format!(
            "{}  call {}: {} of '{}'{about}: {}, {} after {}",
            clock(&failure["time"]),
            text(&failure["id"]),
            text(&failure["event"]),
            text(&failure["module"]),
            text(&failure["outcome"]),
            text(&failure["reason"]),
            duration(&failure["run_seconds"]),
        );
        println!("{}", Mark::Bad.of(&line));
        println!("    {}", text(&failure["text"]));
        if !failure["tail"].is_null() {
            println!("    stdout and stderr end with: {}", text(&failure["tail"]));
        }
    }
}

/// A time of day in UTC, with its date: `2026-11-27T13:45:34Z`.
pub(super) fn clock(value: &Value) -> String {
    let Some(seconds) = value.as_f64() else { return "-".to_owned() };
    let seconds = seconds as i64;
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days since 1970 to a date of the Gregorian calendar, by eras of 400 years that begin on the
    // first of March (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest % 3600 / 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
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
                bytes(&usage["value_bytes"]),
                failed,
            ];
            (cells, mark)
        })
        .collect();
    mark::print(&["CONTAINER", "MODULE", "USAGE AGE", "VALUE", "SIZE", "FAILED"], &rows);
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
    fn quantities_are_short() {
        for (seconds, text) in [
            (0.123, "0.12s"),
            (-3.0, "-3.00s"),
            (99.6, "100s"),
            (125.0, "2m05s"),
            (11_220.0, "3h07m"),
        ] {
            assert_eq!(duration(&json!(seconds)), text);
        }
        assert_eq!(duration(&Value::Null), "-");
        for (count, text) in [(0, "0B"), (10_240, "10KiB"), (104_857_600, "100MiB")] {
            assert_eq!(bytes(&json!(count)), text);
        }
        assert_eq!(short(&"x".repeat(200)).chars().count(), MOST_TEXT + 1);
    }

    #[test]
    fn times_are_utc() {
        for (seconds, text) in [
            (0.0, "1970-01-01T00:00:00Z"),
            (951_782_400.5, "2000-02-29T00:00:00Z"),
            (1_795_787_134.0, "2026-11-27T13:45:34Z"),
        ] {
            assert_eq!(clock(&json!(seconds)), text);
        }
    }

    #[test]
    fn a_call_past_half_of_its_time_is_marked() {
        let call = |deadline: f64| json!({"since": 100.0, "age_seconds": 20.0, "run_seconds": 20.0, "deadline": deadline});
        assert!(matches!(call_mark(&call(119.0)), Mark::Bad));
        assert!(matches!(call_mark(&call(130.0)), Mark::Doubtful));
        assert!(matches!(call_mark(&call(145.0)), Mark::Plain));
        assert!(matches!(call_mark(&json!({})), Mark::Plain));
    }
}
