//! What the text of a command names.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use mesos_command::command::CommandLine;
use nix::sys::statvfs::{FsFlags, statvfs};

use super::codes;
use super::finding::Finding;
use super::found::resolve;
use super::{permissions, program, script};

/// Looks at a command; with `files` at the file that it names too.
pub(super) fn look_at(command: &CommandLine, strict: bool, files: bool) -> Vec<Finding> {
    // It comes from text.
    let text = command.text().to_str().unwrap_or_default();
    let mut found = match command {
        CommandLine::Shell(_) => first_word(text, files),
        CommandLine::Path(_) => path(text, files),
    };
    if files {
        found.extend(permissions::command(command, strict));
    }
    found
}

/// Shell text (the watch command may be that): its first word, where that is plain.
fn first_word(text: &str, files: bool) -> Vec<Finding> {
    let word = text.split_whitespace().next().unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if !files || !word.starts_with('/') || !word.chars().all(plain) {
        return Vec::new();
    }
    file(Path::new(word), word)
}

fn path(text: &str, files: bool) -> Vec<Finding> {
    let trimmed = text.trim();
    if trimmed != text {
        let message = format!("blanks around '{trimmed}': they are taken for a part of the path");
        return vec![
            Finding::error(codes::COMMAND_BLANKS, message).advice(format!("write \"{trimmed}\"")),
        ];
    }
    if let Some(quote) = ['"', '\'']
        .into_iter()
        .find(|quote| text.len() > 1 && text.starts_with(*quote) && text.ends_with(*quote))
    {
        let bare = text.trim_matches(quote);
        let message = format!("quotes around {bare}: no shell takes them away");
        return vec![
            Finding::error(codes::COMMAND_QUOTED, message).advice(format!("write \"{bare}\"")),
        ];
    }
    if !files {
        return arguments(text, false).into_iter().chain(relative(text)).collect();
    }
    if !text.contains('/') {
        return in_path(text);
    }
    let named = Path::new(text);
    let mut found: Vec<Finding> = relative(text).into_iter().collect();
    if named.exists() || found.is_empty() {
        found.extend(file(named, text));
    } else if let Some(finding) = arguments(text, true) {
        found = vec![finding];
    }
    found
}

/// A path with a slash that does not begin with one.
fn relative(text: &str) -> Option<Finding> {
    (text.contains('/') && !text.starts_with('/')).then(|| {
        let message =
            format!("'{text}' is relative to the directory in which the agent is started");
        Finding::warning(codes::COMMAND_RELATIVE, message).advice("write the absolute path")
    })
}

/// A program and its arguments in one text. With `sure`, the program is there and the whole is not.
fn arguments(text: &str, files: bool) -> Option<Finding> {
    let word = text.split_whitespace().next().filter(|word| *word != text)?;
    let is_program = if files {
        resolve(word).is_some_and(|path| path.is_file())
    } else {
        !word.starts_with('/')
    };
    let rest = text[word.len()..].trim();
    (is_program || rest.starts_with(['-', '/'])).then(|| {
        let message = format!(
            "'{text}' is taken for one path: a command is never split into program and arguments"
        );
        let script = rest.split_whitespace().find(|word| word.starts_with('/'));
        let advice = match script {
            Some(script) => format!(
                "name '{script}' itself, with `#!/usr/bin/env {}` as its first line and `chmod +x`",
                Path::new(word).file_name().unwrap_or(OsStr::new(word)).to_string_lossy()
            ),
            None => {
                format!("name a script of two lines instead: `#!/bin/sh` and `exec {text} \"$@\"`")
            }
        };
        Finding::error(codes::COMMAND_ARGUMENTS, message).advice(advice)
    })
}

fn in_path(text: &str) -> Vec<Finding> {
    match resolve(text) {
        Some(found) => {
            let message = format!(
                "'{text}' is looked up in the PATH of the agent; in this one it is {}",
                found.display()
            );
            let mut findings = vec![
                Finding::info(codes::COMMAND_SEARCHED, message).advice("write the absolute path"),
            ];
            findings.extend(file(&found, text));
            findings
        }
        None => vec![arguments(text, true).unwrap_or_else(|| {
            let message = format!("'{text}' is in no directory of PATH");
            Finding::error(codes::COMMAND_MISSING, message).advice("write the absolute path")
        })],
    }
}

/// The file that is executed.
fn file(path: &Path, text: &str) -> Vec<Finding> {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => return vec![not_there(path, text, &error)],
    };
    let kind = metadata.file_type();
    if !metadata.is_file() {
        let what = match kind {
            kind if kind.is_dir() => "a directory",
            kind if kind.is_fifo() => "a named pipe",
            kind if kind.is_socket() => "a socket",
            _ => "a device",
        };
        let finding =
            Finding::error(codes::COMMAND_NO_FILE, format!("it is {what} and no program"));
        return vec![finding.about(path, None).advice("name the program itself")];
    }
    let mut found = Vec::new();
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o111 == 0 {
        let message = format!("it is not executable (mode {mode:04o})");
        let advice = format!("chmod +x {}", path.display());
        found.push(
            Finding::error(codes::COMMAND_NOT_EXECUTABLE, message).about(path, None).advice(advice),
        );
    } else if statvfs(path).is_ok_and(|it| it.flags().contains(FsFlags::ST_NOEXEC)) {
        let message = "it is on a file system that is mounted noexec";
        let advice = "move it to another file system, or mount this one without noexec";
        found.push(
            Finding::error(codes::COMMAND_NOT_EXECUTABLE, message).about(path, None).advice(advice),
        );
    }
    found.extend(contents(path));
    found
}

/// A program or a script, by how it begins.
fn contents(path: &Path) -> Vec<Finding> {
    match script::head(path) {
        Err(error) => {
            let message = format!("it cannot be read: {error}");
            vec![Finding::warning(codes::COMMAND_UNREADABLE, message).about(path, None)]
        }
        Ok(head) if head.starts_with(b"\x7fELF") => {
            program::command(path, &head).into_iter().collect()
        }
        Ok(head) => script::look_at(path, &head),
    }
}

fn not_there(path: &Path, text: &str, error: &std::io::Error) -> Finding {
    if let Ok(to) = std::fs::read_link(path) {
        let message = format!("it is a link to '{}', which does not exist", to.display());
        return Finding::error(codes::COMMAND_MISSING, message)
            .about(path, None)
            .advice("mend the link");
    }
    if let Some(finding) = arguments(text, true) {
        return finding;
    }
    if text.starts_with('~') || text.contains(['$', '`']) {
        let message = format!("'{text}' does not exist: no shell expands it");
        return Finding::error(codes::COMMAND_NOT_EXPANDED, message).advice("write the path out");
    }
    let missing = path.ancestors().skip(1).take_while(|parent| !parent.exists()).last();
    let message = match (error.kind(), missing) {
        (ErrorKind::NotFound, Some(parent)) if !parent.as_os_str().is_empty() => {
            format!("it does not exist, nor does '{}'", parent.display())
        }
        (ErrorKind::NotFound, _) => "it does not exist".to_owned(),
        _ => format!("it cannot be reached: {error}"),
    };
    Finding::error(codes::COMMAND_MISSING, message)
        .about(path, None)
        .advice("install it, or correct the path")
}
