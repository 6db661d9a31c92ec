//! The one bridge between the C++ shim and Rust.
//!
//! Only bytes, numbers and opaque handles cross. Every Rust function body here is one [`guard`]:
//! no panic reaches C++. Every C++ function is `noexcept`: no exception reaches Rust.
//!
//! Ownership and threads:
//! * inputs are borrowed for the duration of a call; Rust keeps no reference into them;
//! * instances belong to C++ and live as long as the host's module object;
//! * a [`Completion`](ffi::Completion) belongs to whoever will answer, may move between threads,
//!   and answers at most once; dropped without an answer it resolves the host's future itself in
//!   the way that harms least (watch: leaves it pending).

#![expect(unsafe_code, reason = "cxx declares foreign items")]
#![expect(unreachable_pub, reason = "cxx makes everything in the bridge pub")]

use std::pin::Pin;

use cxx::UniquePtr;
use mesos_command::call::{Answer, Completion};
use mesos_command::escape::one_line;
use mesos_command::event::{Event, FailureAnswer, ModuleKind};
use mesos_command::hook::Hook;
use mesos_command::isolator::Isolator;

use crate::convert::read_inputs;
use crate::guard::guard;
use crate::messages::{self, read_parameters};
use crate::{exit, host, log};

#[cxx::bridge(namespace = "mesos_command::shim")]
pub(crate) mod ffi {
    /// How an [`Input`] is to be read; the names are those of the engine's `InputValue`.
    enum InputKind {
        Absent,
        Message,
        Messages,
        Integer,
        Text,
        TextMap,
        ScalarMap,
    }

    /// An element of a list or map: `value` for messages, `key` with `value` for strings, `key`
    /// with `number` for numbers.
    struct Item<'a> {
        key: &'a [u8],
        value: &'a [u8],
        number: f64,
    }

    /// One input of an event.
    struct Input<'a> {
        kind: InputKind,
        bytes: &'a [u8],
        integer: i64,
        items: &'a [Item<'a>],
    }

    /// The kinds of the engine's `Answer`.
    enum AnswerKind {
        Nothing,
        Message,
        Failure,
    }

    /// How a future is resolved when nobody answers: after a panic, an exception, or an engine
    /// that dropped the call.
    enum Fallback {
        /// A failure.
        Fail,
        /// Success without a value, or with an empty one.
        Ready,
        /// Not at all.
        Pending,
    }

    /// Answer of a synchronous hook: bytes of the message or text of the failure.
    struct HookAnswer {
        kind: AnswerKind,
        bytes: Vec<u8>,
    }

    extern "Rust" {
        type HookInstance;
        type IsolatorInstance;

        /// Takes over what is read from the host once: its release, and the files of its schema
        /// as the `value` of each item.
        fn install_host(version: &[u8], files: &[Item]);

        /// The fallback of an event: its default failure answer.
        fn fallback(event: u8) -> Fallback;

        /// Creates an instance from a serialised `mesos.Parameters`. The error is one line.
        /// `never_called` has a bit for each event that this host does not have.
        fn create_hook(parameters: &[u8], never_called: u32) -> Result<Box<HookInstance>>;
        fn create_isolator(parameters: &[u8]) -> Result<Box<IsolatorInstance>>;

        /// A bit for each event that has a command, at the event's number.
        fn hook_events(hook: &HookInstance) -> u32;

        /// Blocks until the answer is known.
        fn call_hook(hook: &HookInstance, event: u8, inputs: &[Input]) -> HookAnswer;

        /// Returns at once.
        fn call_hook_async(
            hook: &HookInstance,
            event: u8,
            inputs: &[Input],
            completion: UniquePtr<Completion>,
        );

        /// The name in a serialised `mesos.Resource`, for error texts.
        fn resource_name(resource: &[u8]) -> String;

        fn supports_nesting(isolator: &IsolatorInstance) -> bool;
        fn supports_standalone(isolator: &IsolatorInstance) -> bool;

        /// Gives a fresh value of usage or status to `sink`; false when there is none and the
        /// call is still to be made.
        fn cached(
            isolator: &IsolatorInstance,
            event: u8,
            container_id: &[u8],
            sink: Pin<&mut Sink>,
        ) -> bool;

        /// Returns at once.
        fn call_isolator(
            isolator: &IsolatorInstance,
            event: u8,
            inputs: &[Input],
            completion: UniquePtr<Completion>,
        );
    }

    unsafe extern "C++" {
        include!("mesos-command-modules/abi/lifetime.hpp");
        include!("mesos-command-modules/shim/completion.hpp");
        include!("mesos-command-modules/shim/log.hpp");

        /// Resolves one future of the host.
        type Completion;

        /// Makes a ready future of an answer that is known at once.
        type Sink;

        /// Takes the answer.
        fn take(self: Pin<&mut Sink>, bytes: &[u8]);

        /// Answers. May run continuations of the host and methods of other modules on this thread.
        fn complete(self: Pin<&mut Completion>, kind: AnswerKind, bytes: &[u8]);

        /// Whether the host has taken down libprocess.
        #[namespace = "mesos_command::abi"]
        fn host_is_finalized() -> bool;

        /// To be called while the host calls us.
        #[namespace = "mesos_command::abi"]
        fn note_host_is_up();

        /// Writes a line to the host's log. `file` ends with a zero byte.
        fn log_line(severity: u8, file: &[u8], line: u32, text: &[u8]);
    }
}

