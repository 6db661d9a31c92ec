//! Runs an operator's external command for each event of a Mesos agent or master.
//!
//! This crate is the engine: it knows events, protobuf message bytes with their descriptors, and
//! JSON. It knows neither C++ nor Mesos's classes; the adapters in `cpp/` (and the command line
//! tool, a package of its own) call [`hook::Hook`] and [`isolator::Isolator`].
//!
//! # Who may use whom
//!
//! `ARCHITECTURE.md` has the table of imports, and `tests/architecture.py` holds the code to it.
//! From below: sys, wire, escape, quantity, event, container, outcome, command, redact, schema,
//! condition, metrics; reactor, exporter, control, status_page, staging; run; config; reload;
//! worker; cache; call; hook and isolator.
//!
//! State belongs to a module instance. Process-wide are only the runner with its threads
//! ([`run::Runner`]), the schema of the host and the metrics registry.

pub mod cache;
pub mod call;
pub mod command;
pub mod condition;
pub mod config;
pub mod container;
pub mod containment;
pub mod control;
pub mod escape;
pub mod event;
pub mod exporter;
#[cfg(feature = "fuzz")]
#[doc(hidden)]
pub mod fuzz;
pub mod hook;
pub mod isolator;
pub mod metrics;
pub mod outcome;
pub mod quantity;
pub mod reactor;
pub mod redact;
mod reload;
pub mod run;
pub mod schema;
pub mod staging;
mod status_page;
pub mod sys;
pub mod warm;
pub mod wire;
pub mod worker;
