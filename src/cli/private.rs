//! The tool's own place: what an instance that the tool creates uses instead of the agent's.

use std::fs::{DirBuilder, File, Metadata, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use mesos_command::config::modules_file::ModuleEntry;
use mesos_command::config::{Parameter, Place, keys};
use nix::fcntl::{Flock, FlockArg};

use crate::interrupt;

/// Name of the private directory; agents look for `mesos-command.<pid>…` and leave it alone.
const NAME: &str = "mesos-command-tool.XXXXXX";
/// Below where cgroups are made the tool has its own place: who starts below an agent's ends what
/// dead agents have left there.
const CGROUP_ROOT: &str = "mesos-command-tool";
/// A directory younger than this is left alone when those of dead tools are removed.
const YOUNG: Duration = Duration::from_secs(60);

/// What of the agent's a key names.
fn place(key: &str) -> Option<Place> {
    keys::parameter(key)?.0.place
}

/// Whether a key gives a command a user of its own.
pub(crate) fn is_user(key: &str) -> bool {
    keys::parameter(key).is_some_and(|(row, _)| row.name == "<event>_user")
}

/// The directories that an instance needs, by their parameters. The tool has its own of each, of
/// the parameter's name.
fn directories() -> impl Iterator<Item = &'static str> {
    let is_directory = |row: &&Parameter| row.place == Some(Place::Directory);
    keys::parameters().filter(is_directory).map(|row| row.name)
}

/// What may be used of the agent's because the command line names it.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Told {
    /// Serve `metrics_address` and write `metrics_textfile` as the modules file says; otherwise
    /// neither is touched, because an agent may be using them
    #[arg(long)]
    pub(crate) with_metrics: bool,
    /// Keep contexts in this directory and leave them there; otherwise they are kept in a private
    /// directory that goes away with the tool. Never name a running agent's: its contexts would be
    /// written and removed
    #[arg(long)]
    pub(crate) state_dir: Option<PathBuf>,
}

/// A new directory that only this user may enter, removed at the end, also after a signal.
pub(crate) struct Private {
    path: PathBuf,
    /// Held while the tool lives, so that another one knows.
    _lock: Option<Flock<File>>,
}

