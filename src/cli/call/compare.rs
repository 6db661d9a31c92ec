//! The same calls with two commands, and where their answers differ.

use mesos_command::event::Event;
use serde_json::{Value, json};

use super::made::Made;
use crate::difference;
use crate::table::plain;

/// What is compared of a call.
fn compared(made: &Made) -> Value {
    let all = made.to_json();
    json!({"outcome": all["outcome"], "answer": all["answer"], "failure": all["failure"]})
}

/// Differences of one call, a line each; of failures the text is compared too, without the name of
/// the command.
pub(super) fn differences(one: &Made, other: &Made) -> Vec<String> {
    let (mut first, mut second) = (compared(one), compared(other));
    for (value, made) in [(&mut first, one), (&mut second, other)] {
        if let Some(text) = value["failure"].as_str() {
            value["failure"] = text.replace(made.command(), "COMMAND").into();
        }
    }
    difference::between(&first, &second)
}

/// Prints how two calls compare.
pub(super) fn print(event: Event, one: &Made, other: &Made, differences: &[String], as_json: bool) {
    if as_json {
        let text = json!({
            "event": event.label(),
            "same": differences.is_empty(),
            "differences": differences,
            "first": one.to_json(),
            "second": other.to_json(),
        });
        println!("{text}");
        return;
    }
    let verdict = if differences.is_empty() { "same" } else { "different" };
    let ms = |made: &Made| made.took().as_secs_f64() * 1e3;
    println!(
        "{}  {}  {verdict}  {:.1} ms, {:.1} ms",
        event.label(),
        plain(&one.container),
        ms(one),
        ms(other)
    );
    for (made, name) in [(one, "first"), (other, "second")] {
        println!("  {name:<8}  {}: {}", plain(made.command()), made.outcome());
    }
    for line in differences {
        println!("  {:<8}  {}", "differs", plain(line));
    }
}
