//! Scripts that can be run in processes forked from their interpreter, by their first line.
//!
//! What the kernel makes of a first line: Linux `fs/binfmt_script.c`. What `env -S` makes of its
//! argument: coreutils. What the options of Python mean: `python3 --help`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The longest first line that the kernel reads, with its `#!`.
const LONGEST_LINE: usize = 255;
/// Options of Python, each a letter, that leave a script to be run as it is.
const LETTERS: &[u8] = b"BbdEIOPRqsu";
/// The same for `-X`.
const EXTRAS: [&str; 8] = [
    "faulthandler",
    "frozen_modules",
    "int_max_str_digits",
    "no_debug_ranges",
    "pycache_prefix",
    "tracemalloc",
    "utf8",
    "warn_default_encoding",
];

/// Why a command cannot be run warm.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotWarm {
    /// It is shell text, or not named by its whole path.
    #[error("the command must be named by its absolute path")]
    NoPath,
    /// It has no `#!`.
    #[error("it does not begin with `#!` and the path of a Python interpreter")]
    NoFirstLine,
    /// The kernel would cut the line off.
    #[error("its first line is longer than the 255 bytes that the kernel reads")]
    LongLine,
    /// It is a shell's.
    #[error(
        "it is a script of {0}, and a shell cannot be forked for a call without a trace: `$$` would \
         be the number of another process, the same in each call"
    )]
    Shell(String),
    /// It is in another language, or for another version.
    #[error("its interpreter is '{0}', and only scripts of python3 can be run warm")]
    Other(String),
    /// An option that changes what is run.
    #[error(
        "the option '{0}' of its first line cannot be kept: accepted are -B, -b, -d, -E, -I, -O, -P, -R, -q, -s, -u, -W… and -X…"
    )]
    Option(String),
}

/// A script that can be run warm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WarmScript {
    /// Its path.
    pub path: OsString,
    /// Its first line, without the end of the line.
    pub line: Vec<u8>,
    /// What the kernel executes, up to the script's path.
    front: Vec<OsString>,
    /// Its interpreter is found by `env`, and has its own name then.
    by_env: bool,
}

impl WarmScript {
    /// Reads the first line of the script `path`, which begins with `head`.
    ///
    /// # Errors
    /// When it cannot be run warm.
    pub fn of(path: &OsStr, head: &[u8]) -> Result<WarmScript, NotWarm> {
        if !path.as_bytes().starts_with(b"/") {
            return Err(NotWarm::NoPath);
        }
        let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let rest = line.strip_prefix(b"#!").ok_or(NotWarm::NoFirstLine)?;
        if line.len() > LONGEST_LINE {
            return Err(NotWarm::LongLine);
        }
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        let rest = trim(rest, is_blank);
        let end = rest.iter().position(is_blank).unwrap_or(rest.len());
        let (program, argument) = rest.split_at(end);
        let argument = trim(argument, is_blank);
        let by_env = name(program) == b"env";
        if by_env {
            check_env(argument)?;
        } else {
            check_program(program)?;
            if !argument.is_empty() {
                check_option(argument)?;
            }
        }
        let front = [program, argument].into_iter().filter(|part| !part.is_empty());
        let front = front.map(|part| OsString::from_vec(part.to_vec())).collect();
        Ok(WarmScript { path: path.to_owned(), line: line.to_vec(), front, by_env })
    }

    /// The arguments with which its interpreter is started to execute `text` instead.
    pub(crate) fn arguments(&self, text: &str) -> Vec<OsString> {
        let mut arguments = self.front.clone();
        arguments.extend(["-c".into(), text.into(), self.path.clone()]);
        arguments
    }

    /// The name that the kernel gives the process; empty: that of the interpreter.
    pub(crate) fn process_name(&self) -> &[u8] {
        if self.by_env { b"" } else { name(self.path.as_bytes()) }
    }
}

