//! The tables of a screen: their columns, and how a row is marked.

use std::cmp::Ordering;

use mesos_command::quantity::{self, rate};
use serde_json::Value;

use crate::live::mark::Mark;
use crate::live::show::{call_mark, left};
use crate::live::words::{bytes, duration, text};
use crate::table::plain;

use super::super::columns::Column;
use super::super::ui::{CALL_COLUMNS, EVENT_COLUMNS, Sort};
use super::super::view::{EventRow, Instance, Shadow, View, Worker};
use super::{Line, lines};

/// How two rows stand by a column: what is looked for first is less.
type Order<T> = fn(&T, &T) -> Ordering;

const fn column<T>(
    head: &'static str,
    rank: u8,
    least: usize,
    cell: fn(&T) -> String,
) -> Column<T> {
    Column { head, rank, right: false, least, cell }
}

const fn number<T>(head: &'static str, rank: u8, cell: fn(&T) -> String) -> Column<T> {
    // A number that is cut is another one.
    Column { head, rank, right: true, least: usize::MAX, cell }
}

/// A duration that may be short.
fn time(seconds: Option<f64>) -> String {
    seconds.map_or("-".to_owned(), quantity::latency)
}

/// How long ago a failure was.
pub(super) fn ago(view: &View, failure: &Value) -> String {
    let ago = failure["time"].as_f64().map(|time| (view.time - time).max(0.0));
    duration(&ago.map_or(Value::Null, Value::from))
}

fn most_first(a: Option<f64>, b: Option<f64>) -> Ordering {
    b.unwrap_or(f64::NEG_INFINITY).total_cmp(&a.unwrap_or(f64::NEG_INFINITY))
}

fn sorted<'a, T, const N: usize>(rows: &'a [T], orders: &[Order<T>; N], sort: Sort) -> Vec<&'a T> {
    let mut rows: Vec<&T> = rows.iter().collect();
    // Stable, so that rows that are alike keep their places from look to look.
    rows.sort_by(|a, b| orders[sort.column % N](a, b));
    if sort.is_reversed {
        rows.reverse();
    }
    rows
}

const EVENTS: [Column<EventRow>; EVENT_COLUMNS] = [
    column("EVENT", 0, 16, |row| plain(&row.event).into_owned()),
    column("MODULE", 8, 6, |row| plain(&row.module).into_owned()),
    number("CALLS/S", 1, |row| rate(row.calls_per_second)),
    number("FAILED/S", 2, |row| rate(row.failed_per_second)),
    number("SKIPPED/S", 7, |row| rate(row.skipped_per_second)),
    number("P50", 3, |row| time(row.call_p50_seconds)),
    number("P99", 4, |row| time(row.call_p99_seconds)),
    number("RUNNING", 5, |row| row.running.to_string()),
    number("RUN P50", 9, |row| time(row.run_p50_seconds)),
    number("RUN P99", 6, |row| time(row.run_p99_seconds)),
    number("QUEUE P99", 10, |row| time(row.queue_p99_seconds)),
];
const EVENT_ORDERS: [Order<EventRow>; EVENT_COLUMNS] = [
    |a, b| a.event.cmp(&b.event),
    |a, b| a.module.cmp(&b.module),
    |a, b| b.calls_per_second.total_cmp(&a.calls_per_second),
    |a, b| b.failed_per_second.total_cmp(&a.failed_per_second),
    |a, b| b.skipped_per_second.total_cmp(&a.skipped_per_second),
    |a, b| most_first(a.call_p50_seconds, b.call_p50_seconds),
    |a, b| most_first(a.call_p99_seconds, b.call_p99_seconds),
    |a, b| b.running.cmp(&a.running),
    |a, b| most_first(a.run_p50_seconds, b.run_p50_seconds),
    |a, b| most_first(a.run_p99_seconds, b.run_p99_seconds),
    |a, b| most_first(a.queue_p99_seconds, b.queue_p99_seconds),
];

