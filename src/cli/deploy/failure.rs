//! Why a host was not served: closed kinds, each with what to do.

use serde::Serialize;

use crate::{PROBLEMS, UNKNOWN};

/// What went wrong; the names are those of the JSON output, and of `steps.sh`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// There is no ssh client here.
    NoSsh,
    /// The host does not answer.
    Unreachable,
    /// It does not let this user in.
    NoLogin,
    /// Its key is not the known one.
    HostKey,
    /// A step took too long.
    Timeout,
    /// `sudo` asks for a password, or refuses.
    NoSudo,
    /// It lacks a program that the steps need.
    NoProgram,
    /// It has a processor that the library is not for.
    OtherMachine,
    NoPermission,
    NoSpace,
    ReadOnly,
    /// The directory is mounted without `exec`.
    Noexec,
    /// What arrived is not what was sent.
    Checksum,
    /// The tool does not run there.
    NoTool,
    /// It was not found where its libmesos is.
    NoLibmesos,
    /// It was not found what its agent is configured with.
    NoConfiguration,
    /// `inspect` says no, or does not know.
    DoesNotFit,
    /// `check` finds errors.
    CheckFailed,
    /// The library was changed by another between two steps.
    Changed,
    /// There is nothing to go back to.
    NothingKept,
    /// No service of an agent was found.
    NoService,
    /// The service is not up after a restart.
    NotActive,
    /// Something else, in the words of the host.
    Other,
}

/// All of them: `steps.sh` says them by name.
const ALL: [Kind; 23] = [
    Kind::NoSsh,
    Kind::Unreachable,
    Kind::NoLogin,
    Kind::HostKey,
    Kind::Timeout,
    Kind::NoSudo,
    Kind::NoProgram,
    Kind::OtherMachine,
    Kind::NoPermission,
    Kind::NoSpace,
    Kind::ReadOnly,
    Kind::Noexec,
    Kind::Checksum,
    Kind::NoTool,
    Kind::NoLibmesos,
    Kind::NoConfiguration,
    Kind::DoesNotFit,
    Kind::CheckFailed,
    Kind::Changed,
    Kind::NothingKept,
    Kind::NoService,
    Kind::NotActive,
    Kind::Other,
];

impl Kind {
    /// As JSON and `steps.sh` have it.
    pub(super) fn name(self) -> String {
        serde_json::to_value(self)
            .ok()
            .and_then(|it| it.as_str().map(str::to_owned))
            .unwrap_or_default()
    }

    /// The kind of this name.
    pub(super) fn named(name: &str) -> Kind {
        ALL.into_iter().find(|kind| kind.name() == name).unwrap_or(Kind::Other)
    }

    /// What can be done.
    const fn advice(self) -> &'static str {
        match self {
            Kind::NoSsh => "install OpenSSH's client, or name another with --ssh",
            Kind::Unreachable => {
                "try `ssh HOST true`; -o and ~/.ssh/config have ports, addresses and jump hosts"
            }
            Kind::NoLogin => "try `ssh HOST true`; -o IdentityFile=KEY names a key",
            Kind::HostKey => {
                "compare the key with the host's, then let `ssh HOST true` take it over"
            }
            Kind::Timeout => "look at what hangs there; --timeout SECONDS allows more",
            Kind::NoSudo => "let that user run `sudo -n sh` and `sudo -n dd`, or log in as root",
            Kind::NoProgram => "install it there; all are of coreutils",
            Kind::OtherMachine => "build the library and the tool for that processor",
            Kind::NoPermission => "log in as root, or with a user who may use sudo and --sudo",
            Kind::NoSpace => "make room there, or keep fewer old libraries (--keep)",
            Kind::ReadOnly => "name another directory with --modules-dir, and in the modules file",
            Kind::Noexec => {
                "no library can be loaded from there: name another directory with --modules-dir, \
                 and in the modules file"
            }
            Kind::Checksum => "try again; when it stays so, look at that disk and that connection",
            Kind::NoTool => {
                "name a tool that was built on a system as old as that host with --tool FILE"
            }
            Kind::NoLibmesos => "name it with --libmesos FILE",
            Kind::NoConfiguration => {
                "name it with --from DIRECTORY or --modules VALUE; --no-check for a host that has \
                 none yet"
            }
            Kind::DoesNotFit => "nothing was changed there; docs/hosts.md says what is supported",
            Kind::CheckFailed => {
                "nothing was changed there; mend what is shown, or look at another \
                 configuration with --from or --modules"
            }
            Kind::Changed => {
                "nothing was changed there; see who else installs libraries, and try again"
            }
            Kind::NothingKept => {
                "name another library in the modules file, or take the modules out of the flags"
            }
            Kind::NoService => {
                "restart the agent as that host does, or name its unit with --service"
            }
            Kind::NotActive => {
                "look at the agent's log there; `mesos-command deploy --rollback` goes back"
            }
            Kind::Other => "see what the host says",
        }
    }
}

/// Why a step failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    /// One line.
    pub(super) text: String,
}

impl Failure {
    pub(super) fn new(kind: Kind, text: impl Into<String>) -> Failure {
        Failure { kind, text: text.into() }
    }

    /// What to do.
    pub(super) fn advice(&self, host: &str) -> String {
        self.kind.advice().replace("HOST", host)
    }

    /// Whether the host could be asked at all decides over the exit status.
    pub(super) const fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::NoSsh | Kind::Unreachable | Kind::NoLogin | Kind::HostKey | Kind::Timeout => {
                UNKNOWN
            }
            _ => PROBLEMS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_that_a_host_reports_is_known() {
        let steps = include_str!("steps.sh");
        let mut kinds = 0;
        for (at, _) in steps.match_indices("failed ") {
            let rest = &steps[at + "failed ".len()..];
            let name = rest.split([' ', '\n']).next().unwrap_or_default();
            // Calls of the function, not its own text and not comments.
            if !name.starts_with(|first: char| first.is_ascii_lowercase())
                || !rest.starts_with(&format!("{name} \""))
            {
                continue;
            }
            kinds += 1;
            assert_eq!(Kind::named(name).name(), name);
        }
        assert!(kinds > 10, "{kinds}");
    }

    #[test]
    fn an_unknown_kind_is_other() {
        assert_eq!(Kind::named("no-such"), Kind::Other);
    }
}
