//! How calls and runs end, as closed sets.
//!
//! Every call ends in exactly one [`OutcomeKind`], and each is one value of the `outcome` label of
//! `mesos_command_calls_total`, so that the sum over the label equals the calls made. The sets are
//! closed on purpose: a metric label must never carry an error text or a container. Labels are
//! stable, because operators' dashboards and alerts depend on them.

/// Defines an enum, its list of all variants and the label value of each.
macro_rules! label_set {
    (
        $(#[$outer:meta])*
        pub enum $name:ident { $( $(#[$inner:meta])* $variant:ident => $label:literal, )+ }
    ) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $name { $( $(#[$inner])* $variant, )+ }

        impl $name {
            /// All values, in the order of their discriminants.
            pub const ALL: [$name; [$($label),+].len()] = [$($name::$variant),+];

            /// The label value.
            pub const fn label(self) -> &'static str {
                match self { $($name::$variant => $label,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.label())
            }
        }
    };
}

label_set! {
    /// The kind of end that a call had.
    pub enum OutcomeKind {
        /// The command exited with 0 and its answer was usable (or a cached answer served).
        Ok => "ok",
        /// The command exited with another code.
        Exit => "exit",
        /// A signal that we did not send ended the command.
        Signal => "signal",
        /// The deadline passed; the command and its tree were ended.
        Timeout => "timeout",
        /// The call was withdrawn, for example because its container is being cleaned up.
        Cancelled => "cancelled",
        /// The command could not be started.
        SpawnError => "spawn_error",
        /// It failed, and its processes had taken more than `<event>_memory_max`: the kernel ended
        /// some of them.
        Oom => "oom",
        /// The output file outgrew `max_output_bytes`.
        OutputTooLarge => "output_too_large",
        /// The output was no regular file, no JSON, or not of the event's shape.
        InvalidOutput => "invalid_output",
        /// A worker broke its protocol.
        WorkerProtocol => "worker_protocol",
        /// The sampling lane was full.
        Overload => "overload",
        /// Somebody else in the process collected the exit status.
        StatusLost => "status_lost",
        /// The command outlived SIGKILL (uninterruptible in the kernel).
        Unkillable => "unkillable",
        /// Its condition (`<event>_when`) does not hold: the command is not run.
        Skipped => "skipped",
    }
}

label_set! {
    /// Why something failed: the `reason` label of `mesos_command_failures_total`.
    ///
    /// The failing [`OutcomeKind`]s, some of them split where the remedy differs. A failure is
    /// counted once, where it happens: by the run that failed, or by the call when it failed
    /// without a run. Calls that joined a failed run are failed calls but no further failures.
    pub enum FailureReason {
        /// The command exited with a code other than 0, 126 and 127.
        Exit => "exit",
        /// The command exited with 126 or 127: a shell or wrapper in it did not find, or may not
        /// execute, what it was told to run.
        ExitNotRunnable => "exit_not_runnable",
        /// A signal that we did not send ended the command; SIGKILL apart.
        Signal => "signal",
        /// A SIGKILL that we did not send ended the command: often the kernel, out of memory.
        SignalKill => "signal_kill",
        /// The command failed, and its processes had taken more than `<event>_memory_max`.
        Oom => "oom",
        /// The deadline passed while the command ran.
        Timeout => "timeout",
        /// The deadline passed before the command was started.
        TimeoutQueued => "timeout_queued",
        /// The command's file, or the interpreter that it names, does not exist.
        CommandMissing => "command_missing",
        /// The command's file, or the interpreter that it names, may not be executed.
        CommandDenied => "command_denied",
        /// The kernel had no process, memory or file descriptor left for the command.
        SpawnResources => "spawn_resources",
        /// The command could not be started for any other reason.
        SpawnError => "spawn_error",
        /// The command's input could not be rendered or its files not be made; or the call itself
        /// made no sense, such as a second prepare of one container.
        InputError => "input_error",
        /// The output outgrew `max_output_bytes`.
        OutputTooLarge => "output_too_large",
        /// The output was no regular file, no JSON, or not of the event's shape.
        InvalidOutput => "invalid_output",
        /// The output was well-formed, but Mesos would end the agent or the container over it.
        RefusedOutput => "refused_output",
        /// A worker answered with an error text of its own.
        WorkerError => "worker_error",
        /// No worker was up, and `<event>_fallback=fail` kept the command from being run.
        WorkerDown => "worker_down",
        /// A worker broke its protocol.
        WorkerProtocol => "worker_protocol",
        /// The sampling lane was full.
        Overload => "overload",
        /// The command timed out several times in a row and is only probed: answered at once.
        Suspended => "suspended",
        /// Somebody else in the process collected the exit status.
        StatusLost => "status_lost",
        /// The command outlived SIGKILL.
        Unkillable => "unkillable",
        /// An operator has killed the call, through the control socket.
        Killed => "killed",
        /// Too many commands hang in the kernel, or this one does for this container: it was not
        /// started.
        QuarantineFull => "quarantine_full",
        /// The module knows nothing of the container (it was enabled later, or lost its state).
        NoContext => "no_context",
        /// A panic in the module, caught at the boundary.
        Panic => "panic",
    }
}

impl FailureReason {
    /// The reason of an outcome about which nothing finer is known; `None` for those that are no
    /// failure: ok, cancelled and skipped.
    pub const fn of(outcome: OutcomeKind) -> Option<FailureReason> {
        Some(match outcome {
            OutcomeKind::Ok | OutcomeKind::Cancelled | OutcomeKind::Skipped => return None,
            OutcomeKind::Exit => FailureReason::Exit,
            OutcomeKind::Signal => FailureReason::Signal,
            OutcomeKind::Timeout => FailureReason::Timeout,
            OutcomeKind::SpawnError => FailureReason::SpawnError,
            OutcomeKind::Oom => FailureReason::Oom,
            OutcomeKind::OutputTooLarge => FailureReason::OutputTooLarge,
            OutcomeKind::InvalidOutput => FailureReason::InvalidOutput,
            OutcomeKind::WorkerProtocol => FailureReason::WorkerProtocol,
            OutcomeKind::Overload => FailureReason::Overload,
            OutcomeKind::StatusLost => FailureReason::StatusLost,
            OutcomeKind::Unkillable => FailureReason::Unkillable,
        })
    }
}

label_set! {
    /// How the usage cache answered: the `result` label of
    /// `mesos_command_usage_cache_requests_total`.
    pub enum CacheResult {
        /// A fresh value.
        Hit => "hit",
        /// A fresh value that was refreshed ahead of the request.
        Ahead => "ahead",
        /// An expired value, while a refresh runs or because refreshing failed.
        Stale => "stale",
        /// Nothing usable: this request started a run.
        Miss => "miss",
        /// Nothing usable, but a run was under way: this request waits for it.
        Joined => "joined",
    }
}

label_set! {
    /// What became of a value that was refreshed ahead of requests: the `result` label of
    /// `mesos_command_usage_refreshes_ahead_total`.
    pub enum AheadResult {
        /// It was asked for while it was fresh.
        Used => "used",
        /// It was not.
        Wasted => "wasted",
    }
}

label_set! {
    /// How a shadow command compared: the `result` label of `mesos_command_shadow_total`.
    pub enum ShadowResult {
        /// Its answer is the command's, or both failed in the same way.
        Same => "same",
        /// Its answer is another one, or it succeeded where the command failed.
        Different => "different",
        /// It failed where the command did not.
        Failed => "failed",
        /// It was not run, or withdrawn: too many others ran or waited.
        Dropped => "dropped",
    }
}

label_set! {
    /// A signal that we send to a process group: the `signal` label of
    /// `mesos_command_kills_total`.
    pub enum KillSignal {
        /// SIGTERM, the first step.
        Term => "term",
        /// SIGKILL, after the grace period or at once.
        Kill => "kill",
    }
}

label_set! {
    /// Why a worker was started again: the `reason` label of
    /// `mesos_command_worker_restarts_total`.
    pub enum WorkerRestart {
        /// It ended by itself.
        Exit => "exit",
        /// It could not be started.
        SpawnError => "spawn_error",
        /// It did not say that it was ready.
        Handshake => "handshake",
        /// It broke the protocol.
        Protocol => "protocol",
        /// It missed a deadline.
        Timeout => "timeout",
        /// An answer outgrew `max_output_bytes`.
        OutputTooLarge => "output_too_large",
        /// The command's file changed.
        CommandChanged => "command_changed",
        /// It was well, and due to be replaced: by its requests, its age or its size.
        Recycled => "recycled",
        /// An operator has killed the call that it worked on.
        Killed => "killed",
    }
}

label_set! {
    /// How the process of a call began whose event has `<event>_mode=warm`: the `start` label of
    /// `mesos_command_warm_starts_total`.
    pub enum WarmStart {
        /// It was forked from the interpreter that is started already.
        Warm => "warm",
        /// The script or what it stands on had changed, so it was executed anew in that process.
        Changed => "changed",
        /// No process stood ready, so the command was started as without warm mode.
        Plain => "plain",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn label_values_differ_and_are_plain_words() {
        let sets: [Vec<&str>; 8] = [
            OutcomeKind::ALL.map(OutcomeKind::label).to_vec(),
            FailureReason::ALL.map(FailureReason::label).to_vec(),
            CacheResult::ALL.map(CacheResult::label).to_vec(),
            AheadResult::ALL.map(AheadResult::label).to_vec(),
            ShadowResult::ALL.map(ShadowResult::label).to_vec(),
            KillSignal::ALL.map(KillSignal::label).to_vec(),
            WorkerRestart::ALL.map(WorkerRestart::label).to_vec(),
            WarmStart::ALL.map(WarmStart::label).to_vec(),
        ];
        for set in sets {
            assert_eq!(set.iter().collect::<BTreeSet<_>>().len(), set.len());
            for value in set {
                assert!(value.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{value}");
            }
        }
    }

    #[test]
    fn every_failing_outcome_is_a_reason_of_the_same_name() {
        for outcome in OutcomeKind::ALL {
            match FailureReason::of(outcome) {
                Some(reason) => assert_eq!(reason.label(), outcome.label()),
                None => assert!(matches!(
                    outcome,
                    OutcomeKind::Ok | OutcomeKind::Cancelled | OutcomeKind::Skipped
                )),
            }
        }
    }

    #[test]
    fn lists_are_in_discriminant_order() {
        for (index, kind) in OutcomeKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
        }
        for (index, reason) in FailureReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
        for (index, reason) in WorkerRestart::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
    }
}
