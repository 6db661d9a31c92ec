//! Text files: their encoding, line ends and first line, and the interpreter that it names.
//!
//! What the kernel makes of a first line: Linux `fs/binfmt_script.c` and execve(2). What `env`
//! makes of its arguments: coreutils.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::codes;
use super::finding::Finding;
use super::found::resolve;
use super::{program, text};

/// As much of a file as is looked at.
const LIMIT: u64 = 256 * 1024;
/// The longest first line that the kernel reads, with its `#!`.
const LONGEST_LINE: usize = 255;
/// How programs begin that the kernel does not run, and what they are.
const NO_PROGRAMS: [(&[u8], &str); 7] = [
    (b"\x1f\x8b", "a gzip archive"),
    (b"PK\x03\x04", "a zip archive"),
    (b"MZ", "a Windows program"),
    (b"\xca\xfe\xba\xbe", "a Java class or a macOS program"),
    (b"\xcf\xfa\xed\xfe", "a macOS program"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"!<arch>", "a library archive"),
];
/// Names of files that are no shell scripts, and the programs for them.
const LANGUAGES: [(&str, &str); 7] = [
    ("py", "python"),
    ("pl", "perl"),
    ("rb", "ruby"),
    ("js", "node"),
    ("php", "php"),
    ("lua", "lua"),
    ("tcl", "tclsh"),
];
const SHELLS: [&str; 8] = ["sh", "dash", "bash", "ash", "ksh", "mksh", "zsh", "busybox"];

/// The beginning of a file; a pipe is not waited for.
pub(super) fn head(path: &Path) -> std::io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let mut head = Vec::new();
    file.take(LIMIT).read_to_end(&mut head)?;
    Ok(head)
}

/// Looks at a file that is no ELF file.
pub(super) fn look_at(path: &Path, head: &[u8]) -> Vec<Finding> {
    if head.is_empty() {
        let message = "it is empty: the shell runs it, it does nothing and is a success";
        return vec![
            Finding::warning(codes::SCRIPT_EMPTY, message)
                .about(path, None)
                .advice("write the script, or leave the command out"),
        ];
    }
    if let Some((_, encoding)) = text::MARKS.iter().find(|(mark, _)| head.starts_with(mark)) {
        let message = format!(
            "it begins with the byte order mark of {encoding}: the kernel does not see the `#!`, and \
             the shell takes the mark for a command"
        );
        return vec![Finding::error(codes::SCRIPT_BOM, message).about(path, Some(1)).advice(
            "save it as UTF-8 without byte order mark: sed -i '1s/^\\xef\\xbb\\xbf//' FILE",
        )];
    }
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    match head.strip_prefix(b"#!") {
        Some(rest)
            if !rest
                .split(|byte| *byte == b'\n')
                .next()
                .unwrap_or_default()
                .trim_ascii()
                .is_empty() =>
        {
            with_first_line(path, head, line)
        }
        _ => without_first_line(path, head),
    }
}

