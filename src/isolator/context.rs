//! What the module knows of a container.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::cache::{Flight, Slot};
use crate::call::Completion;
use crate::container::{ContainerId, Wire};
use crate::event::Event;
use crate::reactor::CancelToken;
use crate::staging::SealedInput;
use crate::staging::{Input, IoMode};

use super::drain::Drain;

/// A caller of usage or status that waits for a run, and since when.
pub(crate) struct Waiter {
    pub(crate) done: Completion,
    pub(crate) since: std::time::Instant,
}

impl std::fmt::Debug for Waiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiter").field("since", &self.since).finish_non_exhaustive()
    }
}

/// A container between prepare (or recover) and cleanup.
///
/// What a hit reads lies together and in this order: the key, the slot's lock, its value. With
/// thousands of containers a hit is waits for memory, and these 96 bytes are two cache lines of it.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Context {
    /// Its identity.
    pub(crate) id: ContainerId,
    /// The cached usage.
    usage: Slot<Waiter>,
    /// The input of prepare, usage, status, watch and cleanup, rendered once:
    /// `{"container_config":…,"container_id":…}`.
    pub(crate) input: Arc<[u8]>,
    /// Where in `input` the container's config is.
    config: Range<usize>,
    /// `input` as a sealed memfd, if it is one of the few that are kept.
    sealed: OnceLock<Option<Kept>>,
    /// The events whose commands are not run for it, decided once.
    pub(crate) skips: Skips,
    /// Whether the last batch's answer left it out, which is logged once.
    pub(crate) left_out: AtomicBool,
    /// The cached status.
    status: Slot<Waiter>,
    /// Withdraws the watch and sampling runs.
    pub(crate) cancel: CancelToken,
    /// The runs that cleanup waits for.
    pub(crate) drain: Arc<Drain>,
}

impl Context {
    /// `id_json` and `config_json` are the JSON texts of the container's ID and config; `cancel` is
    /// a token of its own.
    pub(crate) fn new(
        id: ContainerId,
        id_json: &[u8],
        config_json: &[u8],
        skips: Skips,
        cancel: CancelToken,
    ) -> Context {
        const CONFIG: &[u8] = b"{\"container_config\":";
        let input = [CONFIG, config_json, b",\"container_id\":", id_json, b"}"].concat();
        // Any spread will do: containers that start together are to be refreshed apart.
        let seed = id.wire.iter().fold(17u32, |hash, byte| hash.rotate_left(5) ^ u32::from(*byte));
        Context {
            id,
            input: input.into(),
            config: CONFIG.len()..CONFIG.len() + config_json.len(),
            sealed: OnceLock::new(),
            skips,
            left_out: AtomicBool::new(false),
            usage: Slot::new(seed),
            status: Slot::new(seed.rotate_left(16)),
            cancel,
            drain: Arc::new(Drain::default()),
        }
    }

    /// The cached value of usage, or else of status.
    pub(crate) fn slot(&self, event: Event) -> &Slot<Waiter> {
        if event == Event::Usage { &self.usage } else { &self.status }
    }

    /// The JSON text of the container's config.
    pub(crate) fn config(&self) -> &[u8] {
        &self.input[self.config.clone()]
    }

    /// The input for a run with this `io`: with a kept memfd when that is of use and there is a
    /// place for it, else the text.
    pub(crate) fn input_for(&self, io: IoMode, places: &Arc<MemfdBudget>) -> Input {
        if io == IoMode::Files {
            return Input::Text(self.input.clone());
        }
        let kept = self.sealed.get_or_init(|| {
            let place = places.take()?;
            let sealed = Arc::new(SealedInput::of(self.input.clone()).ok()?);
            Some(Kept { sealed, _place: place })
        });
        match kept {
            Some(kept) => Input::Sealed(kept.sealed.clone()),
            None => Input::Text(self.input.clone()),
        }
    }
}

/// Events whose commands are not run for a container: by their conditions, or all of them
/// (`skip_debug_containers`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Skips(u32);

const _: () = assert!(Event::ALL.len() <= u32::BITS as usize, "an event is a bit");

impl Skips {
    /// Every event.
    pub(crate) const ALL: Skips = Skips(u32::MAX);

    /// With one more.
    pub(crate) const fn and(self, event: Event) -> Skips {
        Skips(self.0 | 1 << event as u32)
    }

    /// Whether the command of `event` is not run.
    pub(crate) const fn has(self, event: Event) -> bool {
        self.0 & 1 << event as u32 != 0
    }
}

/// A context as a member of the set that finds it by its container's serialised ID.
#[derive(Debug)]
pub(crate) struct ById(pub(crate) Arc<Context>);

impl ById {
    fn wire(&self) -> &Wire {
        &self.0.id.wire
    }
}

impl Borrow<[u8]> for ById {
    fn borrow(&self) -> &[u8] {
        self.wire()
    }
}

impl Hash for ById {
    fn hash<S: Hasher>(&self, state: &mut S) {
        self.wire().hash(state);
    }
}

impl PartialEq for ById {
    fn eq(&self, other: &ById) -> bool {
        self.wire() == other.wire()
    }
}

impl Eq for ById {}

/// The value of usage or status that a flight is to bring.
#[derive(Clone, Debug)]
pub(crate) struct Sampled {
    pub(crate) context: Arc<Context>,
    pub(crate) event: Event,
}

impl AsRef<Slot<Waiter>> for Sampled {
    fn as_ref(&self) -> &Slot<Waiter> {
        self.context.slot(self.event)
    }
}

/// A run under way for one container's usage or status.
pub(crate) type Sampling = Flight<Waiter, Sampled>;

/// How many more inputs may be kept as memfds: each takes one of the agent's file descriptors for
/// as long as its container lives.
#[derive(Debug)]
pub(crate) struct MemfdBudget(AtomicUsize);

/// A place that was taken; given back when dropped.
#[derive(Debug)]
struct MemfdPermit(Arc<MemfdBudget>);

#[derive(Debug)]
struct Kept {
    sealed: Arc<SealedInput>,
    _place: MemfdPermit,
}

impl MemfdBudget {
    pub(crate) fn new(places: usize) -> Arc<MemfdBudget> {
        Arc::new(MemfdBudget(AtomicUsize::new(places)))
    }

    fn take(self: &Arc<Self>) -> Option<MemfdPermit> {
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        taken.is_ok().then(|| MemfdPermit(self.clone()))
    }
}

impl Drop for MemfdPermit {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        let id = ContainerId { wire: Wire::new(), text: "c".into() };
        let config = br#"{"directory":"/x"}"#;
        Context::new(id, br#"{"value":"c"}"#, config, Skips::default(), CancelToken::new())
    }

    #[test]
    fn the_input_is_rendered_once_and_holds_the_config() {
        let context = context();
        let input = br#"{"container_config":{"directory":"/x"},"container_id":{"value":"c"}}"#;
        assert_eq!(&*context.input, input);
        assert_eq!(context.config(), br#"{"directory":"/x"}"#);
    }

    #[test]
    fn only_so_many_inputs_are_kept_and_places_come_back() {
        let places = MemfdBudget::new(1);
        let sealed = |context: &Context| {
            matches!(context.input_for(IoMode::SharedStdin, &places), Input::Sealed(_))
        };
        let (first, second) = (context(), context());
        assert!(sealed(&first) && sealed(&first), "kept for its later runs");
        assert!(!sealed(&second));
        drop(first);
        let third = context();
        assert!(matches!(third.input_for(IoMode::Files, &places), Input::Text(_)));
        assert!(sealed(&third));
    }
}
