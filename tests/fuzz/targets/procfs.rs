//! What the kernel, and with it any process, writes into `/proc`.
//!
//! Input: a letter, and then
//! * `s`: the text of `stat`;
//! * `n`: a program's name, put into a `stat` that must read as if it had another;
//! * `c`: the text of `children`;
//! * else: the lines of a command line's arguments, of `MESOS_WORK_DIR`, of a sandbox of the
//!   agent's and of one that may be another's, separated by line feeds.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use mesos_command::fuzz::{children, is_ours, process_stat};

use super::head;

/// Reads the text, and compares with a plain reader.
pub fn run(data: &[u8]) {
    let Some(([letter], text)) = head(data) else { return };
    match letter {
        b's' => assert_eq!(process_stat(text), plain_stat(text)),
        b'n' => named(text),
        b'c' => listed(&String::from_utf8_lossy(text)),
        _ => owned(text),
    }
}

type Stat = (u8, Option<i32>, Option<i32>, u64);

/// As proc_pid_stat(5) has it: what follows the name is 50 numbers behind a letter, by blanks.
fn plain_stat(text: &[u8]) -> Option<Stat> {
    let mut behind: Vec<u8> =
        text.iter().rev().take_while(|byte| **byte != b')').copied().collect();
    if behind.len() == text.len() {
        return None;
    }
    behind.reverse();
    let behind = String::from_utf8(behind).ok()?;
    let mut fields = behind.split(|c: char| c.is_ascii_whitespace()).filter(|it| !it.is_empty());
    let state = fields.next()?.bytes().next()?;
    let parent: i32 = fields.next()?.parse().ok()?;
    let group: i32 = fields.next()?.parse().ok()?;
    let start: u64 = fields.nth(16)?.parse().ok()?;
    Some((state, (parent > 0).then_some(parent), (group > 0).then_some(group), start))
}

/// Whatever a program calls itself, its numbers are the kernel's.
fn named(name: &[u8]) {
    let text = [
        b"42 (".as_slice(),
        name,
        b") S 7 42 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2\n",
    ]
    .concat();
    assert_eq!(process_stat(&text), Some((b'S', Some(7), Some(42), 987_654)));
}

fn listed(text: &str) {
    let read = children(text);
    let words = text.split(|c: char| c.is_ascii_whitespace());
    let numbers = words.filter_map(|word| word.parse::<i64>().ok());
    let expected: Vec<i32> =
        numbers.filter_map(|it| i32::try_from(it).ok()).filter(|it| *it > 0).collect();
    assert_eq!(read, expected);
}

fn owned(text: &[u8]) {
    let mut lines = text.split(|byte| *byte == b'\n');
    let mut next = || lines.next().unwrap_or_default();
    let (arguments, variable, known, sandbox) = (next(), next(), next(), next());
    let variable = (!variable.is_empty()).then_some(OsStr::from_bytes(variable));
    if is_ours(arguments, variable, &[known], sandbox) {
        // What decides over the removal of a file must be an absolute path below one of them.
        assert!(sandbox.starts_with(b"/"), "a relative sandbox");
        let told: Vec<&[u8]> =
            [arguments, known].into_iter().chain(variable.map(OsStrExt::as_bytes)).collect();
        let marks = [b"/slaves/".as_slice(), b"/containers/"];
        let is_told = |directory: &[u8]| {
            let directory = directory.strip_suffix(b"/").unwrap_or(directory);
            told.iter().any(|text| text.windows(directory.len().max(1)).any(|it| it == directory))
        };
        let places = marks
            .iter()
            .flat_map(|mark| (0..sandbox.len()).filter(move |at| sandbox[*at..].starts_with(mark)));
        assert!(places.map(|at| &sandbox[..at]).any(is_told), "below none that was told");
    }
    // Nothing is known to be ours of nothing.
    assert!(!is_ours(b"", None, &[], sandbox));
}
