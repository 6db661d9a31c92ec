//! Why a worker cannot be used any more.

use crate::outcome::WorkerRestart;

/// Why a worker cannot be used any more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It ended by itself.
    Ended,
    /// It closed this pipe: mostly because it is about to end, which the supervisor finds out.
    Closed(&'static str),
    /// It broke the protocol; continues "the worker …".
    Protocol(String),
    /// Of several requests at a time, it answered one that it was not asked or had answered, so
    /// that those which it has may have nothing to do with it; continues "the worker …".
    Stray(String),
    /// It did not answer by the deadline.
    Timeout,
    /// It was sent a cancel, and did not answer that request within the grace period.
    CancelIgnored,
    /// It sent a longer line than is accepted; how many bytes were seen of it.
    TooLarge(u64),
    /// The pool is being dropped, and it did not answer within the grace period.
    Stopped,
    /// An operator has killed the call that it worked on.
    Killed,
}

impl Fault {
    /// Whether the worker did it of itself, so that it may have nothing to do with a request that
    /// it has not seen.
    pub(super) fn is_its_own(&self) -> bool {
        matches!(self, Fault::Ended | Fault::Closed(_) | Fault::Protocol(_) | Fault::Stray(_))
    }

    /// What happened, continuing "the worker …".
    pub(crate) fn describe(&self) -> String {
        match self {
            Fault::Ended => "ended".to_owned(),
            Fault::Closed(pipe) => format!("closed its {pipe}"),
            Fault::Protocol(what) | Fault::Stray(what) => what.clone(),
            Fault::Timeout => "did not answer in time".to_owned(),
            Fault::CancelIgnored => {
                "did not answer a request that was cancelled within kill_grace".to_owned()
            }
            Fault::TooLarge(size) => format!("sent {size} bytes of a line"),
            Fault::Stopped => "was stopped".to_owned(),
            Fault::Killed => "was ended with a call that an operator has killed".to_owned(),
        }
    }

    /// As what a restart after it is counted.
    pub(super) fn restart(&self) -> WorkerRestart {
        match self {
            Fault::Ended | Fault::Stopped => WorkerRestart::Exit,
            Fault::Killed => WorkerRestart::Killed,
            Fault::Closed(_) | Fault::Protocol(_) | Fault::Stray(_) => WorkerRestart::Protocol,
            Fault::Timeout | Fault::CancelIgnored => WorkerRestart::Timeout,
            Fault::TooLarge(_) => WorkerRestart::OutputTooLarge,
        }
    }
}
