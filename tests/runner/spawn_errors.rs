//! Commands that cannot be started, and the words for it.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;

use mesos_command::command::CommandLine;
use mesos_command::outcome::OutcomeKind;

use crate::support::{command, probe, script, serial};

#[test]
fn each_reason_has_its_own_words() {
    let _oracle = serial();
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let plain = script(directory.path(), "plain", "#!/bin/sh\n");
    std::fs::set_permissions(&plain, PermissionsExt::from_mode(0o644)).unwrap();
    script(directory.path(), "dangling", "#!/no/such/interpreter -x\n");
    script(directory.path(), "crlf", "#!/bin/sh\r\nexit 0\r\n");
    std::fs::create_dir(at("directory")).unwrap();
    std::os::unix::fs::symlink("/no/such", at("broken")).unwrap();
    std::os::unix::fs::symlink(at("loop"), at("loop")).unwrap();
    let rows = [
        ("missing", "does not exist"),
        ("plain", "is not executable (mode 0644)"),
        ("dangling", "its interpreter '/no/such/interpreter' does not exist"),
        ("crlf", "CR LF"),
        ("directory", "is a directory"),
        ("broken", "symbolic link to something that does not exist"),
        ("loop", "loop"),
        ("plain/below", "ENOTDIR"),
    ];
    for (name, words) in rows {
        let report = command(at(name)).run();
        assert_eq!(report.outcome, OutcomeKind::SpawnError, "{name}: {report:?}");
        assert!(report.message.contains(words), "{name}: {}", report.message);
        assert!(report.message.contains(name), "{name}: {}", report.message);
        assert_eq!(report.pid, None);
    }
    let report = command("surely-in-no-directory").run();
    assert!(report.message.contains("in no directory of PATH"), "{}", report.message);
}

#[test]
fn a_file_without_a_first_line_runs_in_the_shell() {
    let _oracle = serial();
    let directory = tempfile::tempdir().unwrap();
    let path = script(directory.path(), "no shebang", "printf '%s' \"$0\" >\"$2\"\n");
    let report = command(&path).run();
    assert_eq!(report.outcome, OutcomeKind::Ok, "{report:?}");
    assert_eq!(report.output, path.as_os_str().as_encoded_bytes());
    // The kernel does not take a first line that it cannot see the end of.
    let long = format!("#!/{}\nprintf long >\"$2\"\n", "x".repeat(5000));
    assert_eq!(command(script(directory.path(), "long", &long)).run().output, b"long");
    let empty = script(directory.path(), "empty", "");
    assert_eq!(command(empty).run().outcome, OutcomeKind::Ok);
}

#[test]
fn a_bare_name_is_looked_up_in_the_snapshot_and_its_last_errors_count() {
    let _oracle = serial();
    let directory = tempfile::tempdir().unwrap();
    let forbidden = directory.path().join("forbidden");
    std::fs::create_dir(&forbidden).unwrap();
    let first = script(&forbidden, "tool", "#!/bin/sh\n");
    std::fs::set_permissions(&first, PermissionsExt::from_mode(0o600)).unwrap();
    script(directory.path(), "tool", "#!/bin/sh\nprintf found >\"$2\"\n");
    let path = format!("PATH=/no/such:{}:{}", forbidden.display(), directory.path().display());
    let case = command("tool").with(|spec| spec.environment = [OsString::from(path)].into());
    assert_eq!(case.run().output, b"found");
}

#[test]
fn shell_text_gets_the_paths_as_words() {
    let _oracle = serial();
    let case = command("/unused")
        .with(|spec| spec.command = CommandLine::Shell("f() { cat <\"$1\" >\"$2\"; }; f".into()));
    assert_eq!(case.run().output, b"{\"in\":1}");
    let case = case.with(|spec| spec.command = CommandLine::Shell("false; exit 7 #".into()));
    let report = case.run();
    assert_eq!((report.outcome, report.exit_code), (OutcomeKind::Exit, Some(7)));
}

#[test]
fn nothing_is_interpreted_in_names() {
    let _oracle = serial();
    let directory = tempfile::tempdir().unwrap();
    let path = script(directory.path(), "-a; $(b) 'c'\n\"d\"", "#!/bin/sh\nprintf ok >\"$2\"\n");
    assert_eq!(command(path).run().output, b"ok");
}

#[test]
fn what_cannot_be_passed_is_refused_before_anything_starts() {
    let _oracle = serial();
    let nul = |text: &[u8]| OsString::from_vec(text.to_vec());
    let case = probe("").with(|spec| spec.command = CommandLine::Path(nul(b"/bin/a\0b")));
    let report = case.run();
    assert_eq!(report.outcome, OutcomeKind::SpawnError);
    assert!(report.message.contains("NUL"), "{}", report.message);
    let case = probe("").with(|spec| spec.environment = [nul(b"A=\0")].into());
    assert!(case.run().message.contains("NUL"));
    let report = probe("").env("BIG", &"x".repeat(300_000)).run();
    assert_eq!(report.outcome, OutcomeKind::SpawnError);
    assert!(report.message.contains("too large"), "{}", report.message);
}

#[test]
fn a_file_that_is_being_written_is_tried_again_and_then_named() {
    let _oracle = serial();
    let directory = tempfile::tempdir().unwrap();
    let path = script(directory.path(), "busy", "#!/bin/sh\nprintf ok >\"$2\"\n");
    let writer = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    let report = command(&path).run();
    if report.outcome == OutcomeKind::Ok {
        let reason = "this kernel executes files that are open for writing";
        return test_support::skip("a file that is being written", reason);
    }
    for report in [report, command(&path).run_here()] {
        assert_eq!(report.outcome, OutcomeKind::SpawnError);
        assert!(report.message.contains("being written"), "{}", report.message);
    }

    // The last attempt to execute it comes after 250 ms; a busy machine may close it later than
    // that, so a few rounds are played.
    let mut writer = Some(writer);
    let mut seen = Vec::new();
    for _ in 0..5 {
        let mut open = writer.take().unwrap_or_else(|| {
            std::fs::OpenOptions::new().append(true).open(&path).expect("the script")
        });
        let closing = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(12));
            let _ = open.flush();
        });
        let report = command(&path).run();
        closing.join().unwrap();
        if report.output == b"ok" {
            return;
        }
        seen.push(report);
    }
    panic!("never tried again: {seen:?}");
}
