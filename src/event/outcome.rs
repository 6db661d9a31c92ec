//! How a call ended, as a closed set.
//!
//! Every call ends in exactly one of these, and each is one value of the `outcome` label of
//! `mesos_command_calls_total`, so that the sum over the label equals the calls made. The set is
//! closed on purpose: a metric label must never carry an error text or a container.

/// The kind of end that a call had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum OutcomeKind {
    /// The command exited with 0 and its answer was usable (or a cached answer served).
    Ok,
    /// The command exited with another code.
    Exit,
    /// A signal that we did not send ended the command.
    Signal,
    /// The deadline passed; the command and its tree were ended.
    Timeout,
    /// The call was withdrawn, for example because its container is being cleaned up.
    Cancelled,
    /// The command could not be started.
    SpawnError,
    /// The output file outgrew `max_output_bytes`.
    OutputTooLarge,
    /// The output was no regular file, no JSON, or not of the event's shape.
    InvalidOutput,
    /// A worker broke its protocol.
    WorkerProtocol,
    /// The sampling lane was full.
    Overload,
    /// Somebody else in the process collected the exit status.
    StatusLost,
    /// The command outlived SIGKILL (uninterruptible in the kernel).
    Unkillable,
}

impl OutcomeKind {
    /// All kinds, in the order of their discriminants.
    pub const ALL: [OutcomeKind; 12] = [
        OutcomeKind::Ok,
        OutcomeKind::Exit,
        OutcomeKind::Signal,
        OutcomeKind::Timeout,
        OutcomeKind::Cancelled,
        OutcomeKind::SpawnError,
        OutcomeKind::OutputTooLarge,
        OutcomeKind::InvalidOutput,
        OutcomeKind::WorkerProtocol,
        OutcomeKind::Overload,
        OutcomeKind::StatusLost,
        OutcomeKind::Unkillable,
    ];

    /// The label value: stable, lower case.
    pub const fn label(self) -> &'static str {
        match self {
            OutcomeKind::Ok => "ok",
            OutcomeKind::Exit => "exit",
            OutcomeKind::Signal => "signal",
            OutcomeKind::Timeout => "timeout",
            OutcomeKind::Cancelled => "cancelled",
            OutcomeKind::SpawnError => "spawn_error",
            OutcomeKind::OutputTooLarge => "output_too_large",
            OutcomeKind::InvalidOutput => "invalid_output",
            OutcomeKind::WorkerProtocol => "worker_protocol",
            OutcomeKind::Overload => "overload",
            OutcomeKind::StatusLost => "status_lost",
            OutcomeKind::Unkillable => "unkillable",
        }
    }
}

impl std::fmt::Display for OutcomeKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.label())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_discriminant_order_and_its_labels_differ() {
        for (index, kind) in OutcomeKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
        }
        let labels: std::collections::BTreeSet<_> =
            OutcomeKind::ALL.into_iter().map(OutcomeKind::label).collect();
        assert_eq!(labels.len(), OutcomeKind::ALL.len());
    }
}
