//! Commands, scripts and programs.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::{Case, SCRIPT, TOOL, check, expect, isolator, write};
use crate::support::Place;

/// An executable file of this name and content, as the prepare command.
fn script(name: &str, content: &[u8], head: &str, words: &[&str]) {
    with_mode(0o755, name, content, head, words);
}

fn with_mode(mode: u32, name: &str, content: &[u8], head: &str, words: &[&str]) {
    let place = Place::new();
    write(&place, name, content, mode);
    isolator(&place, &[("isolator_prepare_command", &format!("$D/{name}"))]);
    let what = String::from_utf8_lossy(&content[..content.len().min(40)]).into_owned();
    expect(&format!("{what:?}"), &place, head, words);
}

#[test]
fn encodings_and_line_ends() {
    let head = "error[script-bom]";
    let words = ["/c:1", "modules.json:", "isolator_prepare_command", "UTF-8"];
    script("c", b"\xef\xbb\xbf#!/bin/sh\n", head, &words);
    script("c", b"\xff\xfe#\0!\0", head, &["UTF-16"]);
    let head = "error[script-crlf]";
    script("c", b"#!/bin/sh\r\nexit 0\r\n", head, &["/c:1", "'/bin/sh\\r'", "sed -i"]);
    script("c", b"#!/bin/sh\necho a\nexit 0\r\n", head, &["/c:3", "sed -i"]);
    let python = b"#!/usr/bin/env python3\nexit(0)\r\n";
    script("c.py", python, "info[script-crlf]", &["/c.py:2"]);
}

#[test]
fn interpreters() {
    let head = "error[interpreter-missing]";
    let words = ["'/no/such/sh'", "No such file", "/sh' is there"];
    script("c", b"#!/no/such/sh\n", head, &words);
    script("c", b"#!/usr/bin/env no-such-program\n", head, &["'no-such-program'", "install"]);
    script("c", b"#!/usr/bin/env\n", head, &["no program"]);
    let head = "error[interpreter-arguments]";
    script("c", b"#!/usr/bin/env sh -e\n", head, &["'sh -e'", "env -S sh -e"]);
    let head = "error[interpreter-relative]";
    script("c", b"#!sh\n", head, &["'sh'", "#!/usr/bin/env sh"]);
    let head = "error[interpreter-unusable]";
    script("c", b"#!/etc/passwd\n", head, &["'/etc/passwd'"]);
    script("c", b"#!/etc\n", head, &["'/etc'"]);
    let head = "warning[interpreter-wrong]";
    script("c.py", SCRIPT.as_bytes(), head, &["'sh'", "python"]);
    script("c.sh", b"#!/usr/bin/env python3\n", head, &["'python3'", "a shell"]);
    let long = format!("#!/{}/sh\n", "x".repeat(300));
    script("c", long.as_bytes(), "error[interpreter-line-long]", &["306 bytes"]);
}

#[test]
fn files_without_an_interpreter() {
    script("c", b"echo hello\n", "info[script-by-shell]", &["/bin/sh runs it"]);
    let head = "error[script-first-line]";
    script("c.py", b"import os\n", head, &["not python", "#!/usr/bin/env python"]);
    script("c", b"\n#!/bin/sh\n", head, &["/c:2", "very first"]);
    script("c", b"# !/bin/sh\n", head, &["/c:1"]);
    script("c", b"", "warning[script-empty]", &["is a success"]);
    let head = "error[program-foreign]";
    script("c", b"\x1f\x8b\x08\0\0", head, &["gzip"]);
    script("c", b"\x01\0\0\0\x02", head, &["neither"]);
}

#[test]
fn programs() {
    /// The header of an ELF program of this class (1: 32 bits) and machine.
    fn elf(class: u8, machine: u8) -> Vec<u8> {
        let mut elf = b"\x7fELF".to_vec();
        elf.extend([class, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, machine, 0, 1, 0, 0, 0, 1]);
        elf.resize(64, 0);
        elf
    }
    let head = "error[program-other-machine]";
    script("c", &elf(2, 0xf3), head, &["RISC-V", "this machine is"]);
    script("c", &elf(1, 0x08), head, &["MIPS"]);
    let mut own = std::fs::read(TOOL).expect("this program");
    script("c", &own[..40], "error[program-broken]", &["no complete ELF"]);
    // As if its loader were that of another C library.
    let at = own.windows(4).position(|it| it == b"/ld-").expect("a loader");
    own[at..at + 4].copy_from_slice(b"/no-");
    script("c", &own, "error[program-loader-missing]", &["/no-"]);
}

#[test]
fn modes() {
    let script = SCRIPT.as_bytes();
    let head = "error[command-not-executable]";
    with_mode(0o644, "c", script, head, &["0644", "chmod +x"]);
    let head = "warning[writable-by-others]";
    with_mode(0o777, "c", script, head, &["this file", "0777", "chmod go-w"]);
    with_mode(0o775, "c", script, head, &["this file", "0775"]);
}

/// Makes what the command names.
type SetUp<'a> = &'a dyn Fn(&Place);

