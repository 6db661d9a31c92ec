//! The runner under faults: one table of faults and outcomes, and the tests that need more.
//!
//! Every test holds a lock and ends with an oracle: no child, zombie, descriptor, thread or call
//! directory may be left, and the disposition of SIGCHLD must be what it was. Tests that change
//! the host process itself run in a process of their own (`modes`). What the machine cannot do is
//! skipped by the rule in tests/README.md.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "the tests are the host, and a bad one at that")]

mod contained;
mod hosts;
mod hung;
mod identity;
mod identity_hosts;
mod inherit;
mod modes;
mod outcomes;
mod outputs;
mod scripts;
mod seccomp;
mod signals;
mod sizes;
mod spawn_errors;
mod support;
mod timing;
mod tree;
