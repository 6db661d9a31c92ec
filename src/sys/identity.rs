//! Whose rights a program has, and what it may take.

use std::fmt;
use std::sync::Arc;

/// What a program gets instead of what this process has. Nothing by default, which costs no system
/// call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The user; `None`: this process's own.
    pub user: Option<User>,
    /// The niceness, -20 to 19.
    pub nice: Option<i32>,
    /// The soft and the hard limit of open descriptors (RLIMIT_NOFILE).
    pub open_files: Option<u64>,
}

impl fmt::Display for Identity {
    /// What is set, separated by commas; empty when nothing is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.as_ref().map(User::to_string);
        let nice = self.nice.map(|nice| format!("niceness {nice}"));
        let open_files = self.open_files.map(|count| format!("at most {count} open files"));
        let set: Vec<String> = [user, nice, open_files].into_iter().flatten().collect();
        f.write_str(&set.join(", "))
    }
}

/// A user as a login would have made it: found once, never looked up again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// As it was configured, for messages.
    pub name: Arc<str>,
    /// The real, effective and saved user ID.
    pub uid: u32,
    /// The real, effective and saved group ID.
    pub gid: u32,
    /// All groups, `gid` among them.
    pub groups: Arc<[u32]>,
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let User { name, uid, gid, .. } = self;
        write!(f, "user '{name}' (uid {uid}, gid {gid})")
    }
}