impl Private {
    /// Makes it where an agent would make its own: in memory if possible.
    ///
    /// # Errors
    /// When there is no place where it can be made.
    pub(crate) fn new() -> anyhow::Result<Private> {
        let mut failures = Vec::new();
        for parent in mesos_command::staging::automatic_parents() {
            sweep(&parent);
            match nix::unistd::mkdtemp(&parent.join(NAME)) {
                Err(error) => failures.push(format!("{}: {error}", parent.display())),
                Ok(path) => {
                    interrupt::remove_at_end(&path);
                    let private = Private { _lock: lock(&path), path };
                    for name in directories() {
                        let directory = private.path.join(name);
                        DirBuilder::new()
                            .mode(0o700)
                            .create(&directory)
                            .with_context(|| format!("'{}' cannot be made", directory.display()))?;
                    }
                    return Ok(private);
                }
            }
        }
        bail!("no private directory can be made: {}", failures.join("; "))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The parameters of an entry with what belongs to the agent replaced or left out.
    pub(crate) fn parameters(&self, entry: &ModuleEntry, told: &Told) -> Vec<(String, String)> {
        if entry.parameters.iter().any(|(key, _)| is_user(key)) {
            self.let_through();
        }
        let kept = |key: &str| match place(key) {
            // What it answers would be seen by nobody; `call --diff` is for that.
            None if key.ends_with("_shadow_command") => false,
            // It is what the command line names, and ends with it.
            None if key == "reload" => false,
            None => true,
            Some(place) => place == Place::Metrics && told.with_metrics,
        };
        let mut parameters: Vec<_> =
            entry.parameters.iter().filter(|(key, _)| kept(key)).cloned().collect();
        parameters.push(("cgroup_root".to_owned(), CGROUP_ROOT.to_owned()));
        // One that asks for an agent must not find the tool.
        parameters.push(("control_socket".to_owned(), "none".to_owned()));
        parameters.push(("keep_failures".to_owned(), "0".to_owned()));
        for key in directories() {
            let given = told.state_dir.as_ref().filter(|_| key == "state_dir");
            let given = given.map(|path| std::path::absolute(path).unwrap_or(path.clone()));
            let directory = given.unwrap_or_else(|| self.path.join(key));
            parameters.push((key.to_owned(), directory.to_string_lossy().into_owned()));
        }
        parameters
    }
}

impl Private {
    /// Lets other users get to the directories of their calls, and see nothing else. What cannot be
    /// changed is told when an instance is created.
    fn let_through(&self) {
        for path in [self.path.clone(), self.path.join("temp_dir")] {
            let _ = std::fs::set_permissions(path, Permissions::from_mode(0o711));
        }
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        interrupt::remove_now(&self.path);
    }
}

fn lock(directory: &Path) -> Option<Flock<File>> {
    Flock::lock(File::open(directory).ok()?, FlockArg::LockExclusiveNonblock).ok()
}

/// Removes what tools left in `parent` that were killed: nobody can clean up after SIGKILL at once.
/// Best effort.
fn sweep(parent: &Path) {
    let Ok(entries) = std::fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let prefix = NAME.trim_end_matches('X');
        let named = entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix));
        let own = |it: &Metadata| it.is_dir() && it.uid() == nix::unistd::geteuid().as_raw();
        // One that was made just now may not be locked yet.
        let old =
            |it: &Metadata| it.modified().is_ok_and(|at| at.elapsed().is_ok_and(|age| age > YOUNG));
        if named
            && entry.metadata().is_ok_and(|it| own(&it) && old(&it))
            && let Some(_lock) = lock(&entry.path())
        {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesos_command::event::ModuleKind;

    /// A parameter that names a file, a directory, a socket or an address is the agent's.
    #[test]
    fn every_parameter_that_names_a_place_says_so_in_its_row() {
        const PLACES: [&str; 7] =
            ["_dir", "_address", "_textfile", "_socket", "_log", "_file", "_path"];
        for row in keys::parameters() {
            if PLACES.iter().any(|place| row.name.ends_with(place)) {
                assert!(row.place.is_some(), "{}", row.name);
            }
        }
        assert_eq!(directories().collect::<Vec<_>>(), ["state_dir", "temp_dir"]);
    }

    #[test]
    fn what_belongs_to_the_agent_is_replaced_or_left_out() {
        let private = Private::new().expect("a directory");
        let mode = std::fs::metadata(private.path()).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let given = [
            ("module_name", "m"),
            ("state_dir", "/var/run/mesos"),
            ("temp_dir", "/run"),
            ("cgroup_root", "mesos-command"),
            ("metrics_address", "0.0.0.0:9464"),
            ("metrics_textfile", "/var/lib/x.prom"),
            ("control_socket", "/run/agent.sock"),
            ("call_log", "/var/log/calls"),
        ];
        let given = given.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
        let entry =
            ModuleEntry { symbol: String::new(), kind: ModuleKind::Hook, parameters: given };
        let keys = |parameters: &[(String, String)]| -> Vec<String> {
            parameters.iter().map(|(key, _)| key.clone()).collect()
        };
        let own = private.parameters(&entry, &Told::default());
        let replaced = ["cgroup_root", "control_socket", "keep_failures", "state_dir", "temp_dir"];
        assert_eq!(keys(&own), [&["module_name"][..], &replaced].concat());
        let values: Vec<_> = own[1..4].iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, [CGROUP_ROOT, "none", "0"]);
        assert!(own[4..].iter().all(|(_, path)| Path::new(path).starts_with(private.path())));
        let told = Told { with_metrics: true, state_dir: Some("/x".into()) };
        let own = private.parameters(&entry, &told);
        assert!(keys(&own).contains(&"metrics_address".to_owned()));
        assert!(own.contains(&("state_dir".to_owned(), "/x".to_owned())));
        let with_user = |entry: &ModuleEntry| {
            let mut entry = entry.clone();
            entry.parameters.push(("isolator_usage_user".to_owned(), "nobody".to_owned()));
            private.parameters(&entry, &told);
        };
        with_user(&entry);
        let mode =
            |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(private.path()), 0o711);
        assert_eq!(mode(&private.path().join("temp_dir")), 0o711);
        assert_eq!(mode(&private.path().join("state_dir")), 0o700, "contexts are the agent's");
        let path = private.path().to_owned();
        drop(private);
        assert!(!path.exists());
    }

    #[test]
    fn directories_of_tools_that_were_killed_are_removed_and_others_are_left() {
        let parent = tempfile::tempdir().expect("a directory");
        let make = |name: &str, age: Duration| {
            let path = parent.path().join(name);
            std::fs::create_dir(&path).expect("a directory");
            std::fs::write(path.join("secret"), "x").expect("a file");
            let modified = std::time::SystemTime::now() - age;
            File::open(&path).and_then(|it| it.set_modified(modified)).expect("its time");
            path
        };
        let hour = Duration::from_secs(3600);
        let dead = make("mesos-command-tool.aaaaaa", hour);
        let young = make("mesos-command-tool.bbbbbb", Duration::ZERO);
        let alive = make("mesos-command-tool.cccccc", hour);
        let agents = make("mesos-command.999999999.1", hour);
        let _held = lock(&alive).expect("a lock");
        sweep(parent.path());
        assert!(!dead.exists());
        assert!(young.exists() && alive.exists() && agents.exists());
    }
}
