//! What a command was allowed to leave running: the note on its cgroup.
//!
//! The note is an extended attribute of the directory, so that it is made in one step and outlives
//! this process. It says the policy, the module instance and the container.

use std::io;
use std::path::Path;

use rustix::fs::{XattrFlags, getxattr, setxattr};

/// Only a process with `CAP_SYS_ADMIN` sees it.
const ATTRIBUTE: &str = "trusted.mesos_command.kept";
/// A module name and the names of a container and its parents.
const MOST_BYTES: usize = 4096;

/// How long processes may run that a successful command left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// As long as they like.
    TheirEnd,
    /// Until their container was cleaned up.
    Cleanup,
}

/// The note on a cgroup whose processes may run on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) until: Until,
    pub(super) module: String,
    /// Empty when the command ran for none.
    pub(super) container: String,
}

impl Kept {
    fn to_text(&self) -> String {
        let until = match self.until {
            Until::TheirEnd => "keep",
            Until::Cleanup => "container",
        };
        // Neither name contains a NUL byte.
        format!("{until}\0{}\0{}", self.module, self.container)
    }

    fn parse(text: &[u8]) -> Option<Kept> {
        let mut parts = std::str::from_utf8(text).ok()?.split('\0');
        let until = match parts.next()? {
            "keep" => Until::TheirEnd,
            "container" => Until::Cleanup,
            _ => return None,
        };
        let (module, container) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        Some(Kept { until, module, container })
    }

    /// Puts the note on a cgroup.
    pub(super) fn put(&self, directory: &Path) -> io::Result<()> {
        setxattr(directory, ATTRIBUTE, self.to_text().as_bytes(), XattrFlags::empty())?;
        Ok(())
    }

    /// The note of a cgroup, if it has one. A note that cannot be read is taken for one that says
    /// to let everything run.
    pub(super) fn of(directory: &Path) -> Option<Kept> {
        let mut text = [0; MOST_BYTES];
        let unknown =
            || Kept { until: Until::TheirEnd, module: String::new(), container: String::new() };
        match getxattr(directory, ATTRIBUTE, &mut text[..]) {
            Ok(length) => Some(Kept::parse(&text[..length]).unwrap_or_else(unknown)),
            Err(rustix::io::Errno::NODATA) => None,
            Err(_) => Some(unknown()),
        }
    }
}

/// Whether cgroups of this hierarchy can carry notes; `directory` is one that carries none.
pub(super) fn can_be_put(directory: &Path) -> io::Result<()> {
    setxattr(directory, ATTRIBUTE, b"", XattrFlags::empty())?;
    rustix::fs::removexattr(directory, ATTRIBUTE)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written() {
        for until in [Until::TheirEnd, Until::Cleanup] {
            let kept = Kept { until, module: "m".to_owned(), container: "a.b".to_owned() };
            assert_eq!(Kept::parse(kept.to_text().as_bytes()), Some(kept));
        }
        for other in [&b""[..], b"keep", b"later\0m\0c", b"keep\0\xff\0c"] {
            assert_eq!(Kept::parse(other), None);
        }
    }
}
