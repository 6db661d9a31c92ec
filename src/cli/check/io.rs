//! Scripts that use INPUT or OUTPUT in ways that a memfd does not serve.
//!
//! A memfd is `/proc/<agent>/fd/N`: INPUT can be read and OUTPUT written in place, but neither can
//! be moved or replaced, no file can be made beside it, and no other user can open it. The look is
//! at lines of shell and Python, one at a time, so all that it finds are doubts.

use std::ops::Range;
use std::path::Path;

use mesos_command::config::{Config, EventConfig, IoChoice};
use mesos_command::event::Event;

use super::codes::{self, Code};
use super::finding::Finding;
use super::io_words::{Use, python, shell};

/// What of a command's files are memfds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memfds {
    input: bool,
    output: bool,
}

impl Memfds {
    /// Those of an event's command.
    pub(super) fn of(config: &Config, event: Event, command: &EventConfig) -> Memfds {
        let both = |is_memfd| Memfds { input: is_memfd, output: is_memfd };
        match config.io {
            IoChoice::File => both(false),
            IoChoice::Memfd => both(true),
            IoChoice::Auto => {
                let input = !event.row().in_original && command.user.is_none();
                Memfds { input, output: false }
            }
        }
    }

    fn any(self) -> bool {
        self.input || self.output
    }
}

/// The languages that are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Language {
    Shell,
    Python,
}

impl Language {
    /// By the first line; without one it is shell.
    fn of(head: &[u8]) -> Option<Language> {
        let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let Some(line) = line.strip_prefix(b"#!") else { return Some(Language::Shell) };
        let line = String::from_utf8_lossy(line);
        let name = line.split_whitespace().flat_map(|word| word.rsplit('/').next());
        name.filter(|word| !word.starts_with('-') && *word != "env").find_map(|word| match word {
            "sh" | "dash" | "bash" | "ash" | "ksh" | "mksh" | "zsh" => Some(Language::Shell),
            _ if word.starts_with("python") => Some(Language::Python),
            _ => None,
        })
    }
}

/// Looks at a script that begins with `head`.
pub(super) fn look_at(path: &Path, head: &[u8], memfds: Memfds) -> Vec<Finding> {
    let Some(language) = Language::of(head).filter(|_| memfds.any()) else { return Vec::new() };
    let text = String::from_utf8_lossy(head);
    // Bytes that are no UTF-8 would move the columns.
    if text.len() != head.len() {
        return Vec::new();
    }
    let files = [(1, memfds.input), (2, memfds.output)];
    let mut found = Vec::new();
    for (argument, _) in files.into_iter().filter(|(_, is_memfd)| *is_memfd) {
        let uses: Box<dyn Iterator<Item = _>> = match language {
            Language::Shell => Box::new(shell(&text, argument)),
            Language::Python => Box::new(python(&text, argument)),
        };
        let findings =
            uses.filter_map(|(line, range, how)| finding(path, argument, line, range, how));
        found.extend(findings);
    }
    found
}

