//! Sampled values (usage, status): one [`Slot`] per container and event holds the last good value
//! and makes sure that at most one run refreshes it at a time.

mod pacer;
mod slot;
#[cfg(test)]
#[path = "slot/tests.rs"]
mod slot_tests;
mod sync;

pub use pacer::Pacer;
pub use slot::{Closed, Delivery, Flight, Lookup, Policy, Released, Served, Slot};