// SAFETY: a Completion holds a shared pointer to a libprocess future and plain data. The future's
// block is guarded by its own lock and its reference count is atomic, so it may be completed or
// dropped from any thread; only one thread at a time holds the Completion itself.
unsafe impl Send for ffi::Completion {}

/// A hook as C++ holds it.
pub(crate) struct HookInstance(Hook);

/// An isolator as C++ holds it. The option is empty only while it is being dropped.
pub(crate) struct IsolatorInstance(Option<Isolator>);

impl Drop for IsolatorInstance {
    fn drop(&mut self) {
        let isolator = self.0.take();
        guard("dropping an isolator", move || {
            let _dropped = isolator;
        })
        .unwrap_or_default();
    }
}

fn install_host(version: &[u8], files: &[ffi::Item<'_>]) {
    guard("reading the host's schema", || {
        log::install();
        let files = files.iter().map(|file| file.value.to_vec()).collect();
        host::install(&String::from_utf8_lossy(version), files);
    })
    .unwrap_or_default();
}

fn fallback(event: u8) -> ffi::Fallback {
    match Event::from_index(event).map(|event| event.row().failure) {
        None | Some(FailureAnswer::Fail) => ffi::Fallback::Fail,
        Some(FailureAnswer::Ignore | FailureAnswer::LastGood) => ffi::Fallback::Ready,
        Some(FailureAnswer::KeepWatching) => ffi::Fallback::Pending,
    }
}

fn create_hook(parameters: &[u8], never_called: u32) -> Result<Box<HookInstance>, String> {
    guard("creating a hook", || {
        let parameters = read_parameters(parameters)?;
        let hook = Hook::create(&parameters).map_err(|error| error.to_string())?;
        let is_unknown = |event: &Event| never_called >> *event as u32 & 1 != 0;
        hook.warn_of_never_called(Event::of_kind(ModuleKind::Hook).filter(is_unknown));
        exit::prepare();
        Ok(Box::new(HookInstance(hook)))
    })
    .unwrap_or_else(|panic| Err(panic.to_string()))
}

fn create_isolator(parameters: &[u8]) -> Result<Box<IsolatorInstance>, String> {
    guard("creating an isolator", || {
        let parameters = read_parameters(parameters)?;
        let isolator = Isolator::create(&parameters).map_err(|error| error.to_string())?;
        exit::prepare();
        Ok(Box::new(IsolatorInstance(Some(isolator))))
    })
    .unwrap_or_else(|panic| Err(panic.to_string()))
}

fn hook_events(hook: &HookInstance) -> u32 {
    guard("listing a hook's events", || {
        Event::of_kind(ModuleKind::Hook)
            .filter(|event| hook.0.handles(*event))
            .fold(0, |events, event| events | 1 << event as u32)
    })
    .unwrap_or_default()
}

fn call_hook(hook: &HookInstance, event: u8, inputs: &[ffi::Input<'_>]) -> ffi::HookAnswer {
    let answer = guard("running a hook", || match Event::from_index(event) {
        Some(event) => hook.0.call(event, &read_inputs(inputs)),
        None => Answer::Failure(format!("there is no event {event}")),
    });
    match answer.unwrap_or_else(|panic| Answer::Failure(panic.to_string())) {
        Answer::Nothing => ffi::HookAnswer { kind: ffi::AnswerKind::Nothing, bytes: Vec::new() },
        Answer::Message(bytes) => {
            ffi::HookAnswer { kind: ffi::AnswerKind::Message, bytes: bytes.to_vec() }
        }
        Answer::Failure(text) => {
            let bytes = one_line(&text).into_owned().into_bytes();
            ffi::HookAnswer { kind: ffi::AnswerKind::Failure, bytes }
        }
    }
}

/// A completion of the host's. Dropped unused, it drops the C++ object, which falls back.
///
/// When the host has taken down libprocess it is neither used nor dropped, but kept for ever: what
/// continues there would reach for what is gone. Isolators are deleted before that, and their
/// completions are held back by the engine from then on; hooks are never told. (The instant between
/// the look and the continuation is not closed for them: a hook that is asynchronous has to end
/// just then.)
struct Held(UniquePtr<ffi::Completion>);

impl Held {
    fn take(&mut self) -> Option<UniquePtr<ffi::Completion>> {
        let completion = std::mem::replace(&mut self.0, UniquePtr::null());
        if ffi::host_is_finalized() {
            std::mem::forget(completion);
            return None;
        }
        Some(completion)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.take());
    }
}

/// The engine's completion.
fn into_completion(completion: UniquePtr<ffi::Completion>) -> Completion {
    ffi::note_host_is_up();
    let mut held = Held(completion);
    Box::new(move |answer| {
        let mut completion = held.take();
        if let Some(completion) = completion.as_mut().and_then(UniquePtr::as_mut) {
            match &answer {
                Answer::Nothing => completion.complete(ffi::AnswerKind::Nothing, &[]),
                Answer::Message(bytes) => completion.complete(ffi::AnswerKind::Message, bytes),
                Answer::Failure(text) => {
                    completion.complete(ffi::AnswerKind::Failure, one_line(text).as_bytes());
                }
            }
        }
    })
}

fn call_hook_async(
    hook: &HookInstance,
    event: u8,
    inputs: &[ffi::Input<'_>],
    completion: UniquePtr<ffi::Completion>,
) {
    guard("starting a hook", || {
        if let Some(event) = Event::from_index(event) {
            hook.0.call_async(event, &read_inputs(inputs), into_completion(completion));
        }
    })
    .unwrap_or_default();
}

fn resource_name(resource: &[u8]) -> String {
    guard("reading a resource's name", || messages::name(resource)).unwrap_or_default()
}

fn supports_nesting(isolator: &IsolatorInstance) -> bool {
    guard("reading an isolator's parameters", || {
        isolator.0.as_ref().is_some_and(Isolator::supports_nesting)
    })
    .unwrap_or(true)
}

fn supports_standalone(isolator: &IsolatorInstance) -> bool {
    guard("reading an isolator's parameters", || {
        isolator.0.as_ref().is_some_and(Isolator::supports_standalone)
    })
    .unwrap_or(false)
}

fn cached(
    isolator: &IsolatorInstance,
    event: u8,
    container_id: &[u8],
    sink: Pin<&mut ffi::Sink>,
) -> bool {
    let value = guard("reading a cached value", || {
        isolator.0.as_ref()?.cached(Event::from_index(event)?, container_id)
    });
    match value {
        Ok(Some(value)) => {
            sink.take(&value);
            true
        }
        _ => false,
    }
}

fn call_isolator(
    isolator: &IsolatorInstance,
    event: u8,
    inputs: &[ffi::Input<'_>],
    completion: UniquePtr<ffi::Completion>,
) {
    guard("starting an isolator method", || {
        if let (Some(event), Some(isolator)) = (Event::from_index(event), &isolator.0) {
            isolator.call(event, &read_inputs(inputs), into_completion(completion));
        }
    })
    .unwrap_or_default();
}
