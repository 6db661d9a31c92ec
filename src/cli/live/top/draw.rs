//! A view as lines of text.

mod tables;

use mesos_command::escape::one_line;
use mesos_command::quantity;
use serde_json::Value;

use crate::live::mark::Mark;
use crate::live::show::failure_line;
use crate::live::words::{clock, duration, text};

use super::columns::{cut, table};
use super::screen::Style;
use super::ui::{Shown, Ui};
use super::view::{Shadow, View};

type Line = (String, Style);

/// The last line, which says the keys.
const KEYS: &str =
    "q quit  h help  Tab view  <> sort  R reverse  / filter  space pause  +- interval";
const HELP: &[&str] = &[
    "q, F10, Ctrl-C    end",
    "h, ?, F1          this help; any key ends it",
    "Tab, Shift-Tab    next view, view before",
    "1 2 3 4 5 6       overview, in flight, failures, workers, instances, shadows",
    "<, >, F6          sort by the column to the left or right (it has a *)",
    "R, I              the other way round",
    "/, F4             filter: event, module, container, task, framework, command",
    "Esc               no filter",
    "space, p          pause; again: go on",
    "Enter             look now",
    "+, -              twice or half the interval",
    "Up, Down, k, j    scroll by a line; PgUp, PgDn, Home, End",
    "",
    "CALLS/S           calls that ended, per second, those from the cache too",
    "SKIPPED/S         of them those for which the command is not run (<event>_when)",
    "P50, P99          what calls waited that were not answered from the cache",
    "RUN P50, RUN P99  what commands took; QUEUE P99: what they waited before",
    "LEFT              time to the deadline",
];

/// The lines of a screen of this size: never more, and none wider.
pub(super) fn screen(
    view: &View,
    ui: &mut Ui,
    (width, height): (usize, usize),
    trouble: Option<&str>,
) -> Vec<Line> {
    let mut lines = head(view, ui);
    if let Some(trouble) = trouble {
        lines.push((one_line(trouble).into_owned(), Style::Marked(Mark::Bad)));
    }
    lines.push((String::new(), Style::PLAIN));
    let room = height.saturating_sub(lines.len() + 1);
    if ui.is_help {
        lines.extend(HELP.iter().map(|line| ((*line).to_owned(), Style::PLAIN)));
    } else {
        lines.extend(body(view, ui, width, room));
    }
    lines.truncate(height.saturating_sub(1));
    lines.resize(height.saturating_sub(1), (String::new(), Style::PLAIN));
    lines.push((foot(ui), Style::Foot));
    lines.into_iter().map(|(line, style)| (cut(&line, width), style)).collect()
}

/// Everything of the overview, for a terminal without an end, or a file.
pub(super) fn all(view: &View, ui: &mut Ui, width: usize) -> String {
    let mut lines = head(view, ui);
    lines.push((String::new(), Style::PLAIN));
    lines.extend(body(view, ui, width, usize::MAX / 2));
    let shown =
        lines.iter().map(|(line, style)| super::screen::styled(&cut(line, width), *style, width));
    shown.map(|line| line.trim_end().to_owned() + "\n").collect()
}

fn foot(ui: &Ui) -> String {
    if ui.is_typing {
        return format!("filter: {}_   Enter keeps it, Esc gives it up", one_line(&ui.filter));
    }
    if ui.filter.is_empty() {
        return KEYS.to_owned();
    }
    format!("filter: {}   Esc ends it   {KEYS}", one_line(&ui.filter))
}

/// What holds for the whole process.
fn head(view: &View, ui: &Ui) -> Vec<Line> {
    let plain = |text: String| (text, Style::PLAIN);
    let sum = |of: fn(&super::view::Instance) -> u64| view.instances.iter().map(of).sum::<u64>();
    let up = view.instances.iter().map(|one| one.up_seconds).fold(0.0, f64::max);
    let paused = if ui.is_paused { ", paused" } else { "" };
    let first = format!(
        "mesos-command top: {}{paused}   pid {}, module {}   up {}   every {}   {}",
        ui.shown.label(),
        view.pid,
        one_line(&view.version),
        duration(&up.into()),
        duration(&ui.interval.as_secs_f64().into()),
        clock(&view.time.into()),
    );
    let (flight, ages) = (&view.in_flight, view.in_flight.by_age);
    let oldest = flight.calls.iter().filter_map(|call| call["age_seconds"].as_f64());
    let oldest =
        oldest.fold(None, |oldest: Option<f64>, age| Some(oldest.map_or(age, |it| it.max(age))));
    let busy = view.workers.iter().filter(|worker| worker.busy).count();
    let workers = view.workers.iter().filter(|worker| !worker.warm).count();
    let second = format!(
        "instances {}   containers {}   workers {} ({busy} busy)   hanging {}",
        view.instances.len(),
        sum(|one| one.containers.unwrap_or_default()),
        workers,
        sum(|one| one.quarantined),
    );
    let third = format!(
        "in flight {} running, {} queued, oldest {}   {} below 1s, {} below 10s, {} below 1min, {} above",
        flight.running,
        flight.queued,
        duration(&oldest.map_or(Value::Null, Value::from)),
        ages.below_1s,
        ages.below_10s,
        ages.below_1min,
        ages.above,
    );
    let mut lines = vec![(first, Style::Head), plain(second), plain(third), plain(cache(view))];
    lines.push(failures(view));
    lines.extend(shadows(view).map(plain));
    for one in &view.instances {
        for event in &one.suspended {
            let line = format!("suspended: {} of '{}'", one_line(event), one_line(&one.module));
            lines.push((line, Style::Marked(Mark::Bad)));
        }
    }
    lines
}

