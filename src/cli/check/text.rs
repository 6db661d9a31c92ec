//! The bytes of a modules file, and what its reader remarks.

use mesos_command::config::modules_file::{ModulesFile, Oddity};

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
                Finding::error("modules-bom", message)
                    .advice("save it as UTF-8 without byte order mark")
                    .at(&Place::line(1)),
            );
            return found;
        }
    }
    if std::str::from_utf8(text).is_err() {
        let message = "the file is no UTF-8: Mesos passes the bytes on as they are, the tool shows \
                       them as U+FFFD";
        found.push(Finding::warning("modules-encoding", message).advice("save it as UTF-8"));
    }
    if text.windows(2).any(|pair| pair == b"\r\n") {
        let message =
            "lines end with CR LF, which does no harm here; scripts with such lines do not run";
        found.push(Finding::info("modules-crlf", message).at(&Place::line(1)));
    }
    found
}

/// What Mesos refuses, and what it takes in silence.
pub(super) fn remarks(file: &ModulesFile) -> Vec<Finding> {
    let problems = file.problems.iter().map(|problem| {
        let path =
            if problem.path.is_empty() { String::new() } else { format!("{}: ", problem.path) };
        Finding::error("modules-file", format!("{path}{}; Mesos refuses the file", problem.what))
            .at(&Place::line(problem.line))
    });
    let oddities = file
        .oddities
        .iter()
        .map(|oddity| odd(&oddity.path, oddity.what).at(&Place::line(oddity.line)));
    problems.chain(oddities).collect()
}

fn odd(path: &str, what: Oddity) -> Finding {
    match what {
        Oddity::UnknownKey if is_comment(path) => {
            Finding::info("modules-comment", format!("'{path}' is ignored"))
        }
        Oddity::UnknownKey => {
            let message = format!("Mesos does not know '{path}' and ignores it");
            let known = "libraries, file, name, modules, parameters, key and value";
            let advice = format!("known are {known}, spelt exactly so");
            Finding::warning("modules-unknown-key", message).advice(advice)
        }
        Oddity::RepeatedKey => {
            let message = format!("'{path}' stands here again; the last one counts");
            Finding::warning("modules-repeated-key", message).advice("keep one")
        }
        Oddity::Null => {
            let message = format!("'{path}' is null, which is as if it were not there");
            Finding::info("modules-null", message)
        }
        Oddity::NoList => {
            let message =
                format!("'{path}' is a single object, which Mesos takes for a list of one");
            Finding::info("modules-no-list", message)
        }
        Oddity::ListInList => {
            let message = format!("'{path}' is a list in a list, which Mesos flattens");
            Finding::info("modules-list-in-list", message)
        }
    }
}

/// Keys that people write for people.
fn is_comment(path: &str) -> bool {
    let key = path.rsplit('.').next().unwrap_or(path);
    key.starts_with(['_', '#', '/']) || key.eq_ignore_ascii_case("comment")
}
