//! Texts that people read, as they were when somebody last looked: `tests/tool/texts/`.
//!
//! `make pages` writes them anew; what changed is then seen in the difference.

use std::process::Command;

use test_support::repository;

/// File, and arguments of the tool.
const TEXTS: &[(&str, &[&str])] = &[
    ("help", &["--help"]),
    ("help-check", &["check", "--help"]),
    ("help-call", &["call", "--help"]),
    ("help-explain", &["explain", "--help"]),
    ("help-deploy", &["deploy", "--help"]),
    ("help-new", &["new", "--help"]),
    ("help-sample", &["sample", "--help"]),
    ("help-test", &["test", "--help"]),
    ("help-worker-test", &["worker-test", "--help"]),
    ("help-generate", &["generate", "--help"]),
    ("help-version", &["version", "--help"]),
    ("explain-isolator_usage", &["explain", "isolator_usage"]),
    (
        "explain-hook_slave_run_task_label_decorator",
        &["explain", "hook_slave_run_task_label_decorator"],
    ),
    ("explain-kill_grace", &["explain", "kill_grace"]),
    ("explain-code", &["check", "--explain", "MC062"]),
];

#[test]
fn texts_are_as_they_were() {
    let writes = std::env::var_os("WRITE_PAGES").is_some();
    for (name, arguments) in TEXTS {
        let mut tool = Command::new(env!("CARGO_BIN_EXE_mesos-command"));
        let done = tool.args(*arguments).env_remove("COLUMNS").output().expect("it runs");
        assert!(done.status.success(), "{arguments:?}");
        let text = String::from_utf8(done.stdout).expect("UTF-8");
        let path = repository(&format!("tests/tool/texts/{name}.txt"));
        if writes {
            std::fs::write(&path, &text).expect("it can be written");
        }
        let known = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(text, known, "{arguments:?}; `make pages` writes what is printed now");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_fault() {
    for arguments in [&["explain", "parameters"][..], &["check", "--explain", "MC062"]] {
        // Gone before it begins: a pipe would hold all of a short text.
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut tool = Command::new(env!("CARGO_BIN_EXE_mesos-command"));
        let done = tool.args(arguments).stdout(writer).output().expect("it runs");
        assert_eq!(done.status.code(), Some(128 + 13), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&done.stderr), "", "{arguments:?}");
    }
}
