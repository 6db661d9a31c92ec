//! Why an instance cannot be created.

use crate::config::ConfigError;
use crate::event::Event;
use crate::run::StartMethodError;

/// Why an instance cannot be created; the text is one line, for the log of the host.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// A parameter cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The environment asks for a way to start commands that there is not.
    #[error(transparent)]
    StartMethod(#[from] StartMethodError),
    /// The process has no room for our threads.
    #[error("the module's threads could not be started: {0}")]
    Threads(#[source] std::io::Error),
    /// There is no place for the private directories of calls.
    #[error("no private directory for calls can be made: {0}")]
    CallDirectory(#[source] std::io::Error),
    /// A level of containment is demanded that cannot be had.
    #[error("parameter '{parameter}' cannot have the value '{value}' here: {reason}")]
    Containment {
        /// The parameter.
        parameter: String,
        /// Its value.
        value: String,
        /// Why not, and what can be done.
        reason: String,
    },
    /// The user of a command cannot get to the private directories of its calls.
    #[error("parameter '{}_user' cannot be used: {error}", .event.row().prefix)]
    OutOfReach {
        /// The event.
        event: Event,
        /// Which directory it may not enter.
        #[source]
        error: std::io::Error,
    },
    /// The host's libmesos lacks a message type that a configured event passes on.
    #[error(
        "parameter '{}_command' cannot be used: this Mesos has no message '{message}'",
        .event.row().prefix
    )]
    EventMessage {
        /// The event.
        event: Event,
        /// Full name of the message.
        message: &'static str,
    },
    /// The host's libmesos lacks a message type that every isolator needs.
    #[error("this Mesos has no message '{0}'")]
    Message(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_says_on_one_line_what_is_missing() {
        let full = || std::io::Error::from_raw_os_error(libc::EAGAIN);
        let message = "mesos.ContainerID";
        let event = CreateError::EventMessage { event: Event::Usage, message };
        assert_eq!(
            event.to_string(),
            "parameter 'isolator_usage_command' cannot be used: this Mesos has no message \
             'mesos.ContainerID'"
        );
        for (error, begin) in [
            (CreateError::Threads(full()), "the module's threads could not be started: "),
            (CreateError::CallDirectory(full()), "no private directory for calls can be made: "),
            (CreateError::Message(message), "this Mesos has no message 'mesos.ContainerID'"),
        ] {
            let text = error.to_string();
            assert!(text.starts_with(begin) && !text.contains('\n'), "{text}");
        }
    }
}
