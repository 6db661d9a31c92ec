//! The control socket: what an operator asks a running agent or master, and what they tell it.
//!
//! One Unix socket per process, with all instances behind it, served as the metrics are (same
//! thread, same bounds on connections, heads and time; `src/exporter`). Instances register
//! themselves; what they tell is gathered when somebody asks, and not before. Whoever may connect
//! may end commands, so that is root and the process's own user.
//!
//! * `address`: the parameter `control_socket`. `api`: paths, methods, their answers. `query`:
//!   what stands behind the `?`. `events`: finished calls, for those who follow them.
//!   `gather`: lists of several instances. `kept`: failed calls in files. `reload`: the way to what
//!   takes parameters from the modules file anew.

mod address;
mod api;
mod events;
pub(crate) mod gather;
mod kept;
mod query;
mod reload;

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;

use crate::event::{Event, ModuleKind};
use crate::exporter;

pub(crate) use events::{Told, are_followed, tell};
pub(crate) use kept::Keeper;
pub(crate) use reload::{ReloadAnswer, Reloader, set_reloader};

pub use kept::FAILURES;

pub use address::{ControlSocket, DEFAULT_DIRECTORY, DEFAULT_SOCKET};

/// Attempts to get the lock of the default directory, a millisecond apart: processes that start
/// together hold it for less than that each.
const ATTEMPTS: u32 = 100;
/// Sockets of the past that are looked at when one is made.
const MOST_DEAD: usize = 1024;

/// How long the end of a process waits for the last lines of call logs.
const LAST_LINES: Duration = Duration::from_millis(500);

/// Which containers are asked for, and how much of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// The one with this ID only.
    pub(crate) container: Option<String>,
    /// With context and value.
    pub(crate) whole: bool,
    /// How many at the most.
    pub(crate) most: usize,
}

/// Entries of a list, each with the number by which lists of several instances are merged.
pub(crate) type Entries = Vec<(u64, Value)>;

/// What the control socket asks of one instance of a module. Nothing of it may block, and none of
/// it may be slow for a caller of Mesos that comes meanwhile.
pub(crate) trait Instance: Send + Sync {
    /// Its `module_name`.
    fn module(&self) -> &str;
    /// Hook or isolator.
    fn kind(&self) -> ModuleKind;
    /// What it is and how it is.
    fn status(&self) -> Value;
    /// The oldest `most` requests that are not answered, and how many more there are.
    fn calls(&self, most: usize) -> (Entries, usize);
    /// The last failures.
    fn failures(&self) -> Entries;
    /// Containers, and how many more there are; `None` for one that has none.
    fn containers(&self, wanted: &Wanted) -> Option<(Vec<Value>, usize)>;
    /// Ends a request; what it is, if it is one of this instance.
    fn kill(&self, id: u64) -> Option<Value>;
    /// Whether inputs and outputs are logged from now on.
    fn set_debug(&self, on: bool);
    /// Ends the suspension of a hook; `None`: it has no command for the event, or no suspension.
    fn reset_breaker(&self, event: Event) -> Option<bool>;
}

static INSTANCES: Mutex<Vec<Weak<dyn Instance>>> = Mutex::new(Vec::new());

/// Makes an instance known for as long as it lives.
pub(crate) fn register(instance: &Arc<dyn Instance>) {
    let mut all = INSTANCES.lock();
    all.retain(|other| other.strong_count() > 0);
    all.push(Arc::downgrade(instance));
}

/// All that live, in the order in which they were created.
pub(crate) fn instances() -> Vec<Arc<dyn Instance>> {
    INSTANCES.lock().iter().filter_map(Weak::upgrade).collect()
}

/// Opens the socket that a parameter asks for, unless this process has it already. Never fails an
/// instance: what cannot be done is a warning. Blocks for the file system that it is on.
pub(crate) fn open(socket: &ControlSocket) {
    match socket {
        ControlSocket::Off => {}
        ControlSocket::At(path) => {
            if exporter::open_socket(path, &api::Api).is_err() {
                // Says why.
                exporter::open_socket_some_time(path, &api::Api);
            }
        }
        ControlSocket::Default => {
            static WARNED: AtomicBool = AtomicBool::new(false);
            let path = address::default_path();
            if let Err(error) = open_default(&path)
                && !WARNED.swap(true, Ordering::Relaxed)
            {
                tracing::warn!(
                    "the control socket '{}' cannot be made: {error}; it goes on without \
                     (`control_socket` names another place, or none)",
                    path.display()
                );
            }
        }
    }
}

/// What is served.
#[cfg(feature = "fuzz")]
pub(crate) fn site() -> &'static dyn exporter::Site {
    &api::Api
}

/// The process is about to end: removes its sockets, and waits a moment until the call logs are
/// written.
pub fn end() {
    exporter::remove_sockets();
    exporter::flush_line_files(LAST_LINES);
}

fn open_default(path: &Path) -> io::Result<()> {
    let directory = Path::new(DEFAULT_DIRECTORY);
    own_directory(directory)?;
    exporter::remove_dead_sockets(directory, MOST_DEAD);
    let mut attempt = 0;
    loop {
        attempt += 1;
        match exporter::open_socket(path, &api::Api) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && attempt < ATTEMPTS => {
                std::thread::sleep(Duration::from_millis(1));
            }
            result => return result,
        }
    }
}

/// Makes the directory, which only we may enter, if it is not there.
fn own_directory(path: &Path) -> io::Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        result => return result,
    }
    let found = std::fs::symlink_metadata(path)?;
    let own = nix::unistd::geteuid().as_raw();
    if !found.is_dir() || found.uid() != own || found.mode() & 0o077 != 0 {
        let text = format!("'{}' is no directory of mode 0700 of our user", path.display());
        return Err(io::Error::other(text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_a_directory_that_nobody_else_may_enter_is_used() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("d");
        own_directory(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        own_directory(&path).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o750)).unwrap();
        assert!(own_directory(&path).unwrap_err().to_string().contains("mode 0700"));
        let link = place.path().join("link");
        std::os::unix::fs::symlink(place.path(), &link).unwrap();
        own_directory(&link).unwrap_err();
    }
}
