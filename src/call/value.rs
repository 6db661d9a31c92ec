//! The values that cross between a host adapter and the engine.

use std::sync::Arc;

/// One value of an event's input, in the order of the row's keys.
#[derive(Clone, Debug)]
pub enum InputValue<'a> {
    /// An optional value that the host did not give.
    Absent,
    /// Serialised message of the type that the row names.
    Message(&'a [u8]),
    /// Serialised messages of the type that the row names.
    Messages(Vec<&'a [u8]>),
    /// A number.
    Integer(i64),
    /// A string; bytes, because the host does not promise UTF-8.
    Text(&'a [u8]),
    /// Key and value of each entry.
    TextMap(Vec<(&'a [u8], &'a [u8])>),
    /// Key and number of each entry; the number may be infinite.
    ScalarMap(Vec<(&'a [u8], f64)>),
}

/// The answer for the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Success without a value: `None()` or `Nothing()`, whichever the method returns. For usage
    /// and status, which must return a message: an empty message.
    Nothing,
    /// Success with a serialised message of the row's output type (its carrier, for a list).
    ///
    /// Shared, because one cached value answers many calls.
    Message(Arc<[u8]>),
    /// `Error` from a synchronous hook, a failed future otherwise.
    Failure(String),
}

/// Receives the answer once at most, on the calling thread when it is known at once, else on a
/// completion thread of ours; it may call back into Mesos there. It is never called after the end
/// of its instance, and not for a watch that found nothing; then the host's future stays pending.
pub type Completion = Box<dyn FnOnce(Answer) + Send>;
