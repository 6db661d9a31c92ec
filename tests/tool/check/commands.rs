//! Commands, scripts and programs.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::{SCRIPT, TOOL, check, expect, isolator, write};
use crate::support::Place;

#[test]
fn scripts() {
    let elf = |class: u8, machine: u8| {
        let mut elf = vec![
            0x7f, b'E', b'L', b'F', class, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, machine, 0, 1, 0,
            0, 0, 1,
        ];
        elf.resize(64, 0);
        elf
    };
    let long = format!("#!/{}/sh\n", "x".repeat(300));
    let own = std::fs::read(TOOL).expect("this program");
    // A program whose loader is that of another C library.
    let at = own
        .windows(9)
        .position(|it| it == b"/ld-linux")
        .or(own.windows(4).position(|it| it == b"/ld-"));
    let mut musl = own.clone();
    let at = at.expect("a loader");
    musl[at..at + 4].copy_from_slice(b"/no-");
    let cut = own[..40].to_vec();
    let (riscv, mips) = (elf(2, 0xf3), elf(1, 0x08));
    let cases: Vec<(&str, &[u8], u32, &str, &[&str])> = vec![
        (
            "c",
            b"\xef\xbb\xbf#!/bin/sh\n",
            0o755,
            "error[script-bom]",
            &["/c:1", "modules.json:", "isolator_prepare_command", "UTF-8"],
        ),
        ("c", b"\xff\xfe#\0!\0", 0o755, "error[script-bom]", &["UTF-16"]),
        (
            "c",
            b"#!/bin/sh\r\nexit 0\r\n",
            0o755,
            "error[script-crlf]",
            &["/c:1", "'/bin/sh\\r'", "sed -i"],
        ),
        ("c", b"#!/bin/sh\necho a\nexit 0\r\n", 0o755, "error[script-crlf]", &["/c:3", "sed -i"]),
        ("c.py", b"#!/usr/bin/env python3\nexit(0)\r\n", 0o755, "info[script-crlf]", &["/c.py:2"]),
        (
            "c",
            b"#!/no/such/sh\n",
            0o755,
            "error[interpreter-missing]",
            &["'/no/such/sh'", "No such file", "'/usr/bin/sh' is there"],
        ),
        (
            "c",
            b"#!/usr/bin/env no-such-program\n",
            0o755,
            "error[interpreter-missing]",
            &["'no-such-program'", "install"],
        ),
        ("c", b"#!/usr/bin/env\n", 0o755, "error[interpreter-missing]", &["no program"]),
        (
            "c",
            b"#!/usr/bin/env sh -e\n",
            0o755,
            "error[interpreter-arguments]",
            &["'sh -e'", "env -S sh -e"],
        ),
        ("c", b"#!sh\n", 0o755, "error[interpreter-relative]", &["'sh'", "#!/usr/bin/env sh"]),
        ("c", b"#!/etc/passwd\n", 0o755, "error[interpreter-unusable]", &["'/etc/passwd'"]),
        ("c", b"#!/etc\n", 0o755, "error[interpreter-unusable]", &["'/etc'"]),
        ("c.py", SCRIPT.as_bytes(), 0o755, "warning[interpreter-wrong]", &["'sh'", "python"]),
        (
            "c.sh",
            b"#!/usr/bin/env python3\n",
            0o755,
            "warning[interpreter-wrong]",
            &["'python3'", "a shell"],
        ),
        ("c", long.as_bytes(), 0o755, "error[interpreter-line-long]", &["306 bytes"]),
        ("c", b"echo hello\n", 0o755, "info[script-by-shell]", &["/bin/sh runs it"]),
        (
            "c.py",
            b"import os\n",
            0o755,
            "error[script-first-line]",
            &["not python", "#!/usr/bin/env python"],
        ),
        ("c", b"\n#!/bin/sh\n", 0o755, "error[script-first-line]", &["/c:2", "very first"]),
        ("c", b"# !/bin/sh\n", 0o755, "error[script-first-line]", &["/c:1"]),
        ("c", b"", 0o755, "warning[script-empty]", &["is a success"]),
        ("c", b"\x1f\x8b\x08\0\0", 0o755, "error[program-foreign]", &["gzip"]),
        ("c", b"\x01\0\0\0\x02", 0o755, "error[program-foreign]", &["neither"]),
        ("c", &riscv, 0o755, "error[program-other-machine]", &["RISC-V", "this machine is"]),
        ("c", &mips, 0o755, "error[program-other-machine]", &["MIPS"]),
        ("c", &cut, 0o755, "error[program-broken]", &["no complete ELF"]),
        ("c", &musl, 0o755, "error[program-loader-missing]", &["/no-"]),
        ("c", SCRIPT.as_bytes(), 0o644, "error[command-not-executable]", &["0644", "chmod +x"]),
        (
            "c",
            SCRIPT.as_bytes(),
            0o777,
            "warning[writable-by-others]",
            &["this file", "0777", "chmod go-w"],
        ),
        ("c", SCRIPT.as_bytes(), 0o775, "warning[writable-by-others]", &["this file", "0775"]),
    ];
    for (name, content, mode, head, words) in cases {
        let place = Place::new();
        write(&place, name, content, mode);
        isolator(&place, &[("isolator_prepare_command", &format!("$D/{name}"))]);
        let what = format!("{:?}", String::from_utf8_lossy(&content[..content.len().min(40)]));
        expect(&what, &place, head, words);
    }
}

