//! The targets as functions for the programs that cargo-fuzz builds.

#![expect(clippy::unwrap_used, reason = "a finding is a panic")]

mod targets;

pub use targets::{
    answers::run as answers, batch::run as batch, context::run as context, http::run as http,
    json::run as json, modules_file::run as modules_file, parameters::run as parameters,
    procfs::run as procfs, worker::run as worker,
};