/// What `/bin/sh` will run, or not.
fn without_first_line(path: &Path, head: &[u8]) -> Vec<Finding> {
    if let Some((_, what)) = NO_PROGRAMS.iter().find(|(magic, _)| head.starts_with(magic)) {
        let message = format!("it is {what} and no program of this system");
        return vec![
            Finding::error(codes::PROGRAM_FOREIGN, message)
                .about(path, None)
                .advice("name the program itself"),
        ];
    }
    if head.iter().take(512).any(|byte| *byte == 0) {
        let message = "it is neither a program of this system nor text";
        return vec![
            Finding::error(codes::PROGRAM_FOREIGN, message)
                .about(path, None)
                .advice("name the program itself"),
        ];
    }
    let lines = head.split(|byte| *byte == b'\n').take(5).enumerate();
    let misplaced = lines
        .filter(|(_, line)| {
            let line: Vec<u8> =
                line.iter().filter(|byte| !byte.is_ascii_whitespace()).copied().collect();
            [&b"#!/"[..], b"!#/", b"#/bin/", b"#/usr/bin/"]
                .iter()
                .any(|start| line.starts_with(start))
        })
        .map(|(index, _)| index)
        .next();
    let language = language(path);
    let finding = match (misplaced, language) {
        (Some(index), _) => {
            let message = "the line that names the interpreter must be the very first and begin with \
                           `#!`; as it is, /bin/sh runs the file";
            let line = u32::try_from(index + 1).unwrap_or_default();
            Finding::error(codes::SCRIPT_FIRST_LINE, message)
                .about(path, Some(line))
                .advice("make it the first line, without a blank before `#!`")
        }
        (None, Some(program)) => {
            let message = format!("it has no `#!` line, so /bin/sh runs it and not {program}");
            Finding::error(codes::SCRIPT_FIRST_LINE, message)
                .about(path, Some(1))
                .advice(format!("begin it with `#!/usr/bin/env {program}`"))
        }
        (None, None) => {
            let message = "it has no `#!` line: /bin/sh runs it";
            Finding::info(codes::SCRIPT_BY_SHELL, message)
                .about(path, Some(1))
                .advice("begin it with `#!/bin/sh`")
        }
    };
    let mut found = vec![finding];
    found.extend(line_ends(path, head, true));
    found
}

fn with_first_line(path: &Path, head: &[u8], line: &[u8]) -> Vec<Finding> {
    let about = |finding: Finding| finding.about(path, Some(1));
    if line.ends_with(b"\r") {
        let text = String::from_utf8_lossy(line[2..].trim_ascii()).into_owned();
        let message = format!(
            "the lines end with CR LF, so the kernel looks for the interpreter '{text}\\r'"
        );
        return vec![about(Finding::error(codes::SCRIPT_CRLF, message)).advice(convert(path))];
    }
    let mut found = Vec::new();
    if line.len() > LONGEST_LINE {
        let message = format!(
            "the first line has {} bytes; the kernel reads {LONGEST_LINE} of them",
            line.len()
        );
        found.push(
            about(Finding::error(codes::INTERPRETER_LINE_LONG, message))
                .advice("make a shorter path or a link to the interpreter"),
        );
    }
    let text = String::from_utf8_lossy(&line[2..]).trim().to_owned();
    let (interpreter, argument) = match text.split_once([' ', '\t']) {
        Some((interpreter, argument)) => (interpreter, argument.trim()),
        None => (text.as_str(), ""),
    };
    let mut name = base(interpreter);
    found.extend(interpreter_file(interpreter).map(about));
    if name == "env" && found.is_empty() {
        match by_env(argument) {
            Ok(program) => {
                name = base(&program);
                if resolve(&program).is_none() {
                    let message = format!("`env` finds no '{program}' in PATH");
                    found.push(
                        about(Finding::error(codes::INTERPRETER_MISSING, message))
                            .advice(install(&program)),
                    );
                }
            }
            Err(finding) => found.push(about(*finding)),
        }
    }
    found.extend(wrong(path, &name).map(about));
    found.extend(line_ends(path, head, SHELLS.contains(&name.as_str())));
    found
}

fn base(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

/// What keeps the kernel from starting the interpreter.
fn interpreter_file(interpreter: &str) -> Option<Finding> {
    let path = Path::new(interpreter);
    if !interpreter.starts_with('/') {
        let message = format!(
            "the interpreter '{interpreter}' is no absolute path: it is looked for in the \
             agent's working directory, not in PATH"
        );
        return Some(
            Finding::error(codes::INTERPRETER_RELATIVE, message)
                .advice(format!("write `#!/usr/bin/env {interpreter}`")),
        );
    }
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => {
            let message = format!("the interpreter '{interpreter}' cannot be run: {error}");
            return Some(
                Finding::error(codes::INTERPRETER_MISSING, message).advice(install(interpreter)),
            );
        }
    };
    if !metadata.is_file() || metadata.permissions().mode() & 0o111 == 0 {
        let message = format!("the interpreter '{interpreter}' is no executable file");
        return Some(
            Finding::error(codes::INTERPRETER_UNUSABLE, message)
                .advice("name the interpreter itself, with its whole path"),
        );
    }
    let head = head(path).unwrap_or_default();
    let foreign = head.starts_with(b"\x7fELF").then(|| program::command(path, &head)).flatten()?;
    foreign.is_problem().then(|| {
        Finding::error(
            codes::INTERPRETER_UNUSABLE,
            format!("the interpreter '{interpreter}' does not run: {}", foreign.message),
        )
        .advice(foreign.advice)
    })
}