#[test]
fn commands() {
    let prepare: &dyn Fn(&Place) = &|place| write(place, "c", SCRIPT.as_bytes(), 0o755);
    let cases: Vec<(&str, &dyn Fn(&Place), &str, &[&str])> = vec![
        ("$D/missing", prepare, "error[command-missing]", &["/missing: it does not exist\n"]),
        ("$D/no/such/thing", prepare, "error[command-missing]", &["nor does", "/no'"]),
        ("no-such-command", prepare, "error[command-missing]", &["no directory of PATH"]),
        ("sh", prepare, "info[command-searched]", &["/usr/bin/sh", "absolute"]),
        ("bin/c", prepare, "warning[command-relative]", &["agent is started", "absolute"]),
        (" $D/c", prepare, "error[command-blanks]", &["write \"", "/c\""]),
        ("$D/c ", prepare, "error[command-blanks]", &["blanks around"]),
        ("'$D/c'", prepare, "error[command-quoted]", &["write \"/"]),
        ("$D/c --flag", prepare, "error[command-arguments]", &["never split", "exec"]),
        (
            "python3 /opt/u.py",
            prepare,
            "error[command-arguments]",
            &["'/opt/u.py' itself", "#!/usr/bin/env python3"],
        ),
        ("sh -x", prepare, "error[command-arguments]", &["never split"]),
        ("~/c", prepare, "warning[command-relative]", &["~/c"]),
        ("/opt/$HOME/c", prepare, "error[command-not-expanded]", &["no shell expands it"]),
        ("$D", prepare, "error[command-no-file]", &["a directory"]),
        ("/dev/null", prepare, "error[command-no-file]", &["a device"]),
        (
            "$D/pipe",
            &|place| {
                nix::unistd::mkfifo(&place.path("pipe"), nix::sys::stat::Mode::S_IRWXU)
                    .expect("a pipe")
            },
            "error[command-no-file]",
            &["a named pipe"],
        ),
        (
            "$D/link",
            &|place| symlink("/no/such/target", place.path("link")).expect("a link"),
            "error[command-missing]",
            &["link to '/no/such/target'"],
        ),
        (
            "$D/open/c",
            &|place| {
                std::fs::create_dir(place.path("open")).expect("a directory");
                write(place, "open/c", SCRIPT.as_bytes(), 0o755);
                let mode = PermissionsExt::from_mode(0o777);
                std::fs::set_permissions(place.path("open"), mode).expect("its mode");
            },
            "warning[writable-by-others]",
            &["/open: ", "this directory"],
        ),
        (
            "$D/open/below/c",
            &|place| {
                std::fs::create_dir_all(place.path("open/below")).expect("a directory");
                write(place, "open/below/c", SCRIPT.as_bytes(), 0o755);
                let mode = PermissionsExt::from_mode(0o777);
                std::fs::set_permissions(place.path("open"), mode).expect("its mode");
            },
            "warning[writable-by-others]",
            &["/open: ", "this directory"],
        ),
    ];
    for (command, set_up, head, words) in cases {
        let place = Place::new();
        set_up(&place);
        isolator(&place, &[("isolator_prepare_command", command)]);
        expect(command, &place, head, words);
    }
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
