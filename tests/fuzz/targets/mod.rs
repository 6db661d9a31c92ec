//! What each target feeds to the engine, and what it holds the answer against.
//!
//! A target takes any bytes and panics when the engine does, or when an oracle says that the
//! engine is wrong: a reader written from the rules alone (`grammar`), prost-reflect
//! (`reference`), or the same bytes once more in another way. Each file says what form its
//! input has; what has not that form is left alone.

pub mod answers;
pub mod batch;
mod commands;
pub mod context;
#[path = "../../codec/grammar.rs"]
mod grammar;
pub mod http;
pub mod json;
pub mod modules_file;
pub mod parameters;
pub mod procfs;
#[path = "../../codec/reference.rs"]
mod reference;
#[path = "../../codec/sample.rs"]
mod sample;
pub mod worker;

use mesos_command::escape::one_line;

/// Fails when a text for Mesos is empty, or not on one line of visible characters.
fn assert_shown(text: &str) {
    assert!(!text.trim().is_empty(), "an empty text");
    assert_eq!(one_line(text), text, "not on one line");
}

/// The first `N` bytes, which say how the rest is to be taken, and the rest.
fn head<const N: usize>(data: &[u8]) -> Option<([u8; N], &[u8])> {
    data.split_first_chunk().map(|(head, rest)| (*head, rest))
}