/// How shadows compared, where there are some.
fn shadows(view: &View) -> Option<String> {
    let sum = |of: fn(&Shadow) -> u64| view.shadows.iter().map(of).sum::<u64>();
    (!view.shadows.is_empty()).then(|| {
        format!(
            "shadows {}   {} same, {} different, {} failed, {} dropped",
            view.shadows.len(),
            sum(|one| one.same),
            sum(|one| one.different),
            sum(|one| one.failed),
            sum(|one| one.dropped),
        )
    })
}

/// How usage is answered, of all modules together.
fn cache(view: &View) -> String {
    let mut sums = std::collections::BTreeMap::<&str, u64>::new();
    for (result, count) in view.cache.iter().flat_map(|cache| &cache.requests) {
        *sums.entry(result).or_default() += count;
    }
    let all: u64 = sums.values().sum();
    if all == 0 {
        return "cache -".to_owned();
    }
    let rate: f64 = view.cache.iter().map(|cache| cache.requests_per_second).sum();
    let part =
        |result: &str| 100.0 * sums.get(result).copied().unwrap_or_default() as f64 / all as f64;
    let at_once = part("hit") + part("ahead") + part("stale");
    let results = ["hit", "ahead", "stale", "joined", "miss"];
    let parts: Vec<String> =
        results.iter().map(|result| format!("{result} {:.0}%", part(result))).collect();
    format!("cache {at_once:.1}% at once of {}/s   {}", quantity::rate(rate), parts.join(" "))
}

fn failures(view: &View) -> Line {
    let rate = quantity::rate(view.failures.per_second);
    let Some(last) = view.failures.last.first() else {
        return (format!("failures {rate}/s   none is kept"), Style::PLAIN);
    };
    let line = format!(
        "failures {rate}/s   the last {} ago: {} of '{}', {}",
        tables::ago(view, last),
        text(&last["event"]),
        text(&last["module"]),
        text(&last["reason"]),
    );
    let mark = if view.failures.per_second > 0.0 { Mark::Bad } else { Mark::Plain };
    (line, Style::Marked(mark))
}

fn body(view: &View, ui: &mut Ui, width: usize, room: usize) -> Vec<Line> {
    let lines = match ui.shown {
        Shown::Overview => return overview(view, ui, width, room),
        Shown::Calls => tables::calls(view, ui.calls, width),
        Shown::Failures => whole_failures(view),
        Shown::Workers => tables::workers(view, width),
        Shown::Instances => tables::instances(view, width),
        Shown::Shadows => tables::shadows(view, width),
    };
    scrolled(lines, ui, room)
}

/// The lines that are in view, below the first one, which stays.
fn scrolled(lines: Vec<Line>, ui: &mut Ui, room: usize) -> Vec<Line> {
    let rows = room.saturating_sub(1);
    ui.scroll = ui.scroll.min(lines.len().saturating_sub(1).saturating_sub(rows));
    let (heads, rest) = lines.split_at(lines.len().min(1));
    let shown = rest.iter().skip(ui.scroll).take(rows);
    heads.iter().chain(shown).cloned().collect()
}

/// Events, calls and failures, each with a part of the room; calls can be scrolled.
fn overview(view: &View, ui: &mut Ui, width: usize, room: usize) -> Vec<Line> {
    let events = tables::events(view, ui.events, width);
    let calls = tables::calls(view, ui.calls, width);
    let failed = tables::failures(view, width);
    // A line between two of them.
    let room = room.saturating_sub(2);
    let third = (room / 3).max(2);
    let for_failed = failed.len().min(third);
    let for_events = events.len().min(room.saturating_sub(for_failed + calls.len().min(third)));
    let for_calls = room.saturating_sub(for_failed + for_events);
    let more_failed = room.saturating_sub(for_events + calls.len().min(for_calls));
    let mut lines: Vec<Line> = events.into_iter().take(for_events).collect();
    lines.push((String::new(), Style::PLAIN));
    lines.extend(scrolled(calls, ui, for_calls));
    lines.push((String::new(), Style::PLAIN));
    lines.extend(failed.into_iter().take(more_failed));
    lines
}

