//! Scripts of Python that are to be run warm: what of them can see a difference (docs/warm.md).
//!
//! The look is at one line at a time, so all that it finds are doubts.

use std::path::Path;

use super::codes;
use super::finding::Finding;

/// Words of a line of code, and what is different there.
const DIFFERENCES: [(&str, &str); 9] = [
    ("sys._getframe(", "below the frames of the script are those of the warm interpreter"),
    ("inspect.stack(", "below the frames of the script are those of the warm interpreter"),
    ("print_stack(", "below the frames of the script are those of the warm interpreter"),
    ("extract_stack(", "below the frames of the script are those of the warm interpreter"),
    ("format_stack(", "below the frames of the script are those of the warm interpreter"),
    ("hash(", "the seed of hash() is the same until the interpreter is started anew"),
    ("gc.get_objects(", "what was there when the process began is frozen, and not among them"),
    ("gc.get_freeze_count(", "what was there when the process began is frozen"),
    ("gc.unfreeze(", "it makes the end of each call as long as that of a plain start"),
];

/// Looks at a script that begins with `head`.
pub(super) fn look_at(path: &Path, head: &[u8]) -> Vec<Finding> {
    let text = String::from_utf8_lossy(head);
    // Bytes that are no UTF-8 would move the columns.
    if text.len() != head.len() {
        return Vec::new();
    }
    let lines = text.lines().enumerate();
    let found = lines.filter_map(|(index, line)| {
        let code = line.split('#').next().unwrap_or_default();
        let (at, word, what) = DIFFERENCES.iter().find_map(|(word, what)| {
            let at = code.find(word)?;
            let before = code[..at].chars().next_back();
            let is_whole = !before.is_some_and(|it| it.is_alphanumeric() || it == '_' || it == '.');
            // A method of that name is another's, but for those that a module is named with.
            (is_whole || word.ends_with("_stack(")).then_some((at, word, what))
        })?;
        let line = u32::try_from(index + 1).ok()?;
        let finding = Finding::info(codes::SCRIPT_WARM, format!("in warm mode {what}"));
        let columns = at..at + word.len() - 1;
        Some(finding.advice(codes::SCRIPT_WARM.advice).about(path, Some(line)).columns(columns))
    });
    found.collect()
}
