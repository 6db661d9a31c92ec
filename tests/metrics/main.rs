//! Metrics as an operator meets them: over HTTP, in a file, through Prometheus and its rules.
//!
//! The process-wide registry is shared by all tests here, as it is by all instances in an agent;
//! each test therefore uses module names of its own.

mod dashboard;
mod descriptors;
mod exposition;
mod guest;
mod listener;
mod memory;
mod prometheus;
mod promql;
mod rules;
mod support;
mod textfile;