/// Every failure with all that it says.
fn whole_failures(view: &View) -> Vec<Line> {
    let mut lines = vec![("FAILURES, the newest first".to_owned(), Style::Head)];
    for failure in &view.failures.last {
        let line = failure_line(failure, &["container", "task", "framework"]);
        lines.push((line, Style::Marked(Mark::Bad)));
        lines.push((format!("    {}", text(&failure["text"])), Style::PLAIN));
        if !failure["tail"].is_null() {
            lines.push((format!("    printed: {}", text(&failure["tail"])), Style::PLAIN));
        }
    }
    lines
}

/// A table as lines, each with the mark that `mark` gives it.
fn lines<T>(
    columns: &[super::columns::Column<T>],
    rows: &[&T],
    width: usize,
    sorted: Option<usize>,
    mark: impl Fn(&T) -> Mark,
) -> Vec<Line> {
    let (head, cells) = table(columns, rows, width, sorted);
    let rows = rows.iter().zip(cells).map(|(row, line)| (line, Style::Marked(mark(row))));
    std::iter::once((head, Style::Head)).chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::keys::Key;
    use super::super::view::tests::view;
    use super::*;

    fn ui() -> Ui {
        Ui::new(String::new(), Duration::from_secs(1))
    }

    fn texts(lines: &[Line]) -> String {
        lines.iter().map(|(line, _)| format!("{line}\n")).collect()
    }

    #[test]
    fn a_screen_is_never_larger_than_the_terminal() {
        for shown in Shown::ALL {
            for (width, height) in [(80, 24), (200, 50), (40, 10), (20, 5), (1, 1), (300, 3)] {
                let mut ui = Ui { shown, ..ui() };
                for help in [false, true] {
                    ui.is_help = help;
                    let lines = screen(&view(""), &mut ui, (width, height), Some("no\nanswer"));
                    assert_eq!(lines.len(), height);
                    for (line, _) in lines {
                        assert!(line.chars().count() <= width, "{width}: {line}");
                        assert!(!line.contains(char::is_control), "{line:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_overview_has_something_of_everything() {
        for width in [80, 200] {
            let text = texts(&screen(&view(""), &mut ui(), (width, 24), None));
            for part in [
                "pid 7, module 1",
                "1 running",
                "1 below 1s",
                "oldest 75s",
                "isolator_usage",
                "2.00",
                "isolator_prepare",
                "c-old",
                "no luck",
                "cache -",
            ] {
                assert!(text.contains(part), "{width}: {part}: {text}");
            }
            let is_wide = width == 200;
            assert_eq!(text.contains("/opt/a\\x1b[2Jb.sh"), is_wide, "{text}");
        }
    }

    #[test]
    fn skipped_calls_requests_of_workers_and_shadows_have_their_places() {
        let shown = |shown: Shown| {
            let mut ui = Ui { shown, ..ui() };
            texts(&screen(&view(""), &mut ui, (120, 24), None))
        };
        let cells = |text: &str, part: &str| {
            let line = text.lines().find(|line| line.contains(part)).expect(text);
            line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        let overview = shown(Shown::Overview);
        let counts = "shadows 1   98 same, 2 different, 1 failed, 4 dropped\n";
        assert!(overview.contains(counts), "{overview}");
        let (heads, row) = (cells(&overview, "SKIPPED/S"), cells(&overview, "isolator_usage"));
        let column = heads.iter().position(|head| head == "SKIPPED/S").expect(&overview);
        assert_eq!(row[column], "0.60", "{overview}");
        let workers = shown(Shown::Workers);
        assert_eq!(cells(&workers, "isolator_usage")[2..5], ["12", "busy", "3"], "{workers}");
        let shadows = shown(Shown::Shadows);
        let expected = ["isolator_usage", "m", "98", "2", "1", "4", "/opt/new"];
        assert_eq!(cells(&shadows, "/opt/new"), expected, "{shadows}");
        assert!(shadows.contains("of c-old: different\n"), "{shadows}");
        assert!(shadows.contains("a: 2, not 1\n"), "{shadows}");
    }

    #[test]
    fn calls_are_sorted_by_any_column_and_scrolled() {
        let mut ui = Ui { shown: Shown::Calls, ..ui() };
        let first = |ui: &mut Ui| {
            let text = texts(&screen(&view(""), ui, (100, 12), None));
            text.find("c-old").expect(&text) < text.find("c-new").expect(&text)
        };
        assert!(first(&mut ui), "the oldest first");
        ui.press(Key::Char('R'));
        assert!(!first(&mut ui));
        for _ in 0..super::super::ui::CALL_COLUMNS {
            ui.press(Key::Char('>'));
            first(&mut ui);
        }
        ui.press(Key::End);
        screen(&view(""), &mut ui, (100, 10), None);
        assert_eq!(ui.scroll, 1, "bounded by what there is: two calls, room for one");
    }

    #[test]
    fn without_a_terminal_everything_is_printed() {
        let text = all(&view(""), &mut ui(), 120);
        assert!(text.contains("c-new") && text.contains("no luck"), "{text}");
        assert!(!text.contains(KEYS), "{text}");
    }
}
