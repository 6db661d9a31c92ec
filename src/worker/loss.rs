//! Why a worker cannot be used any more, and the checks of what it says.

use super::protocol::{ENVELOPE, Reply, shown};

/// Why a worker cannot be used any more.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// It ended by itself.
    Ended,
    /// It broke the protocol; continues "the worker …".
    Protocol(String),
    /// It did not answer by the deadline.
    Timeout,
    /// It sent a longer line than is accepted; what was seen of it.
    TooLarge(u64),
    /// The pool is being dropped and it did not answer within the grace period.
    Stopped,
}

/// Why there is no answer.
pub(super) struct Failure {
    pub(super) loss: Loss,
    /// Whether the worker cannot have seen the request.
    pub(super) unsent: bool,
}

/// What stops an exchange.
pub(super) enum Broken {
    /// The worker closed this, for reasons that take a moment to find out.
    Closed(&'static str),
    /// The worker is lost.
    Lost(Loss),
}

impl From<Loss> for Broken {
    fn from(loss: Loss) -> Broken {
        Broken::Lost(loss)
    }
}

/// Takes the line out of what was heard, if it is complete (what is before `from` has no line's
/// end), and nothing follows it.
pub(super) fn complete(
    heard: &mut Vec<u8>,
    from: usize,
    all_written: bool,
    max_output: usize,
) -> Result<Option<Vec<u8>>, Loss> {
    let longest = max_output.saturating_add(ENVELOPE);
    let Some(end) = memchr::memchr(b'\n', &heard[from..]).map(|at| from + at) else {
        let length = heard.len();
        return if length > longest { Err(Loss::TooLarge(length as u64)) } else { Ok(None) };
    };
    if !all_written {
        let said = shown(heard);
        return Err(Loss::Protocol(format!("said {said} before it had read its request")));
    }
    if end > longest {
        return Err(Loss::TooLarge(end as u64));
    }
    if heard.len() > end + 1 {
        let said = shown(&heard[end + 1..]);
        return Err(Loss::Protocol(format!(
            "said {said} after its answer; did it print to stdout?"
        )));
    }
    let mut line = std::mem::take(heard);
    line.truncate(end);
    Ok(Some(line))
}

/// Refuses an output that is too large.
pub(super) fn check_size(reply: Reply, max_output: usize) -> Result<Reply, Loss> {
    match &reply {
        Reply::Output(output) if output.len() > max_output => {
            Err(Loss::TooLarge(output.len() as u64))
        }
        _ => Ok(reply),
    }
}
