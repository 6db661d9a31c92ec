//! Parameters of an instance.
//!
//! Input: a line `hook` or `isolator` (its first letter counts), then `key=value` lines. A line
//! that begins with a tab goes on with the value before.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use mesos_command::condition::Condition;
use mesos_command::config::{Config, Warning};
use mesos_command::event::{Event, ModuleKind};

/// The longest duration that is accepted.
const LONGEST: Duration = Duration::from_secs(u32::MAX as u64);

type Parameters = Vec<(String, String)>;

/// Reads the parameters in the order given, and as the last of equal keys in another order.
pub fn run(data: &[u8]) {
    let (kind, parameters) = input(data);
    let parsed = Config::parse(kind, &parameters);
    match &parsed {
        Ok((config, warnings)) => check(config, warnings),
        Err(error) => {
            assert!(error.to_string().contains(&format!("'{}'", error.key)), "{error}");
        }
    }
    // Later duplicates win, and nothing else depends on the order.
    let effective: BTreeMap<_, _> = parameters.into_iter().collect();
    let reversed: Parameters = effective.into_iter().rev().collect();
    let again = Config::parse(kind, &reversed);
    match (parsed, again) {
        (Ok((one, said)), Ok((other, told))) => {
            assert_eq!(format!("{one:?}"), format!("{other:?}"));
            assert_eq!(said, told);
        }
        (one, other) => assert_eq!(one.err(), other.err()),
    }
}

fn input(data: &[u8]) -> (ModuleKind, Parameters) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n');
    let kind = match lines.next() {
        Some(line) if line.starts_with('h') => ModuleKind::Hook,
        _ => ModuleKind::Isolator,
    };
    let mut parameters = Parameters::new();
    for line in lines {
        if let (Some(rest), Some((_, value))) = (line.strip_prefix('\t'), parameters.last_mut()) {
            value.push('\n');
            value.push_str(rest);
        } else {
            let (key, value) = line.split_once('=').unwrap_or((line, ""));
            parameters.push((key.to_owned(), value.to_owned()));
        }
    }
    (kind, parameters)
}

/// A condition is printed so that it reads as the same.
fn check_condition(event: Event, condition: &Condition) {
    let printed = condition.expression().to_string();
    match Condition::parse(event, &printed) {
        Ok(again) => assert_eq!(again.expression().to_string(), printed),
        // Quotes and parentheses that were not needed may make it too long or too deep.
        Err(fault) => assert!(printed.len() > 512 || fault.what.contains("deep"), "{fault}"),
    }
}

/// What the rest of the engine takes for granted.
fn check(config: &Config, warnings: &[Warning]) {
    let state = Path::new("/state").join(&*config.module_name);
    assert_eq!(state.parent(), Some(Path::new("/state")), "the name leads elsewhere");
    assert!(state.file_name().is_some(), "the name is none");
    for count in [config.max_parallel, config.watch_parallel, config.lifecycle_parallel] {
        assert!((1..=1024).contains(&count), "{count} at a time");
    }
    assert!((1..=1 << 30).contains(&config.max_output_bytes));
    assert!(!config.watch_interval.is_zero(), "a loop without a pause");
    for duration in
        [config.watch_interval, config.cache_ttl, config.stale_while_revalidate, config.kill_grace]
    {
        assert!(duration <= LONGEST, "{duration:?}");
    }
    assert!(config.stale_ttl <= 2 * LONGEST);
    for (event, command) in &config.events {
        if let Some(condition) = &command.when {
            check_condition(*event, condition);
        }
    }
    for directory in [Some(&config.state_dir), config.temp_dir.as_ref()].into_iter().flatten() {
        assert!(directory.is_absolute(), "{directory:?}");
    }
    for event in config.events.values() {
        assert!(event.timeout.is_none_or(|timeout| !timeout.is_zero() && timeout <= LONGEST));
        assert!((1..=64).contains(&event.workers));
        assert!(!event.text().is_empty() && !event.text().contains('\0'));
    }
    for warning in warnings {
        assert!(!warning.to_string().is_empty());
    }
}
