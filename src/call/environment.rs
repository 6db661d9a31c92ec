//! The environment that commands get.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use crate::config::EnvironmentChoice;

/// Variables that `environment=clean` passes on; those of sudo's `env_reset` that a daemon has,
/// the locale and the time zone.
const CLEAN: [&str; 9] = ["HOME", "LANG", "LOGNAME", "MAIL", "PATH", "SHELL", "TERM", "TZ", "USER"];
/// `PATH` of a clean environment when the agent has none.
const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// `KEY=value` entries for commands, as the process has them now.
pub(super) fn environment(choice: EnvironmentChoice) -> Vec<OsString> {
    let entry = |(key, value): (OsString, OsString)| {
        let mut entry = key;
        entry.push("=");
        entry.push(value);
        entry
    };
    let all = std::env::vars_os();
    match choice {
        EnvironmentChoice::Agent => all.map(entry).collect(),
        EnvironmentChoice::Clean => {
            let mut entries: Vec<OsString> = all
                .filter(|(key, value)| is_clean(key.as_bytes(), value.as_bytes()))
                .map(entry)
                .collect();
            if !entries.iter().any(|entry| entry.as_bytes().starts_with(b"PATH=")) {
                entries.push(DEFAULT_PATH.into());
            }
            entries
        }
    }
}

/// sudo drops values that shells of old took for functions, and locales that name files.
fn is_clean(key: &[u8], value: &[u8]) -> bool {
    let listed = CLEAN.iter().any(|name| name.as_bytes() == key);
    let locale = key.starts_with(b"LC_") && !value.iter().any(|byte| b"/%".contains(byte));
    (listed || locale) && !value.starts_with(b"()")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_environment_keeps_only_the_listed_variables() {
        assert!(is_clean(b"PATH", b"/bin"));
        assert!(is_clean(b"LC_ALL", b"C.UTF-8"));
        for (key, value) in [
            (&b"LD_PRELOAD"[..], &b"/x.so"[..]),
            (b"MESOS_MODULES", b"{}"),
            (b"LIBPROCESS_IP", b"::1"),
            (b"LC_ALL", b"../../x"),
            (b"TERM", b"() { :; }"),
            (b"BASH_ENV", b"/x"),
        ] {
            assert!(!is_clean(key, value), "{}", String::from_utf8_lossy(key));
        }
        let clean = environment(EnvironmentChoice::Clean);
        assert!(clean.iter().any(|entry| entry.as_bytes().starts_with(b"PATH=")));
    }
}
