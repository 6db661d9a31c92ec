//! What a usage command for many containers answers.
//!
//! Input: the output. Each part must be what a usage command for the one container would have
//! come to with it.

use mesos_command::event::Event;
use mesos_command::fuzz::{About, conclude, conclude_batch};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

use super::commands::command;

/// Concludes the run, and one for each part of its answer.
pub fn run(data: &[u8]) {
    let batch = command(Event::UsageBatch, false);
    let (result, parts) = conclude_batch(batch, data);
    assert!(result.is_ok() || parts.is_empty(), "parts of a failure");
    if let Ok(None) = result {
        assert!(data.iter().all(u8::is_ascii_whitespace) && parts.is_empty());
    }
    // A strict reader has the last of equal keys, too, and the same texts for values.
    let Ok(strict) = serde_json::from_slice::<BTreeMap<String, &RawValue>>(data) else { return };
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(parts.len(), strict.len());
    let usage = command(Event::Usage, false);
    for ((name, part), (key, text)) in parts.iter().zip(&strict) {
        assert_eq!(name, key);
        let alone = conclude(usage, text.get().as_bytes(), About::default());
        match (part, alone) {
            (Ok(part), Ok(Some(alone))) => assert_eq!(part.bytes, alone, "{name}"),
            (Err(part), Err(alone)) => assert_eq!(*part, alone, "{name}"),
            (part, alone) => panic!("{name}: {part:?} beside {alone:?}"),
        }
    }
}