fn check_each(cases: Vec<Case<(&str, SetUp<'_>)>>) {
    for ((command, set_up), head, words) in cases {
        let place = Place::new();
        set_up(&place);
        isolator(&place, &[("isolator_prepare_command", command)]);
        expect(command, &place, head, words);
    }
}

#[test]
fn commands() {
    let prepare: &dyn Fn(&Place) = &|place| write(place, "c", SCRIPT.as_bytes(), 0o755);
    check_each(vec![
        (("$D/missing", prepare), "error[command-missing]", &["/missing: it does not exist\n"]),
        (("$D/no/such/thing", prepare), "error[command-missing]", &["nor does", "/no'"]),
        (("no-such-command", prepare), "error[command-missing]", &["no directory of PATH"]),
        (("sh", prepare), "info[command-searched]", &["/usr/bin/sh", "absolute"]),
        (("bin/c", prepare), "warning[command-relative]", &["agent is started", "absolute"]),
        ((" $D/c", prepare), "error[command-blanks]", &["write \"", "/c\""]),
        (("$D/c ", prepare), "error[command-blanks]", &["blanks around"]),
        (("'$D/c'", prepare), "error[command-quoted]", &["write \"/"]),
        (("$D/c --flag", prepare), "error[command-arguments]", &["never split", "exec"]),
        (
            ("python3 /opt/u.py", prepare),
            "error[command-arguments]",
            &["'/opt/u.py' itself", "#!/usr/bin/env python3"],
        ),
        (("sh -x", prepare), "error[command-arguments]", &["never split"]),
        (("~/c", prepare), "warning[command-relative]", &["~/c"]),
        (("/opt/$HOME/c", prepare), "error[command-not-expanded]", &["no shell expands it"]),
        (("$D", prepare), "error[command-no-file]", &["a directory"]),
        (("/dev/null", prepare), "error[command-no-file]", &["a device"]),
    ]);
}

#[test]
fn places_of_commands() {
    check_each(vec![
        (
            ("$D/pipe", &|place| {
                nix::unistd::mkfifo(&place.path("pipe"), nix::sys::stat::Mode::S_IRWXU)
                    .expect("a pipe")
            }),
            "error[command-no-file]",
            &["a named pipe"],
        ),
        (
            ("$D/link", &|place| symlink("/no/such/target", place.path("link")).expect("a link")),
            "error[command-missing]",
            &["link to '/no/such/target'"],
        ),
        (
            ("$D/open/c", &|place| {
                std::fs::create_dir(place.path("open")).expect("a directory");
                write(place, "open/c", SCRIPT.as_bytes(), 0o755);
                let mode = PermissionsExt::from_mode(0o777);
                std::fs::set_permissions(place.path("open"), mode).expect("its mode");
            }),
            "warning[writable-by-others]",
            &["/open: ", "this directory"],
        ),
        (
            ("$D/open/below/c", &|place| {
                std::fs::create_dir_all(place.path("open/below")).expect("a directory");
                write(place, "open/below/c", SCRIPT.as_bytes(), 0o755);
                let mode = PermissionsExt::from_mode(0o777);
                std::fs::set_permissions(place.path("open"), mode).expect("its mode");
            }),
            "warning[writable-by-others]",
            &["/open: ", "this directory"],
        ),
    ]);
}

#[test]
fn owners() {
    const STRANGER: u32 = 65534;
    let place = Place::new();
    write(&place, "c", SCRIPT.as_bytes(), 0o755);
    let uid = Some(nix::unistd::Uid::from_raw(STRANGER));
    if nix::unistd::chown(&place.path("c"), uid, None).is_err() {
        return test_support::skip("owners", "only root may give a file away");
    }
    isolator(&place, &[("isolator_prepare_command", "$D/c")]);
    expect("owner", &place, "warning[owner]", &["/c: ", "user 65534", "chown root"]);
    isolator(&place, &[("isolator_prepare_command", "$D/c"), ("strict_permissions", "true")]);
    let (text, _) = check(&place, &[]);
    assert!(text.contains("error["), "{text}");
}

#[test]
fn with_strict_permissions_every_step_is_told() {
    let place = Place::new();
    for name in ["open", "open/shut"] {
        std::fs::create_dir(place.path(name)).expect("a directory");
    }
    write(&place, "open/shut/c", b"#!/bin/sh\n", 0o775);
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(place.path("open"), open).expect("chmod");
    let command = [("isolator_prepare_command", "$D/open/shut/c"), ("state_dir", "/run")];
    isolator(&place, &[&command[..], &[("strict_permissions", "true")]].concat());
    let (text, status) = check(&place, &[]);
    let told = |step: &str| text.contains(&format!("error[writable-by-others]: {step}: others"));
    for step in ["open", "open/shut/c"] {
        assert!(told(&place.text(step)), "{step}: {text}");
    }
    assert!(!told(&place.text("open/shut")) && status == Some(1), "{text}");
    isolator(&place, &command);
    let (text, _) = check(&place, &[]);
    assert!(text.contains("warning[writable-by-others]") && !text.contains("error["), "{text}");
}

#[test]
fn shell_text_of_a_watch_command() {
    let place = Place::new();
    write(&place, "c", SCRIPT.as_bytes(), 0o644);
    isolator(&place, &[("isolator_watch_command", "$D/c --verbose | cat")]);
    expect("not executable", &place, "error[command-not-executable]", &["/c: "]);
    write(&place, "c", SCRIPT.as_bytes(), 0o755);
    let (text, status) = check(&place, &[]);
    assert_eq!((text.as_str(), status), ("no problems\n", Some(0)));
}
