//! What a child is given by its parent, in whose memory it runs.

use std::ffi::{c_char, c_int};
use std::sync::atomic::{AtomicI32, AtomicU64};

use super::child_identity::RawIdentity;
use super::fs_helper::RawCall;

/// Where one of the three standard descriptors comes from. Pointers are to C strings that outlive
/// the child's use of them.
#[derive(Clone, Copy, Debug)]
pub(super) enum RawSource {
    /// A path to open with these flags.
    Open { path: *const c_char, flags: c_int },
    /// A descriptor of the host, never below 3.
    Descriptor(c_int),
    /// The host's own, or `/dev/null` when the host has it closed.
    Inherited,
    /// The same as stdout (for stderr).
    Stdout,
}

/// Everything the child needs, prepared by the parent.
#[derive(Debug)]
pub(super) struct ChildPlan {
    /// When it is about to execute the program, in nanoseconds of the monotonic clock; 0 before.
    pub(super) executes: AtomicU64,
    /// Where it went wrong, a [`Step`](super::step::Step); 0 while nothing has.
    pub(super) failed_step: AtomicI32,
    /// The errno there.
    pub(super) failed_errno: AtomicI32,
    /// `cgroup.procs` files to write itself to, NULL at the end.
    pub(super) joins: *const *const c_char,
    /// The errno of an `oom_score_adj` that could not be set, which is no reason not to start.
    pub(super) oom_errno: AtomicI32,
    /// Where the child writes its number first of all; NULL: nowhere.
    pub(super) announced: *const AtomicI32,
    /// Paths to try, NULL at the end.
    pub(super) candidates: *const *const c_char,
    /// Arguments, NULL at the end.
    pub(super) argv: *const *const c_char,
    /// `/bin/sh`, a slot for the path, the arguments from 1 on, NULL.
    pub(super) shell_argv: *mut *const c_char,
    /// Environment, NULL at the end.
    pub(super) envp: *const *const c_char,
    /// The three standard descriptors.
    pub(super) stdio: [RawSource; 3],
    /// What it sets of itself.
    pub(super) identity: RawIdentity,
    /// What the child does instead of executing a program, if the count is not 0.
    pub(super) calls: *const RawCall,
    /// How many calls.
    pub(super) call_count: usize,
    /// The signals that the host ignores, signal 1 in the lowest bit.
    pub(super) ignored: u64,
    /// The signals that may not have their default disposition when it begins, signal 1 in the
    /// lowest bit.
    pub(super) not_default: u64,
    /// Whether the descriptor table is still the host's own (CLONE_FILES).
    pub(super) shares_files: bool,
    /// Whether the kernel has close_range.
    pub(super) has_close_range: bool,
    /// The host's pid, when the child is to get TERM as soon as the thread that starts it has
    /// ended; 0: it is not.
    pub(super) ends_with: c_int,
}
