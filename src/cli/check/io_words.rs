//! Lines of scripts, and what they do with an argument. No parser: words on one line.

use std::ops::Range;

/// What is done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// It is opened for writing.
    Written,
    /// It is moved, removed, or something takes its name.
    Replaced,
    /// Its directory or a name beside it is used.
    AsPath,
    /// Another user opens it.
    AsOtherUser,
}

const OTHER_USERS: [&str; 8] =
    ["sudo", "su", "runuser", "setpriv", "chroot", "unshare", "nsenter", "doas"];
/// Words before the name of a command.
const BEFORE: [&str; 12] =
    ["then", "do", "else", "elif", "if", "while", "until", "!", "exec", "command", "time", "nice"];

/// Line (from 1), bytes in it, and use of an argument of a shell script.
pub(super) fn shell(text: &str, argument: u8) -> impl Iterator<Item = (usize, Range<usize>, Use)> {
    let (mut names, mut is_in_function) = (vec![argument.to_string()], false);
    let lines = text.lines().enumerate();
    lines.flat_map(move |(index, line)| {
        let code = line.trim_start();
        // In a function, arguments are its own.
        if !is_in_function && code.ends_with('{') && code.contains("()") {
            is_in_function = true;
        } else if is_in_function && line.starts_with('}') {
            is_in_function = false;
        }
        if code.starts_with('#') || is_in_function {
            return Vec::new();
        }
        if let Some(name) = shell_alias(code, &names) {
            names.push(name);
            return Vec::new();
        }
        let references = names.iter().flat_map(|name| shell_references(line, name));
        let used = references.filter_map(|range| Some((shell_use(line, &range)?, range)));
        used.map(|(how, range)| (index + 1, range, how)).collect()
    })
}

/// The name in `NAME=$1`, with or without quotes and `local`.
fn shell_alias(code: &str, names: &[String]) -> Option<String> {
    let code = ["local ", "readonly ", "export "]
        .iter()
        .find_map(|it| code.strip_prefix(it))
        .unwrap_or(code);
    let (name, value) = code.split_once('=')?;
    let value = value.split([';', '#']).next()?.trim().trim_matches('"');
    let is_name =
        !name.is_empty() && name.bytes().all(|it| it == b'_' || it.is_ascii_alphanumeric());
    let is_same = names.iter().any(|it| value == format!("${it}") || value == format!("${{{it}}}"));
    (is_name && is_same).then(|| name.to_owned())
}

/// Where `$NAME` or `${NAME…}` stands.
fn shell_references(line: &str, name: &str) -> Vec<Range<usize>> {
    let bytes = line.as_bytes();
    let is_word =
        |at: usize| bytes.get(at).is_some_and(|it| *it == b'_' || it.is_ascii_alphanumeric());
    let is_number = name.bytes().all(|it| it.is_ascii_digit());
    let mut found = Vec::new();
    for (at, _) in line.match_indices('$') {
        let rest = &line[at + 1..];
        if let Some(braced) = rest.strip_prefix('{') {
            if braced.starts_with(name) && !is_word(at + 2 + name.len()) {
                let end = braced.find('}').map_or(line.len(), |length| at + 3 + length);
                found.push(at..end);
            }
        } else if rest.starts_with(name) {
            let end = at + 1 + name.len();
            // `$10` is `$1` and a 0 to a shell, but hardly to its author.
            let is_longer = if is_number {
                bytes.get(end).is_some_and(u8::is_ascii_digit)
            } else {
                is_word(end)
            };
            if !is_longer {
                found.push(at..end);
            }
        }
    }
    found
}

