//! Sampled values (usage, status): one [`Slot`] per container and event holds the last good value
//! and makes sure that at most one run refreshes it at a time; [`Ahead`] decides when values are
//! refreshed before anybody asks.

mod ahead;
mod pacer;
mod slot;
#[cfg(test)]
#[path = "slot/tests.rs"]
mod slot_tests;
mod sync;

pub use ahead::{Ahead, Containers, LEAST_LIFE};
pub use pacer::Pacer;
pub use slot::{
    Arrived, Closed, Delivery, Flight, Fresh, Look, Lookup, Policy, Released, Served, Slot,
};
