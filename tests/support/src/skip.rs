//! One rule for tests that cannot judge: they fail, unless that was allowed beforehand.

use std::fs::OpenOptions;
use std::io::Write;

/// Names a file to which every note is appended, for a summary at the end of all tests.
const NOTES: &str = "TEST_NOTES";

/// Whether the environment allows tests to be skipped: `ALLOW_SKIPS=1`, or, for those that lack
/// something that has to be downloaded, `ALLOW_OFFLINE=1` too.
#[must_use]
pub fn is_allowed(offline: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| value == "1");
    set("ALLOW_SKIPS") || offline && set("ALLOW_OFFLINE")
}

/// Reports `test` as skipped for a reason that lies in this machine: its kernel, its processor,
/// the rights of the user. The caller returns.
///
/// # Panics
///
/// Unless `ALLOW_SKIPS=1`.
#[track_caller]
pub fn skip(test: &str, reason: &str) {
    assert!(is_allowed(false), "{test}: {reason} (ALLOW_SKIPS=1 skips this test)");
    note(&format!("SKIPPED {test}: {reason}"));
}

/// Reports `test` as skipped because it lacks something that has to be downloaded or installed.
/// The caller returns.
///
/// # Panics
///
/// Unless `ALLOW_OFFLINE=1` or `ALLOW_SKIPS=1`.
#[track_caller]
pub fn skip_offline(test: &str, reason: &str) {
    assert!(is_allowed(true), "{test}: {reason} (ALLOW_OFFLINE=1 skips this test)");
    note(&format!("SKIPPED {test}: {reason}"));
}

/// Tells a line to whoever runs the tests: on stderr, and in the file that `TEST_NOTES` names.
pub fn note(line: &str) {
    let line = line.replace('\n', " ");
    // Written past the test harness, which hides the output of tests that pass.
    let _ = writeln!(std::io::stderr(), "{line}");
    let Some(path) = std::env::var_os(NOTES) else { return };
    let file = OpenOptions::new().append(true).create(true).open(&path);
    let written = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
    if let Err(error) = written {
        panic!("{NOTES}={}: {error}", path.display());
    }
}
