//! Parameters that hold for as long as an instance lives, whatever its modules file says later.

use super::keys;

/// What a parameter decides once, and so cannot decide anew: by the name of its row.
pub const FIXED: [(&str, &str); 17] = [
    ("redact", "what the control socket shows was made without these secrets"),
    ("environment", "the environment of commands is taken when the agent starts"),
    ("containment", "the level of containment is chosen when the agent starts"),
    ("cgroup_root", "the cgroups are made when the agent starts"),
    ("state_dir", "the contexts of the containers are kept there"),
    ("temp_dir", "the directories of calls are made there when the agent starts"),
    ("nested", "Mesos asks for it once"),
    ("standalone", "Mesos asks for it once"),
    ("metrics_address", "a listener is never given up while the agent runs"),
    ("status_page", "a listener is never given up while the agent runs"),
    ("metrics_textfile", "the file is kept up to date while the agent runs"),
    ("keep_failures", "where failed calls are kept is decided when the agent starts"),
    ("call_log", "the file is opened when the agent starts"),
    ("call_log_hits", "it belongs to a file that is opened when the agent starts"),
    ("control_socket", "the socket is made when the agent starts"),
    ("reload", "it says whether the file is read anew at all"),
    ("reload_from", "it says which file is read anew"),
];

/// Why the parameter with this key cannot change while its instance lives; `None`: it can.
pub fn why_fixed(key: &str) -> Option<&'static str> {
    let (row, _) = keys::parameter(key)?;
    FIXED.iter().find(|(name, _)| *name == row.name).map(|(_, why)| *why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_the_name_of_a_row() {
        for (name, _) in FIXED {
            let (row, event) = keys::parameter(name).expect(name);
            assert_eq!((row.name, event), (name, None));
        }
        assert_eq!(why_fixed("nested"), Some("Mesos asks for it once"));
        for key in ["kill_grace", "isolator_usage_timeout", "isolator_watch_interval", "colour"] {
            assert_eq!(why_fixed(key), None, "{key}");
        }
    }
}