pub(super) fn events(view: &View, sort: Sort, width: usize) -> Vec<Line> {
    let rows = sorted(&view.events, &EVENT_ORDERS, sort);
    lines(&EVENTS, &rows, width, Some(sort.column), |row| {
        if row.failed_per_second > 0.0 { Mark::Bad } else { Mark::Plain }
    })
}

const CALLS: [Column<Value>; CALL_COLUMNS] = [
    number("ID", 1, |call| text(&call["id"])),
    column("STATE", 6, 7, |call| {
        if call["killed"] == true { "killed".to_owned() } else { text(&call["state"]) }
    }),
    number("AGE", 0, |call| duration(&call["age_seconds"])),
    number("LEFT", 4, |call| duration(&left(call).map_or(Value::Null, Value::from))),
    number("PID", 3, |call| text(&call["pid"])),
    column("EVENT", 2, 16, |call| text(&call["event"])),
    column("CONTAINER", 5, 12, |call| text(&call["container"])),
    column("TASK", 7, 8, |call| text(&call["task"])),
    column("FRAMEWORK", 9, 8, |call| text(&call["framework"])),
    column("COMMAND", 8, 8, |call| text(&call["command"])),
];
const CALL_ORDERS: [Order<Value>; CALL_COLUMNS] = [
    |a, b| a["id"].as_u64().cmp(&b["id"].as_u64()),
    |a, b| by_text(a, b, "state"),
    |a, b| most_first(a["age_seconds"].as_f64(), b["age_seconds"].as_f64()),
    |a, b| left(a).unwrap_or(f64::MAX).total_cmp(&left(b).unwrap_or(f64::MAX)),
    |a, b| a["pid"].as_u64().cmp(&b["pid"].as_u64()),
    |a, b| by_text(a, b, "event"),
    |a, b| by_text(a, b, "container"),
    |a, b| by_text(a, b, "task"),
    |a, b| by_text(a, b, "framework"),
    |a, b| by_text(a, b, "command"),
];

fn by_text(a: &Value, b: &Value, key: &str) -> Ordering {
    a[key].as_str().cmp(&b[key].as_str())
}

pub(super) fn calls(view: &View, sort: Sort, width: usize) -> Vec<Line> {
    let rows = sorted(&view.in_flight.calls, &CALL_ORDERS, sort);
    let mut all = lines(&CALLS, &rows, width, Some(sort.column), call_mark);
    if view.in_flight.left_out > 0 {
        let text = format!("({} younger ones are not listed)", view.in_flight.left_out);
        all.push((text, super::Style::PLAIN));
    }
    all
}

/// A failure, and how long ago it was.
type Failed = (Value, String);

const FAILURES: [Column<Failed>; 6] = [
    number("AGO", 0, |failed| failed.1.clone()),
    column("EVENT", 1, 16, |failed| text(&failed.0["event"])),
    column("REASON", 2, 10, |failed| text(&failed.0["reason"])),
    column("CONTAINER", 4, 12, |failed| text(&failed.0["container"])),
    column("TASK", 5, 8, |failed| text(&failed.0["task"])),
    column("TEXT", 3, 16, |failed| text(&failed.0["text"])),
];

pub(super) fn failures(view: &View, width: usize) -> Vec<Line> {
    let all = view.failures.last.iter().map(|one| (one.clone(), ago(view, one)));
    let all: Vec<Failed> = all.collect();
    lines(&FAILURES, &all.iter().collect::<Vec<_>>(), width, None, |_| Mark::Plain)
}

const WORKERS: [Column<Worker>; 8] = [
    column("EVENT", 0, 16, |worker| plain(&worker.event).into_owned()),
    column("MODULE", 3, 6, |worker| plain(&worker.module).into_owned()),
    number("PID", 1, |worker| worker.pid.to_string()),
    column("STATE", 2, 4, |worker| state(worker).to_owned()),
    number("IN FLIGHT", 7, |worker| worker.in_flight.map_or("-".to_owned(), |it| it.to_string())),
    number("UP", 5, |worker| duration(&worker.up_seconds.into())),
    number("REQUESTS", 4, |worker| worker.requests.to_string()),
    number("MEMORY", 6, |worker| bytes(&worker.rss_bytes.map_or(Value::Null, Value::from))),
];