fn finding(
    path: &Path,
    argument: u8,
    line: usize,
    range: Range<usize>,
    how: Use,
) -> Option<Finding> {
    let (code, message): (&Code, &str) = match (argument, how) {
        (1, Use::Written | Use::Replaced) => {
            (codes::INPUT_WRITTEN, "INPUT is a sealed memfd here, which nobody can change or move")
        }
        (1, Use::AsPath) => (
            codes::INPUT_AS_PATH,
            "INPUT is /proc/<agent>/fd/N here: no file can be beside it, and it has no directory",
        ),
        (1, Use::AsOtherUser) => (
            codes::INPUT_AS_OTHER_USER,
            "INPUT is /proc/<agent>/fd/N here, which another user cannot open",
        ),
        (2, Use::Replaced) => {
            (codes::OUTPUT_REPLACED, "OUTPUT is a memfd here: nothing can be renamed over it")
        }
        (2, Use::AsPath) => (
            codes::OUTPUT_AS_PATH,
            "OUTPUT is /proc/<agent>/fd/N here: no file can be beside it, and it has no directory",
        ),
        _ => return None,
    };
    let line = u32::try_from(line).ok()?;
    let finding = Finding::warning(code, message).advice(code.advice);
    Some(finding.about(path, Some(line)).columns(range))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(script: &str, input: bool, output: bool) -> Vec<(&'static str, u32)> {
        let memfds = Memfds { input, output };
        let found = look_at(Path::new("/x"), script.as_bytes(), memfds);
        let line = |it: &Finding| it.file.as_ref().and_then(|file| file.line).unwrap_or_default();
        found.iter().map(|it| (it.code.name, line(it))).collect()
    }

    #[test]
    fn what_a_memfd_does_not_serve_is_found() {
        let shell = |body: &str| found(&format!("#!/bin/sh\n{body}\n"), true, true);
        for (body, name) in [
            ("echo x >\"$1\"", "input-written"),
            ("sed -i s/a/b/ $1", "input-written"),
            ("mv \"$1\" /tmp/x", "input-written"),
            ("rm -f \"${1}\"", "input-written"),
            ("cd \"$(dirname \"$1\")\"", "input-as-path"),
            ("cp x \"$1.bak\"", "input-as-path"),
            ("d=${1%/*}", "input-as-path"),
            ("sudo -u nobody cat \"$1\"", "input-as-other-user"),
            ("mv x \"$2\"", "output-replaced"),
            ("jq . \"$1\" >\"$2.tmp\" ", "output-as-path"),
            ("t=$(mktemp \"$2\".XXXX)", "output-as-path"),
        ] {
            assert_eq!(shell(body), [(name, 2)], "{body}");
        }
        assert_eq!(shell("in=$1\nout=\"$2\"\nmv \"$in\" y"), [("input-written", 4)]);
        let python = |body: &str| found(&format!("#!/usr/bin/env python3\n{body}\n"), true, true);
        for (body, name) in [
            ("os.replace(tmp, sys.argv[2])", "output-replaced"),
            ("open(sys.argv[1], 'w')", "input-written"),
            ("d = os.path.dirname(sys.argv[1])", "input-as-path"),
            ("tmp = sys.argv[2] + '.tmp'", "output-as-path"),
        ] {
            assert_eq!(python(body), [(name, 2)], "{body}");
        }
        assert_eq!(
            python("inp, out = sys.argv[1:3]\nos.rename('x', out)"),
            [("output-replaced", 3)]
        );
    }

    #[test]
    fn what_it_serves_is_not() {
        for body in [
            "cat \"$1\"",
            "jq . <\"$1\" >\"$2\"",
            "sudo -u nobody cat <\"$1\"",
            "cp x \"$2\"",
            "# mv x \"$2\"",
            "f() {\n  mv \"$1\" \"$2\"\n}",
            "echo $10",
            "tee \"$2\"",
            "echo \"$1x\" | true",
        ] {
            let text = format!("#!/bin/sh\n{body}\n");
            let found: Vec<_> =
                found(&text, true, true).into_iter().filter(|it| it.0 != "input-as-path").collect();
            assert_eq!(found, [], "{body}");
        }
        assert_eq!(found("#!/bin/sh\nmv x \"$2\"\nmv $1 y\n", false, false), []);
        assert_eq!(found("#!/usr/bin/perl\nmv x \"$2\"\n", true, true), []);
        let python = "#!/usr/bin/python3\nwith open(sys.argv[2], 'w') as f:\n  json.dump(x, f)\n";
        assert_eq!(found(python, true, true), []);
    }

    /// Whatever stands in a script, the look at it ends.
    #[test]
    fn no_script_makes_it_panic() {
        let words = [
            "$1",
            "${1}",
            "$",
            "{",
            "}",
            "\"",
            "'",
            "mv",
            "sed -i",
            " ",
            "\n",
            "=",
            "ü",
            "x",
            "#",
            ">",
            "sys.argv[1]",
            "sys.argv",
            "open(",
            ", ",
            "()",
            "(",
            ")",
            "\t",
            "\u{0}",
            "|",
            "$2.tmp",
            "%/*",
        ];
        // A generator of numbers is enough (Numerical Recipes' constants).
        let mut state = 1u32;
        let mut next = |limit: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize % limit
        };
        let mut some = 0;
        for _ in 0..20_000 {
            let body: String = (0..next(12)).map(|_| words[next(words.len())]).collect();
            for first in ["#!/bin/sh\n", "#!/usr/bin/python3\n", ""] {
                some += found(&format!("{first}{body}"), true, true).len();
            }
        }
        assert!(some > 1000, "{some}");
    }
}
