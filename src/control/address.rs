//! Where the control socket is: the value of `control_socket`.

use std::path::{Path, PathBuf};

use crate::exporter::socket_path;

/// The directory of the sockets that nobody has named.
pub const DEFAULT_DIRECTORY: &str = "/run/mesos-command";
/// The default of `control_socket`.
pub const DEFAULT_SOCKET: &str = "/run/mesos-command/<pid>.sock";
/// What stands for the number of the process.
const PID: &str = "<pid>";

/// Where the control socket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlSocket {
    /// In [`DEFAULT_DIRECTORY`], which is made; where that is not possible there is none.
    Default,
    /// Nowhere.
    Off,
    /// At this path, in a directory that exists.
    At(PathBuf),
}

impl ControlSocket {
    /// Reads a value: a path, in which `<pid>` stands for the number of this process, or `none`.
    ///
    /// # Errors
    /// What is accepted.
    pub fn parse(text: &str) -> Result<ControlSocket, String> {
        match text.trim() {
            DEFAULT_SOCKET => Ok(ControlSocket::Default),
            "none" => Ok(ControlSocket::Off),
            path => {
                let path = path.replace(PID, &std::process::id().to_string());
                let refused = |problem| {
                    format!(
                        "{problem}; accepted are an absolute path, with <pid> for the number of \
                             the process, and none"
                    )
                };
                socket_path(&path).map(ControlSocket::At).map_err(refused)
            }
        }
    }
}

/// The path of [`ControlSocket::Default`] in this process.
pub(super) fn default_path() -> PathBuf {
    Path::new(DEFAULT_DIRECTORY).join(format!("{}.sock", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_and_refused_places() {
        assert_eq!(ControlSocket::parse(DEFAULT_SOCKET), Ok(ControlSocket::Default));
        assert_eq!(ControlSocket::parse(" none "), Ok(ControlSocket::Off));
        let pid = std::process::id();
        let own = PathBuf::from(format!("/x/{pid}.s"));
        assert_eq!(ControlSocket::parse("/x/<pid>.s"), Ok(ControlSocket::At(own)));
        for text in ["x.sock", "unix:/x", "/x/", "/../x", "/", &format!("/{}", "x".repeat(107))] {
            let error = ControlSocket::parse(text).unwrap_err();
            assert!(error.contains("accepted are an absolute path"), "{error}");
        }
        assert_eq!(default_path(), Path::new(&DEFAULT_SOCKET.replace(PID, &pid.to_string())));
    }
}
