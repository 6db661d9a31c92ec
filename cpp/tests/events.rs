//! The events' numbers in the C++ shim are the engine's.

use mesos_command::event::Event;

#[test]
fn the_shim_counts_events_as_the_engine_does() {
    let header = include_str!("../shim/events.hpp");
    let body = header
        .split_once("enum Event : std::uint8_t {")
        .and_then(|(_, rest)| rest.split_once('}'))
        .map(|(body, _)| body)
        .expect("the header has the enumeration");
    let in_shim: Vec<String> = body
        .split(',')
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect();
    // The batch is no method that a shim could be called with.
    let methods = Event::ALL.iter().filter(|event| **event != Event::UsageBatch);
    let in_engine: Vec<String> = methods.map(|event| format!("{event:?}")).collect();
    assert_eq!(in_shim, in_engine);
}
