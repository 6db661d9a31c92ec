//! Panics stop at the boundary: whatever they carry, they are counted and returned as a text.

#[path = "../src/guard.rs"]
mod guard;

use std::panic::panic_any;

use guard::guard;

/// A payload that panics again when it is dropped.
struct Nasty;

impl Drop for Nasty {
    fn drop(&mut self) {
        panic!("while dropping the payload");
    }
}

fn panics_counted() -> u64 {
    let metrics = mesos_command::metrics::render();
    metrics
        .lines()
        .find_map(|line| line.strip_prefix("mesos_command_panics_total "))
        .map_or(0, |number| number.parse().expect("a counter is a number"))
}

#[test]
fn panics_are_caught_described_and_counted() {
    assert_eq!(guard("working", || 7).expect("no panic"), 7);
    let before = panics_counted();

    let failed = guard("working", || -> () { panic!("broken") });
    assert_eq!(failed.expect_err("panics").to_string(), "internal error while working: broken");
    let number = 3;
    let failed = guard("counting", || -> () { panic!("broken {number}") });
    assert_eq!(failed.expect_err("panics").to_string(), "internal error while counting: broken 3");
    let failed = guard("working", || -> () { panic_any(5_u8) });
    assert!(failed.expect_err("panics").to_string().contains("without a message"));
    assert!(guard("working", || -> () { panic_any(Nasty) }).is_err());

    assert_eq!(panics_counted() - before, 4);
}
