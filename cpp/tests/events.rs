//! The events' numbers in the header for the C++ shim are the engine's.

use mesos_command::event::Event;

#[test]
fn the_shim_counts_events_as_the_engine_does() {
    let header = include_str!(concat!(env!("OUT_DIR"), "/events.hpp"));
    let body = header
        .split_once("enum Event : std::uint8_t {")
        .and_then(|(_, rest)| rest.split_once('}'))
        .map(|(body, _)| body)
        .expect("the header has the enumeration");
    let in_shim: Vec<String> =
        body.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
    let in_engine = Event::ALL.map(|event| format!("{event:?} = {},", event as u8));
    assert_eq!(in_shim, in_engine);
}
