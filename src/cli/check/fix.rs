//! `check --fix`: the corrected text, written beside the old one.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::finding::{Edit, Finding};
use crate::source::Source;

/// How often a text is corrected and looked at again: one mistake may hide another.
pub(super) const ROUNDS: usize = 64;

/// The text with all edits that do not overlap; `None` when there is none.
pub(super) fn apply(text: &[u8], findings: &[Finding], source: usize) -> Option<Vec<u8>> {
    let mut edits: Vec<&Edit> = findings
        .iter()
        .filter(|finding| finding.place.source == source)
        .filter_map(|finding| finding.fix.as_ref())
        .collect();
    edits.sort_by_key(|edit| edit.span);
    let (mut fixed, mut at) = (Vec::with_capacity(text.len()), 0);
    for edit in &edits {
        let span = edit.span;
        if span.start < at || span.end > text.len() {
            continue;
        }
        fixed.extend(&text[at..span.start]);
        fixed.extend(edit.text.as_bytes());
        at = span.end;
    }
    fixed.extend(&text[at..]);
    (!edits.is_empty() && fixed != text).then_some(fixed)
}

/// Where the corrected text is written: `modules.json.fixed`. Beside a file of a `--modules_dir` it
/// would be loaded too, so there it is written to `DIRECTORY.fixed/NAME`.
pub(super) fn target(path: &Path, of_directory: bool) -> anyhow::Result<PathBuf> {
    let (Some(name), Some(parent)) = (path.file_name(), path.parent()) else {
        bail!("'{}' has no name", path.display())
    };
    let mut suffixed = name.to_owned();
    suffixed.push(".fixed");
    match (of_directory, parent.file_name()) {
        (true, Some(directory)) => {
            let mut directory = directory.to_owned();
            directory.push(".fixed");
            Ok(parent.with_file_name(directory).join(name))
        }
        _ => Ok(path.with_file_name(suffixed)),
    }
}

/// Writes the corrected text of a source.
///
/// # Errors
/// When it is no file, or cannot be written.
pub(super) fn write(source: &Source, fixed: &[u8], of_directory: bool) -> anyhow::Result<PathBuf> {
    let Some(path) = &source.path else {
        bail!("{} is on the command line; --fix corrects files", source.name)
    };
    let target = target(path, of_directory)?;
    let directory = target.parent().unwrap_or(Path::new("."));
    if of_directory {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("'{}' cannot be made", directory.display()))?;
    }
    // A reader sees the old text or the new one, and never a half.
    let place = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let mut file = tempfile::NamedTempFile::new_in(place)
        .with_context(|| format!("'{}' cannot be written", target.display()))?;
    std::io::Write::write_all(&mut file, fixed)?;
    let permissions = std::fs::metadata(path)?.permissions();
    file.as_file().set_permissions(permissions)?;
    file.persist(&target).with_context(|| format!("'{}' cannot be written", target.display()))?;
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::super::codes;
    use super::*;
    use mesos_command::config::json::Span;

    #[test]
    fn edits_that_overlap_are_left_for_the_next_round() {
        let finding = |start, end, text: &str| {
            Finding::error(codes::PARAMETER_UNKNOWN, "x").fix(Span { start, end }, text)
        };
        let findings = [finding(2, 4, "XY"), finding(0, 1, ""), finding(3, 5, "Z")];
        assert_eq!(apply(b"abcdef", &findings, 0).as_deref(), Some(&b"bXYef"[..]));
        assert_eq!(apply(b"abcdef", &findings, 1), None);
        assert_eq!(apply(b"abcdef", &[], 0), None);
    }

    #[test]
    fn the_corrected_file_is_never_loaded_with_the_others() {
        let target =
            |path: &str, of_directory| target(Path::new(path), of_directory).expect("a name");
        assert_eq!(target("/a/m.json", false), Path::new("/a/m.json.fixed"));
        assert_eq!(target("/a/d/m.json", true), Path::new("/a/d.fixed/m.json"));
    }
}
