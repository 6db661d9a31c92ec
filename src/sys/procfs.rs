//! The little that we read from /proc.
//!
//! A /proc of another pid namespace (a host's, mounted into a container) tells of strangers that
//! have our numbers: then nothing is read from it at all.

use std::fs;
use std::io::Read;
use std::sync::OnceLock;

/// Fields of `/proc/<pid>/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcessStat {
    /// `R`, `S`, `D`, `Z`, …
    pub(crate) state: u8,
    /// The parent.
    pub(crate) parent: i32,
    /// The process group.
    pub(crate) group: i32,
    /// Start, in clock ticks since boot: with the pid, it names a process for ever.
    pub(crate) start: u64,
}

/// Whether the numbers in /proc are those that system calls take.
pub(super) fn is_own_namespace() -> bool {
    static OWN: OnceLock<bool> = OnceLock::new();
    *OWN.get_or_init(|| {
        let own = std::process::id().to_string();
        fs::read_link("/proc/self").is_ok_and(|to| to.as_os_str() == own.as_str())
    })
}

/// Reads `/proc/<pid>/stat`; `None` when there is no such process (or no /proc).
pub(crate) fn process_stat(pid: i32) -> Option<ProcessStat> {
    if !is_own_namespace() {
        return None;
    }
    parse_stat(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_stat(text: &[u8]) -> Option<ProcessStat> {
    // The second field is the program's name in parentheses and may itself hold any byte.
    let end = text.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(text.get(end + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    Some(ProcessStat {
        state: *fields.first()?.as_bytes().first()?,
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        start: fields.get(19)?.parse().ok()?,
    })
}

/// The children of all threads of a process. Empty when it is gone, or when the kernel was built
/// without the list.
pub(crate) fn children(pid: i32) -> Vec<i32> {
    let mut found = Vec::new();
    if !is_own_namespace() {
        return found;
    }
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return found;
    };
    for thread in threads.flatten() {
        if let Ok(text) = fs::read_to_string(thread.path().join("children")) {
            found.extend(text.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
        }
    }
    found
}

/// All processes that we can see.
pub(crate) fn processes() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Reads at most `limit` bytes of a file; empty when it cannot be read.
pub(crate) fn read_small(path: &str, limit: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(file) = fs::File::open(path) {
        // What was read before an error is good enough: the process may be ending.
        let _ = file.take(limit).read_to_end(&mut bytes);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_spaces_and_parentheses_is_no_obstacle() {
        let text = b"42 (a) b (c)) S 7 42 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2";
        let stat = parse_stat(text).expect("well formed");
        assert_eq!(stat, ProcessStat { state: b'S', parent: 7, group: 42, start: 987_654 });
    }

    #[test]
    fn nonsense_is_no_process() {
        assert_eq!(parse_stat(b""), None);
        assert_eq!(parse_stat(b"1 (x) S 1"), None);
    }
}