fn trim(text: &[u8], is_blank: impl Fn(&u8) -> bool) -> &[u8] {
    let begin = text.iter().position(|byte| !is_blank(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_blank(byte)).map_or(begin, |last| last + 1);
    &text[begin..end]
}

fn name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

fn check_program(program: &[u8]) -> Result<(), NotWarm> {
    let name = name(program);
    match name.strip_prefix(b"python3") {
        Some([]) => Ok(()),
        Some([b'.', digits @ ..]) if digits.iter().all(u8::is_ascii_digit) => Ok(()),
        _ if matches!(name, b"sh" | b"dash" | b"bash" | b"ash" | b"ksh" | b"mksh" | b"zsh") => {
            Err(NotWarm::Shell(shown(name)))
        }
        _ if program.is_empty() => Err(NotWarm::NoFirstLine),
        _ => Err(NotWarm::Other(shown(program))),
    }
}

/// `env` gets all that stands behind it as one argument.
fn check_env(argument: &[u8]) -> Result<(), NotWarm> {
    let Some(split) = argument.strip_prefix(b"-S") else { return check_program(argument) };
    if split.iter().any(|byte| b"\\'\"$#=".contains(byte)) {
        return Err(NotWarm::Option(shown(argument)));
    }
    let mut words = split.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    check_program(words.next().unwrap_or_default())?;
    words.try_for_each(check_option)
}

fn check_option(option: &[u8]) -> Result<(), NotWarm> {
    let is_kept = match option {
        [b'-', b'W', _, ..] => true,
        [b'-', b'X', extra @ ..] => {
            let extra = shown(extra.trim_ascii());
            EXTRAS.contains(&extra.split('=').next().unwrap_or_default())
        }
        [b'-', letters @ ..] => {
            !letters.is_empty() && letters.iter().all(|letter| LETTERS.contains(letter))
        }
        _ => false,
    };
    if is_kept { Ok(()) } else { Err(NotWarm::Option(shown(option))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(head: &str) -> Result<WarmScript, NotWarm> {
        WarmScript::of(OsStr::new("/opt/usage.py"), head.as_bytes())
    }

    #[test]
    fn scripts_of_python_are_started_as_the_kernel_starts_them() {
        for (head, front, name) in [
            ("#!/usr/bin/python3\nimport os\n", &["/usr/bin/python3"][..], "usage.py"),
            ("#! /usr/bin/python3.11 \t-Es \n", &["/usr/bin/python3.11", "-Es"], "usage.py"),
            (
                "#!/opt/venv/bin/python3 -W ignore",
                &["/opt/venv/bin/python3", "-W ignore"],
                "usage.py",
            ),
            ("#!/usr/bin/python3 -X utf8=1", &["/usr/bin/python3", "-X utf8=1"], "usage.py"),
            ("#!/usr/bin/env python3\n", &["/usr/bin/env", "python3"], ""),
            ("#!/usr/bin/env -S python3 -u -O", &["/usr/bin/env", "-S python3 -u -O"], ""),
        ] {
            let script = script(head).expect(head);
            let arguments = script.arguments("text");
            let (own, rest) = arguments.split_at(front.len());
            assert_eq!(own, front, "{head}");
            assert_eq!(rest, ["-c", "text", "/opt/usage.py"]);
            assert_eq!(script.process_name(), name.as_bytes(), "{head}");
            assert_eq!(script.line, head.split('\n').next().unwrap_or_default().as_bytes());
        }
    }

    #[test]
    fn what_cannot_be_run_warm_is_refused_with_its_reason() {
        let other = |text: &str| NotWarm::Other(text.to_owned());
        let option = |text: &str| NotWarm::Option(text.to_owned());
        for (head, why) in [
            ("import os\n", NotWarm::NoFirstLine),
            ("#!\n", NotWarm::NoFirstLine),
            ("#!/bin/sh\n", NotWarm::Shell("sh".to_owned())),
            ("#!/usr/bin/env bash", NotWarm::Shell("bash".to_owned())),
            ("#!/usr/bin/python\n", other("/usr/bin/python")),
            ("#!/usr/bin/python2.7\n", other("/usr/bin/python2.7")),
            ("#!/usr/bin/python3-config\n", other("/usr/bin/python3-config")),
            ("#!/usr/bin/perl\n", other("/usr/bin/perl")),
            ("#!/usr/bin/env python3 -u", other("python3 -u")),
            ("#!/usr/bin/python3 -i", option("-i")),
            ("#!/usr/bin/python3 -m", option("-m")),
            ("#!/usr/bin/python3 -u -s", option("-u -s")),
            ("#!/usr/bin/python3 -S", option("-S")),
            ("#!/usr/bin/python3 -X importtime", option("-X importtime")),
            ("#!/usr/bin/python3 -X dev", option("-X dev")),
            ("#!/usr/bin/env -S A=1 python3", option("-S A=1 python3")),
            ("#!/usr/bin/env -S python3 -c", option("-c")),
        ] {
            assert_eq!(script(head), Err(why), "{head}");
        }
        let long = format!("#!/{}/python3", "x".repeat(300));
        assert_eq!(script(&long), Err(NotWarm::LongLine));
        let relative = WarmScript::of(OsStr::new("usage.py"), b"#!/usr/bin/python3\n");
        assert_eq!(relative, Err(NotWarm::NoPath));
    }
}
