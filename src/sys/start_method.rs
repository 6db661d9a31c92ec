//! How commands are started: chosen by the operator, for the process, once.

use std::ffi::OsString;
use std::fmt;
use std::sync::OnceLock;

/// The environment variable of the host that chooses.
pub const START_METHOD_VARIABLE: &str = "MESOS_COMMAND_SPAWN";

/// A way to start commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartMethod {
    /// A child of our own making, which shares the host's memory until it executes the command: the
    /// thread that starts it waits for nothing.
    #[default]
    Clone,
    /// `posix_spawn` of the C library: the thread that starts a command waits until it is executed.
    PosixSpawn,
}

impl StartMethod {
    /// All of them; the first is the default.
    pub const ALL: [StartMethod; 2] = [StartMethod::Clone, StartMethod::PosixSpawn];

    /// The value of the variable, and the label of the metric.
    pub const fn label(self) -> &'static str {
        match self {
            StartMethod::Clone => "clone",
            StartMethod::PosixSpawn => "posix_spawn",
        }
    }

    fn parse(value: Option<OsString>) -> Result<StartMethod, StartMethodError> {
        let Some(value) = value.filter(|it| !it.is_empty()) else {
            return Ok(StartMethod::default());
        };
        let named = StartMethod::ALL.into_iter().find(|method| value == method.label());
        named.ok_or(StartMethodError::Unknown(value))
    }
}

impl fmt::Display for StartMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// Why commands cannot be started as the environment asks; the text is one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartMethodError {
    /// The variable has another value than those.
    #[error(
        "environment variable {START_METHOD_VARIABLE} has the value {0:?}, which is no way to start \
         commands; accepted are 'clone' (the default) and 'posix_spawn': set one of them, or unset \
         the variable"
    )]
    Unknown(OsString),
    /// `posix_spawn` of this C library forks.
    #[error(
        "environment variable {START_METHOD_VARIABLE} has the value 'posix_spawn', which needs \
         glibc 2.24 or newer: that of glibc {0} copies the memory of the agent for each command; \
         set 'clone', or unset the variable"
    )]
    Copies(String),
}

/// How commands are started in this process: as its environment said when this was called first,
/// which an instance does when it is created.
///
/// # Errors
/// When that is no way to start them here. The default holds then, should it be tried.
pub fn start_method() -> Result<StartMethod, StartMethodError> {
    static METHOD: OnceLock<Result<StartMethod, StartMethodError>> = OnceLock::new();
    let choose = || {
        let method = StartMethod::parse(std::env::var_os(START_METHOD_VARIABLE))?;
        match super::posix_spawn::copying_library() {
            Some(version) if method == StartMethod::PosixSpawn => {
                Err(StartMethodError::Copies(version))
            }
            _ => Ok(method),
        }
    };
    METHOD.get_or_init(choose).clone()
}

/// Whether children are programs alone, because `posix_spawn` starts them. There is no code of ours
/// that a child runs then.
pub(crate) fn children_are_programs() -> bool {
    start_method() == Ok(StartMethod::PosixSpawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_names_a_method_or_is_refused() {
        let parse = |value: &str| StartMethod::parse(Some(value.into()));
        assert_eq!(StartMethod::parse(None), Ok(StartMethod::Clone));
        assert_eq!(parse(""), Ok(StartMethod::Clone));
        for method in StartMethod::ALL {
            assert_eq!(parse(method.label()), Ok(method));
        }
        for value in ["fork", "Clone", " clone", "posix-spawn", "a\nb"] {
            let text = parse(value).expect_err(value).to_string();
            assert!(text.contains("MESOS_COMMAND_SPAWN") && !text.contains('\n'), "{text}");
            assert!(StartMethod::ALL.iter().all(|it| text.contains(it.label())), "{text}");
        }
    }
}
