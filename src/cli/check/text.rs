//! The bytes of a modules file, and what its reader remarks.

use mesos_command::config::json::Span;
use mesos_command::config::modules_file::{ModulesFile, Oddity, Remark};

use super::codes;
use super::finding::{Finding, Place};

/// The encodings that editors write and Mesos does not read.
pub(super) const MARKS: [(&[u8], &str); 3] =
    [(b"\xef\xbb\xbf", "UTF-8"), (b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16")];

/// Looks at the encoding and the line ends.
pub(super) fn look_at(text: &[u8]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (mark, encoding) in MARKS {
        if text.starts_with(mark) {
            let message = format!(
                "the file begins with the byte order mark of {encoding}, which Mesos refuses"
            );
            found.push(
                Finding::error(codes::MODULES_BOM, message)
                    .advice("save it as UTF-8 without byte order mark")
                    .at(&Place::span(Span { start: 0, end: mark.len() })),
            );
            if encoding == "UTF-8" {
                let mark = Span { start: 0, end: mark.len() };
                found = found.into_iter().map(|finding| finding.fix(mark, "")).collect();
            }
            return found;
        }
    }
    if std::str::from_utf8(text).is_err() {
        let message = "the file is no UTF-8: Mesos passes the bytes on as they are, the tool shows \
                       them as U+FFFD";
        found.push(Finding::warning(codes::MODULES_ENCODING, message).advice("save it as UTF-8"));
    }
    if let Some(at) = text.windows(2).position(|pair| pair == b"\r\n") {
        let message =
            "lines end with CR LF, which does no harm here; scripts with such lines do not run";
        found.push(
            Finding::info(codes::MODULES_CRLF, message)
                .at(&Place::span(Span { start: at, end: at + 1 })),
        );
    }
    found
}

/// What Mesos refuses, and what it takes in silence; `text` is what the file was read from.
pub(super) fn remarks(file: &ModulesFile, text: &[u8]) -> Vec<Finding> {
    let problems = file.problems.iter().map(|problem| refused(problem, text));
    let oddities = file
        .oddities
        .iter()
        .map(|oddity| odd(&oddity.path, oddity.what).at(&Place::span(oddity.span)));
    problems.chain(oddities).collect()
}

fn refused(problem: &Remark<String>, text: &[u8]) -> Finding {
    let path = if problem.path.is_empty() { String::new() } else { format!("{}: ", problem.path) };
    let message = format!("{path}{}; Mesos refuses the file", problem.what);
    let finding = Finding::error(codes::MODULES_SYNTAX, message).at(&Place::span(problem.span));
    match mended(problem, text) {
        Some((span, text, advice)) => finding.fix(span, text).advice(advice),
        None => finding,
    }
}

/// What can be mended without knowing what was meant: a number without quotes, a comma too many.
fn mended(problem: &Remark<String>, text: &[u8]) -> Option<(Span, String, String)> {
    let Span { start, end } = problem.span;
    let meant = text.get(start..end)?;
    let is_number = meant.first().is_some_and(|byte| b"-0123456789".contains(byte));
    if is_number && problem.what.starts_with("a number where a string") {
        let number = String::from_utf8_lossy(meant);
        return Some((problem.span, format!("\"{number}\""), format!("write \"{number}\"")));
    }
    if problem.what.ends_with("(a comma too many?)") {
        let before = text[..start].trim_ascii_end();
        let at = before.len().checked_sub(1).filter(|at| before[*at] == b',')?;
        let span = Span { start: at, end: at + 1 };
        return Some((span, String::new(), "take the comma before it away".to_owned()));
    }
    None
}

fn odd(path: &str, what: Oddity) -> Finding {
    match what {
        Oddity::UnknownKey if is_comment(path) => {
            Finding::info(codes::MODULES_COMMENT, format!("'{path}' is ignored"))
        }
        Oddity::UnknownKey => {
            let message = format!("Mesos does not know '{path}' and ignores it");
            let known = "libraries, file, name, modules, parameters, key and value";
            let advice = format!("known are {known}, spelt exactly so");
            Finding::warning(codes::MODULES_UNKNOWN_KEY, message).advice(advice)
        }
        Oddity::RepeatedKey => {
            let message = format!("'{path}' stands here again; the last one counts");
            Finding::warning(codes::MODULES_REPEATED_KEY, message).advice("keep one")
        }
        Oddity::Null => {
            let message = format!("'{path}' is null, which is as if it were not there");
            Finding::info(codes::MODULES_NULL, message)
        }
        Oddity::NoList => {
            let message =
                format!("'{path}' is a single object, which Mesos takes for a list of one");
            Finding::info(codes::MODULES_NO_LIST, message)
        }
        Oddity::ListInList => {
            let message = format!("'{path}' is a list in a list, which Mesos flattens");
            Finding::info(codes::MODULES_LIST_IN_LIST, message)
        }
    }
}

/// Keys that people write for people.
fn is_comment(path: &str) -> bool {
    let key = path.rsplit('.').next().unwrap_or(path);
    key.starts_with(['_', '#', '/']) || key.eq_ignore_ascii_case("comment")
}