/// The program that `env` starts for this one argument, or why it starts none.
fn by_env(argument: &str) -> Result<String, Box<Finding>> {
    let split = ["-S", "--split-string=", "--split-string", "-vS"]
        .iter()
        .find_map(|option| argument.strip_prefix(option));
    let program = match split {
        Some(rest) => {
            rest.split_whitespace().find(|word| !word.starts_with('-') && !word.contains('='))
        }
        None if argument.split_whitespace().count() > 1 => {
            let message = format!(
                "`env` gets '{argument}' as one argument and looks for a program of that name"
            );
            let advice = format!("write `#!/usr/bin/env -S {argument}`");
            let finding = Finding::error(codes::INTERPRETER_ARGUMENTS, message).advice(advice);
            return Err(Box::new(finding));
        }
        None => Some(argument).filter(|argument| !argument.is_empty()),
    };
    program.map(str::to_owned).ok_or_else(|| {
        let finding = Finding::error(codes::INTERPRETER_MISSING, "`env` is given no program");
        Box::new(finding.advice("write `#!/usr/bin/env PROGRAM`"))
    })
}

fn install(program: &str) -> String {
    let name = base(program);
    let near = [format!("{name}3"), name.clone()].into_iter().find_map(|near| resolve(&near));
    match near {
        Some(near) => format!("'{}' is there: write that, or install {program}", near.display()),
        None => format!("install {name}, or name the interpreter that there is"),
    }
}

fn language(path: &Path) -> Option<&'static str> {
    let extension = path.extension()?.to_str()?;
    LANGUAGES.iter().find(|(known, _)| *known == extension).map(|(_, program)| *program)
}

/// An interpreter that is not the one for a file of this name.
fn wrong(path: &Path, name: &str) -> Option<Finding> {
    let is_shell = SHELLS.contains(&name);
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let other =
        LANGUAGES.iter().map(|(_, program)| *program).find(|program| name.starts_with(program));
    let meant = match (language(path), extension) {
        (Some(program), _) if is_shell || other.is_some_and(|other| other != program) => program,
        (None, "sh" | "bash") if other.is_some() => "a shell",
        _ if ["false", "true", "nologin"].contains(&name) => "an interpreter",
        _ => return None,
    };
    let message = format!("the interpreter is '{name}', where the file's name lets expect {meant}");
    Some(
        Finding::warning(codes::INTERPRETER_WRONG, message)
            .advice("correct the first line, or the file's name"),
    )
}

/// CR LF behind the first line.
fn line_ends(path: &Path, head: &[u8], shell: bool) -> Option<Finding> {
    let at = head.windows(2).position(|pair| pair == b"\r\n")?;
    let line = head[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
    let line = Some(u32::try_from(line).unwrap_or(u32::MAX));
    let finding = if shell {
        let message = "the line ends with CR LF: to a shell the CR is a part of the last word";
        Finding::error(codes::SCRIPT_CRLF, message).advice(convert(path))
    } else {
        Finding::info(
            codes::SCRIPT_CRLF,
            "lines end with CR LF, which the interpreter may not mind",
        )
        .advice(convert(path))
    };
    Some(finding.about(path, line))
}

fn convert(path: &Path) -> String {
    format!("sed -i 's/\\r$//' {}", path.display())
}