fn shell_use(line: &str, range: &Range<usize>) -> Option<Use> {
    let (before, after) = (&line[..range.start], &line[range.end..]);
    let opened = before.trim_end_matches('"').trim_end();
    let inner = line[range.clone()].trim_start_matches(['$', '{']).trim_end_matches('}');
    let is_cut = inner.contains(['%', '#', '/']);
    // `"$2.tmp"`, `"$2".tmp`; but a point may end a sentence.
    let tail = after.strip_prefix('"').unwrap_or(after);
    let is_longer = ['.', '_', '-', '/'].into_iter().any(|it| {
        tail.strip_prefix(it)
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
    });
    if is_cut || is_longer {
        return Some(Use::AsPath);
    }
    if opened.ends_with('<') && !opened.ends_with("<<") {
        return None;
    }
    if opened.ends_with('>') || opened.ends_with(">|") {
        return Some(Use::Written);
    }
    let start = before.rfind([';', '|', '&', '(', '`', '{']).map_or(0, |at| at + 1);
    let mut words = before[start..].split_whitespace();
    let command = words.find(|word| !BEFORE.contains(word) && !word.contains('='))?;
    let command = command.rsplit('/').next().unwrap_or(command);
    let has =
        |option: &str| before[start..].split_whitespace().any(|word| word.starts_with(option));
    let rest = after.trim_start_matches('"').trim_start();
    let is_last = rest.is_empty() || rest.starts_with([';', '|', '&', ')', '#', '>', '2']);
    match command {
        "mv" | "rm" | "ln" | "unlink" | "shred" => Some(Use::Replaced),
        "install" if is_last => Some(Use::Replaced),
        "sed" | "perl" if has("-i") || has("--in-place") => Some(Use::Replaced),
        "chmod" | "chown" | "truncate" | "tee" | "touch" => Some(Use::Written),
        "cp" if is_last => Some(Use::Written),
        "dirname" | "basename" | "cd" | "realpath" => Some(Use::AsPath),
        command if OTHER_USERS.contains(&command) => Some(Use::AsOtherUser),
        _ => None,
    }
}

/// The same of a Python script.
pub(super) fn python(text: &str, argument: u8) -> impl Iterator<Item = (usize, Range<usize>, Use)> {
    let mut names = vec![format!("sys.argv[{argument}]"), format!("argv[{argument}]")];
    let lines = text.lines().enumerate();
    lines.flat_map(move |(index, line)| {
        let code = line.trim_start();
        if code.starts_with('#') {
            return Vec::new();
        }
        if let Some(name) = python_alias(code, &names, argument) {
            names.push(name);
            return Vec::new();
        }
        let mut found: Vec<_> = names
            .iter()
            .flat_map(|name| python_references(line, name))
            .filter_map(|range| Some((index + 1, range.clone(), python_use(line, &range)?)))
            .collect();
        // `sys.argv[1]` has `argv[1]` in it.
        found.dedup_by(|one, other| one.1.end == other.1.end);
        found
    })
}

/// The name in `NAME = sys.argv[1]`, `a, b = sys.argv[1:3]` or `_, a, b, c = sys.argv`.
fn python_alias(code: &str, names: &[String], argument: u8) -> Option<String> {
    let (left, right) = code.split_once('=')?;
    let right = right.split('#').next()?.trim();
    let all: Vec<&str> = left.split(',').map(str::trim).collect();
    let is_name = |name: &&str| {
        !name.is_empty() && name.bytes().all(|it| it == b'_' || it.is_ascii_alphanumeric())
    };
    if !all.iter().all(is_name) {
        return None;
    }
    let argument = usize::from(argument);
    let name = match right {
        _ if all.len() == 1 && names.iter().any(|it| it == right) => all[0],
        "sys.argv" | "argv" if all.len() > argument => all[argument],
        _ if right.starts_with("sys.argv[1:") && all.len() >= argument => all[argument - 1],
        _ => return None,
    };
    Some(name.to_owned())
}

fn python_references(line: &str, name: &str) -> Vec<Range<usize>> {
    let bytes = line.as_bytes();
    let is_word = |it: Option<&u8>| it.is_some_and(|it| *it == b'_' || it.is_ascii_alphanumeric());
    line.match_indices(name)
        .map(|(at, _)| at..at + name.len())
        .filter(|it| {
            let before = it.start.checked_sub(1).and_then(|at| bytes.get(at));
            !is_word(before) && before != Some(&b'.') && !is_word(bytes.get(it.end))
        })
        .collect()
}

fn python_use(line: &str, range: &Range<usize>) -> Option<Use> {
    let (before, after) = (&line[..range.start], line[range.end..].trim_start());
    let function = before.rsplit_once('(').map_or("", |(function, _)| function);
    let ends = |names: &[&str]| names.iter().any(|name| function.ends_with(name));
    if ends(&["os.rename", "os.replace", "shutil.move", "os.remove", "os.unlink", "os.link"]) {
        return Some(Use::Replaced);
    }
    if ends(&["path.dirname", "path.basename"])
        || after.starts_with("+ ")
        || after.starts_with(").parent")
    {
        return Some(Use::AsPath);
    }
    let mode = after.strip_prefix(',').map(|rest| rest.trim_start().trim_start_matches("mode="));
    let writes = mode.is_some_and(|mode| {
        ["\"w", "'w", "\"a", "'a", "\"r+", "'r+"].iter().any(|it| mode.starts_with(it))
    });
    (ends(&["open"]) && writes).then_some(Use::Written)
}
