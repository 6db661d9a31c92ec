//! Contexts of this agent whose containers are gone: an agent that ended while it cleaned up leaves
//! them, and its next start deals with them.

use std::fs;
use std::time::SystemTime;

use super::owner::is_container_name;
use super::{Store, read_regular};
use crate::container::TEMPORARY_PREFIX;

/// Files that are looked at when lost contexts are searched for, and lost contexts that one start
/// deals with; the next start goes on.
const MOST_ENTRIES: usize = 100_000;
const MOST_LOST: usize = 1_000;

/// A context of this agent whose container is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::isolator) struct Lost {
    /// The container, and the file's name.
    pub(in crate::isolator) name: String,
    /// The JSON text of its config, as Mesos's own messages are written.
    pub(in crate::isolator) config: Vec<u8>,
}

impl Store {
    /// The contexts whose container `is_known` does not know, that are older than `before`, and of
    /// which `ours` makes something, because they are certainly this agent's. None at all while
    /// another process has the directory. Half-written files of dead processes are removed.
    pub(in crate::isolator) fn lost(
        &self,
        before: SystemTime,
        is_known: impl Fn(&str) -> bool,
        ours: impl Fn(&[u8]) -> Option<Vec<u8>>,
    ) -> Vec<Lost> {
        let search = || self.search(before, is_known, ours);
        self.directory().if_alone(search).unwrap_or_default()
    }

    fn search(
        &self,
        before: SystemTime,
        is_known: impl Fn(&str) -> bool,
        ours: impl Fn(&[u8]) -> Option<Vec<u8>>,
    ) -> Vec<Lost> {
        let Ok(entries) = fs::read_dir(self.place()) else { return Vec::new() };
        let mut lost = Vec::new();
        for entry in entries.take(MOST_ENTRIES).flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let temporary = is_temporary(&name);
            let candidate = temporary || is_container_name(&name) && !is_known(&name);
            if !candidate || self.directory().is_held(&name) || !is_old_file(&entry, before) {
                continue;
            }
            if temporary {
                let _ = fs::remove_file(entry.path());
            } else if let Some(config) = read_regular(&entry.path()).ok().and_then(|t| ours(&t)) {
                lost.push(Lost { name, config });
                if lost.len() == MOST_LOST {
                    break;
                }
            }
        }
        lost.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        lost
    }

    /// Removes what [`lost`](Store::lost) found.
    pub(in crate::isolator) fn discard(&self, lost: &[Lost]) {
        for context in lost.iter().filter(|context| !self.directory().is_held(&context.name)) {
            let _ = fs::remove_file(self.place().join(&context.name));
        }
    }
}

/// Whether a file has a name that [`Store::write`] gives its temporary files.
fn is_temporary(name: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let rest = name.strip_prefix(TEMPORARY_PREFIX);
    rest.and_then(|rest| rest.split_once('-')).is_some_and(|(a, b)| number(a) && number(b))
}

fn is_old_file(entry: &fs::DirEntry, before: SystemTime) -> bool {
    let Ok(metadata) = entry.metadata() else { return false };
    metadata.is_file() && metadata.modified().is_ok_and(|modified| modified < before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::ContainerId;
    use crate::container::tests::wire;

    fn id(name: &str) -> ContainerId {
        ContainerId::from_wire(&wire(&[name])).expect("an ID")
    }

    const UUID: &str = "0b1f8a3c-3b7d-4d7e-9d0c-0123456789ab";

    /// Takes what mentions `ours` for a context of this agent.
    fn ours(text: &[u8]) -> Option<Vec<u8>> {
        text.windows(4).any(|part| part == b"ours").then(|| text.to_vec())
    }

    fn names(lost: &[Lost]) -> Vec<&str> {
        lost.iter().map(|context| context.name.as_str()).collect()
    }

    fn later() -> SystemTime {
        SystemTime::now() + std::time::Duration::from_secs(1)
    }

    #[test]
    fn only_old_contexts_of_our_own_unknown_containers_are_lost() {
        let root = tempfile::tempdir().expect("tempdir");
        let directory = root.path().join("m");
        fs::create_dir(&directory).expect("made");
        let child = format!("{UUID}.child");
        let write =
            |name: &str, text: &str| fs::write(directory.join(name), text).expect("written");
        write(UUID, "ours");
        write(&child, "ours");
        write("notes.txt", "ours");
        write(&UUID.replace('0', "1"), "theirs");
        write(".mcmd~12-3", "half");
        write(".mcmd~12-x", "half");
        let all = || fs::read_dir(&directory).expect("listed").count();
        let store = Store::new(root.path(), "m");
        assert_eq!(store.lost(SystemTime::UNIX_EPOCH, |_| false, ours), []);
        assert_eq!(all(), 6);
        let lost = store.lost(later(), |name| name == UUID, ours);
        assert_eq!(names(&lost), [&child]);
        assert_eq!(lost[0].config, b"ours");
        assert_eq!(all(), 5, "only the half-written one went");
        store.discard(&lost);
        assert!(!directory.join(&child).exists());
        store.claim(&id(UUID));
        assert_eq!(store.lost(later(), |_| false, ours), [], "an instance has it");
        assert_eq!(all(), 4);
    }

    #[test]
    fn nothing_is_lost_while_another_process_has_the_directory() {
        let root = tempfile::tempdir().expect("tempdir");
        let store = Store::new(root.path(), "m");
        store.write(&id(UUID), b"ours").expect("written");
        // What a restarted agent sees.
        drop(store);
        let store = Store::new(root.path(), "m");
        let directory = fs::File::open(root.path().join("m")).expect("there");
        let other = nix::fcntl::Flock::lock(directory, nix::fcntl::FlockArg::LockSharedNonblock);
        assert!(other.is_ok());
        assert_eq!(store.lost(later(), |_| false, ours), []);
        drop(other);
        assert_eq!(names(&store.lost(later(), |_| false, ours)), [UUID]);
    }
}
