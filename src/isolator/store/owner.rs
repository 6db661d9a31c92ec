//! Whether a context is certainly one of this agent.
//!
//! An agent's containers have their sandboxes below its work directory, and no two agents share
//! one. So a context whose sandbox is there was written for this agent, whoever else keeps files
//! in the same directory; of any other file nothing is known, and it is left alone.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// The agent's flag for its work directory (Mesos 1.11.0 `docs/configuration/agent.md`).
const FLAG: &[u8] = b"--work_dir=";
/// The same as a variable of its environment.
const VARIABLE: &str = "MESOS_WORK_DIR";
/// Length of a UUID's text.
const UUID_BYTES: usize = 36;

/// The work directories that are known to be this agent's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WorkDirectories(Vec<Vec<u8>>);

impl WorkDirectories {
    /// The directories that the command line or the environment of this process names.
    pub(crate) fn of_this_process() -> WorkDirectories {
        let command_line = std::fs::read("/proc/self/cmdline").unwrap_or_default();
        WorkDirectories::given(&command_line, std::env::var_os(VARIABLE).as_deref())
    }

    /// A flag goes before the variable, as in Mesos; a value that is no absolute path is ignored.
    pub(crate) fn given(command_line: &[u8], variable: Option<&OsStr>) -> WorkDirectories {
        let mut flags = command_line.split(|b| *b == 0).filter_map(|arg| arg.strip_prefix(FLAG));
        let given = flags.next_back().or(variable.map(OsStrExt::as_bytes));
        let mut known = WorkDirectories::default();
        known.add(given.unwrap_or_default());
        known
    }

    /// Learns from the sandbox of a container that belongs to this agent by Mesos's account:
    /// `<work_dir>/slaves/<id>/frameworks/<id>/executors/<id>/runs/<id>` (Mesos 1.11.0
    /// `src/slave/paths.hpp`).
    pub(crate) fn learn(&mut self, sandbox: &[u8]) {
        const LAYOUT: [&[u8]; 4] = [b"slaves", b"frameworks", b"executors", b"runs"];
        let parts: Vec<&[u8]> = sandbox.split(|byte| *byte == b'/').collect();
        let fits = |from: usize| {
            LAYOUT.iter().enumerate().all(|(n, name)| parts.get(from + 2 * n) == Some(name))
        };
        if let Some(from) = (0..parts.len()).find(|from| fits(*from)) {
            self.add(&parts[..from].join(&b'/'));
        }
    }

    fn add(&mut self, path: &[u8]) {
        let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
        let path = &path[..end];
        if path.first() == Some(&b'/') && !self.0.iter().any(|known| known == path) {
            self.0.push(path.to_vec());
        }
    }

    /// Whether a container with this sandbox is certainly of this agent.
    pub(crate) fn have(&self, sandbox: &[u8]) -> bool {
        self.0.iter().any(|directory| {
            sandbox.strip_prefix(directory.as_slice()).is_some_and(|rest| {
                rest.starts_with(b"/slaves/") || rest.starts_with(b"/containers/")
            })
        })
    }
}

/// Whether a file's name is certainly a container's ID: a UUID as Mesos makes them, and behind a
/// point the names of nested containers, which may be any.
pub(super) fn is_container_name(name: &str) -> bool {
    let mut parts = name.split('.');
    parts.next().is_some_and(is_uuid) && parts.all(|part| !part.is_empty())
}

fn is_uuid(text: &str) -> bool {
    text.len() == UUID_BYTES
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SANDBOX: &str = "/slaves/S0/frameworks/F/executors/E/runs/R";

    #[test]
    fn the_work_directory_is_told_by_flag_variable_or_a_sandbox() {
        let given = |line: &str, variable: Option<&str>| {
            WorkDirectories::given(line.as_bytes(), variable.map(OsStr::new))
        };
        let is =
            |known: &WorkDirectories, path: &str| known.have(format!("{path}/slaves/S").as_bytes());
        let flag = given("mesos-agent\0--work_dir=/var/lib/mesos/\0--master=x\0", Some("/other"));
        assert!(is(&flag, "/var/lib/mesos") && !is(&flag, "/other"));
        assert!(is(&given("mesos-agent\0", Some("/a")), "/a"));
        for nothing in
            [given("", None), given("x\0--work_dir=relative\0", None), given("", Some(""))]
        {
            assert_eq!(nothing, WorkDirectories::default());
        }
        let mut learnt = WorkDirectories::default();
        learnt.learn(format!("/slaves/work{SANDBOX}/containers/C").as_bytes());
        assert!(is(&learnt, "/slaves/work"));
        learnt.learn(b"/tmp/somewhere/else");
        learnt.learn(b"");
        assert_eq!(learnt.0.len(), 1);
    }

    #[test]
    fn only_sandboxes_of_the_own_work_directory_are_ours() {
        let mut own = WorkDirectories::default();
        assert!(!own.have(b"/work/slaves/S"), "nothing is known");
        own.add(b"/work");
        for ours in ["/work/slaves/S/frameworks", "/work/containers/standalone"] {
            assert!(own.have(ours.as_bytes()), "{ours}");
        }
        for other in ["/work2/slaves/S", "/work", "/work/second/slaves/S", "/x/work/slaves/S", ""] {
            assert!(!own.have(other.as_bytes()), "{other}");
        }
        own.add(b"/");
        assert!(!own.have(b"/work/second/slaves/S"));
    }

    #[test]
    fn only_uuids_name_containers() {
        let uuid = "0b1f8a3c-3b7d-4d7e-9d0c-0123456789ab";
        for name in [uuid.to_owned(), format!("{uuid}.check-1"), format!("{uuid}.{uuid}")] {
            assert!(is_container_name(&name), "{name}");
        }
        for name in ["", "notes.txt", "modules.json", "a.b", &format!("{uuid}."), &uuid[1..]] {
            assert!(!is_container_name(name), "{name}");
        }
    }
}