fn state(worker: &Worker) -> &'static str {
    match (worker.warm, worker.busy) {
        (true, _) => "warm",
        (false, true) => "busy",
        (false, false) => "idle",
    }
}

pub(super) fn workers(view: &View, width: usize) -> Vec<Line> {
    lines(&WORKERS, &view.workers.iter().collect::<Vec<_>>(), width, None, |_| Mark::Plain)
}

/// An instance, and the part of its usage that the cache answers at once.
type Seen = (Instance, Option<f64>);

const INSTANCES: [Column<Seen>; 9] = [
    column("MODULE", 0, 8, |seen| plain(&seen.0.module).into_owned()),
    column("KIND", 1, 8, |seen| plain(&seen.0.kind).into_owned()),
    number("UP", 4, |seen| duration(&seen.0.up_seconds.into())),
    number("CONTAINERS", 5, |seen| seen.0.containers.map_or("-".to_owned(), |it| it.to_string())),
    number("RUNNING", 2, |seen| seen.0.running.to_string()),
    number("QUEUED", 3, |seen| seen.0.queued.to_string()),
    number("HANGING", 7, |seen| seen.0.quarantined.to_string()),
    number("AT ONCE", 6, |seen| seen.1.map_or("-".to_owned(), |it| format!("{:.1}%", it * 100.0))),
    column("SUSPENDED", 8, 8, |seen| plain(&seen.0.suspended.join(", ")).into_owned()),
];

pub(super) fn instances(view: &View, width: usize) -> Vec<Line> {
    let seen = view.instances.iter().map(|one| {
        let cache = view.cache.iter().find(|cache| cache.module == one.module);
        (one.clone(), cache.filter(|_| one.kind == "isolator").and_then(|cache| cache.at_once))
    });
    let seen: Vec<Seen> = seen.collect();
    lines(&INSTANCES, &seen.iter().collect::<Vec<_>>(), width, None, |seen| {
        if seen.0.suspended.is_empty() { Mark::Plain } else { Mark::Bad }
    })
}

const SHADOWS: [Column<Shadow>; 7] = [
    column("EVENT", 0, 16, |shadow| plain(&shadow.event).into_owned()),
    column("MODULE", 5, 6, |shadow| plain(&shadow.module).into_owned()),
    number("SAME", 3, |shadow| shadow.same.to_string()),
    number("DIFFERENT", 1, |shadow| shadow.different.to_string()),
    number("FAILED", 2, |shadow| shadow.failed.to_string()),
    number("DROPPED", 4, |shadow| shadow.dropped.to_string()),
    column("COMMAND", 6, 8, |shadow| plain(&shadow.command).into_owned()),
];

/// Each shadow, and below it what differed last.
pub(super) fn shadows(view: &View, width: usize) -> Vec<Line> {
    let rows: Vec<&Shadow> = view.shadows.iter().collect();
    let mut table = lines(&SHADOWS, &rows, width, None, |shadow| {
        if shadow.difference.is_empty() { Mark::Plain } else { Mark::Bad }
    })
    .into_iter();
    let mut all: Vec<Line> = table.by_ref().take(1).collect();
    for (shadow, line) in rows.into_iter().zip(table) {
        all.push(line);
        let difference = shadow.difference.iter();
        all.extend(difference.map(|line| (format!("    {line}"), super::Style::PLAIN)));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_for_first_stands_first() {
        assert_eq!(most_first(Some(2.0), Some(1.0)), Ordering::Less);
        assert_eq!(most_first(None, Some(1.0)), Ordering::Greater);
    }
}
