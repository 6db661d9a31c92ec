//! The contexts' files: written before a container's commands run, removed after its cleanup, and
//! made right later where that was not possible.
//!
//! A host that has no descriptors for a moment, or a directory that does not answer for a while,
//! must not cost a container the context that the next agent needs, nor leave one for ever. Which
//! of both a file is to be follows from whether its container is known, so no more is kept of a
//! failure than the ID.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;

use crate::container::ContainerId;
use crate::escape::one_line;
use crate::reactor::Backoff;

use super::Inner;
use super::context::Context;

/// First and longest pause before files are tried again.
const PAUSES: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
/// How often a file is tried again: for about a quarter of an hour.
const ATTEMPTS: u32 = 20;
/// Files that wait for that. More are left as they are: a missing one costs its container the
/// context when the agent is restarted, one too many is removed then.
const MOST: usize = 4096;

/// The files that are not as they should be.
#[derive(Debug, Default)]
pub(super) struct Unsettled(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// By the container's text, with how often each was tried again.
    files: BTreeMap<Arc<str>, (ContainerId, u32)>,
    /// Whether a task looks after them.
    looked_after: bool,
}

impl Unsettled {
    /// Adds a file if there is room; whether a task has to be started.
    fn add(&self, id: &ContainerId) -> bool {
        let mut state = self.0.lock();
        if state.files.len() >= MOST {
            return false;
        }
        state.files.entry(id.text.clone()).or_insert_with(|| (id.clone(), 0));
        !std::mem::replace(&mut state.looked_after, true)
    }

    fn all(&self) -> Vec<ContainerId> {
        self.0.lock().files.values().map(|(id, _)| id.clone()).collect()
    }

    /// What became of another attempt; one that has failed too often is given up.
    fn tried(&self, id: &ContainerId, done: bool) {
        let mut state = self.0.lock();
        let Some((_, attempts)) = state.files.get_mut(&id.text) else { return };
        *attempts += 1;
        if done || *attempts >= ATTEMPTS {
            state.files.remove(&id.text);
        }
    }

    /// Whether none is left. The task then ends, and the next file starts another.
    fn is_over(&self) -> bool {
        let mut state = self.0.lock();
        state.looked_after = !state.files.is_empty();
        !state.looked_after
    }
}

impl Inner {
    /// Writes a context to disk, and goes on with `then`, also when that is not possible.
    pub(super) fn keep_file(
        self: &Arc<Self>,
        context: Arc<Context>,
        then: impl FnOnce() + Send + 'static,
    ) {
        if !self.store.may_hang() {
            self.kept(&context.id, self.store.write(&context.id, context.config()));
            return then();
        }
        let inner = self.clone();
        self.commands.runner.handle().spawn(async move {
            inner.kept(&context.id, inner.write(&context).await);
            then();
        });
    }

    /// Removes a context from disk, and goes on with `then`, also when that is not possible.
    pub(super) fn forget_file(
        self: &Arc<Self>,
        id: ContainerId,
        then: impl FnOnce() + Send + 'static,
    ) {
        if !self.store.may_hang() {
            self.forgotten(&id, self.store.remove(&id));
            return then();
        }
        let inner = self.clone();
        self.commands.runner.handle().spawn(async move {
            inner.forgotten(&id, inner.store.remove_by_child(&id).await);
            then();
        });
    }

    fn kept(self: &Arc<Self>, id: &ContainerId, written: io::Result<()>) {
        let Err(error) = written else { return };
        let text = format!(
            "the context of container {} is kept in memory only: '{}' cannot be written: {error}",
            id.text,
            self.store.path(id).display()
        );
        tracing::warn!("{}", one_line(&text));
        self.settle_later(id, &error);
    }

    fn forgotten(self: &Arc<Self>, id: &ContainerId, removed: io::Result<()>) {
        let Err(error) = removed else { return };
        let path = self.store.path(id);
        let text = format!("context '{}' cannot be removed: {error}", path.display());
        tracing::warn!("{}", one_line(&text));
        self.settle_later(id, &error);
    }

    async fn write(&self, context: &Context) -> io::Result<()> {
        if self.store.may_hang() {
            self.store.write_by_child(&context.id, context.config().into()).await
        } else {
            self.store.write(&context.id, context.config())
        }
    }

    async fn remove(&self, id: &ContainerId) -> io::Result<()> {
        if self.store.may_hang() {
            self.store.remove_by_child(id).await
        } else {
            self.store.remove(id)
        }
    }

    fn settle_later(self: &Arc<Self>, id: &ContainerId, error: &io::Error) {
        // An ID that is no file name will never be one.
        if error.kind() != io::ErrorKind::InvalidInput && self.unsettled.add(id) {
            self.commands.runner.handle().spawn(settle(Arc::downgrade(self)));
        }
    }

    /// Makes a container's file what it has to be now.
    async fn settle_file(&self, id: &ContainerId) -> io::Result<()> {
        if let Some(context) = self.context(&id.wire) {
            self.write(&context).await?;
        }
        // Not known, or cleaned up while it was written.
        if self.context(&id.wire).is_none() {
            self.remove(id).await?;
        }
        Ok(())
    }
}

/// Tries the files again until none is left, or the instance is gone: the next one's recover
/// looks at what is there.
async fn settle(instance: Weak<Inner>) {
    let mut pauses = PAUSES;
    let mut settled = 0;
    loop {
        tokio::time::sleep(pauses.pause()).await;
        let Some(ids) = instance.upgrade().map(|inner| inner.unsettled.all()) else { return };
        for id in ids {
            // Held for one file at a time, so that this keeps no instance alive.
            let Some(inner) = instance.upgrade() else { return };
            let done = inner.settle_file(&id).await.is_ok();
            inner.unsettled.tried(&id, done);
            settled += u32::from(done);
        }
        let Some(inner) = instance.upgrade() else { return };
        if inner.unsettled.is_over() {
            tracing::info!(
                "{settled} contexts in '{}' that could not be written or removed are now",
                inner.store.place().display()
            );
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::tests::wire;

    fn id(name: &str) -> ContainerId {
        ContainerId::from_wire(&wire(&[name])).expect("an ID")
    }

    #[test]
    fn one_task_looks_after_all_files_until_none_is_left() {
        let unsettled = Unsettled::default();
        assert!(unsettled.add(&id("a")), "a task has to be started");
        assert!(!unsettled.add(&id("b")), "there is one");
        assert!(!unsettled.add(&id("a")));
        assert_eq!(unsettled.all(), [id("a"), id("b")]);
        unsettled.tried(&id("a"), true);
        assert!(!unsettled.is_over());
        unsettled.tried(&id("b"), true);
        assert!(unsettled.is_over());
        assert!(unsettled.add(&id("a")), "the task has ended");
    }

    #[test]
    fn files_are_given_up_after_so_many_attempts_and_their_number_is_bounded() {
        let unsettled = Unsettled::default();
        for number in 0..=MOST {
            unsettled.add(&id(&number.to_string()));
        }
        assert_eq!(unsettled.all().len(), MOST);
        let first = &unsettled.all()[0];
        for _ in 0..ATTEMPTS {
            assert_eq!(&unsettled.all()[0], first);
            unsettled.tried(first, false);
        }
        assert_ne!(&unsettled.all()[0], first);
    }
}
