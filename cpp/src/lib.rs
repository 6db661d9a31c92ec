//! `libmesos_command_modules.so`: the engine as Mesos Hook and Isolator modules.
//!
//! This crate is the edge: it exports the [`manifest`] symbols, carries calls over the `bridge`
//! to the engine (`mesos_command`) and its answers back, and puts the engine's log lines into the
//! host's log. It holds no policy. The C++ half is in `shim/` (adapters) and `abi/` (the host's
//! interfaces); `README.md` beside this directory explains both.
//!
//! As a program of unit tests (`cargo test --lib`) it is empty: only a host has the symbols of
//! Mesos that the library needs.

#![cfg(not(test))]

mod bridge;
mod convert;
mod exit;
pub mod exports;
mod guard;
mod host;
mod log;
pub mod manifest;
mod messages;
