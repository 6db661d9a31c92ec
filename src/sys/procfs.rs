//! The little that we read from /proc.
//!
//! A /proc of another pid namespace (a host's, mounted into a container) lists processes of others
//! that have our numbers: then nothing is read from it at all.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::sync::OnceLock;
use std::time::Instant;

use super::process_id::{Pid, ProcessGroup};

/// Fields of `/proc/<pid>/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcessStat {
    /// `R`, `S`, `D`, `Z`, …
    pub(crate) state: u8,
    /// The parent; `None` when it is in another pid namespace.
    pub(crate) parent: Option<Pid>,
    /// The process group; `None` when it is of another pid namespace.
    pub(crate) group: Option<ProcessGroup>,
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
pub(crate) fn process_stat(pid: Pid) -> Option<ProcessStat> {
    if !is_own_namespace() {
        return None;
    }
    parse_stat(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// The same of the process that has this number since `start`; `None` also when another has it now.
pub(crate) fn stat_since(pid: Pid, start: u64) -> Option<ProcessStat> {
    process_stat(pid).filter(|stat| stat.start == start)
}

pub(crate) fn parse_stat(text: &[u8]) -> Option<ProcessStat> {
    // The second field is the program's name in parentheses and may itself hold any byte.
    let end = text.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(text.get(end + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    Some(ProcessStat {
        state: *fields.first()?.as_bytes().first()?,
        parent: Pid::from_raw(fields.get(1)?.parse().ok()?),
        group: ProcessGroup::from_raw(fields.get(2)?.parse().ok()?),
        start: fields.get(19)?.parse().ok()?,
    })
}

/// The memory that a process has resident, in bytes; `None` when that cannot be read.
pub(crate) fn resident_bytes(pid: Pid) -> Option<u64> {
    if !is_own_namespace() {
        return None;
    }
    parse_resident(&read_small(&format!("/proc/{pid}/status"), 8192))
}

fn parse_resident(status: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Who is whose child: by the lists that the kernel keeps, or, where it keeps none, by a scan of
/// all processes.
#[derive(Debug)]
pub(crate) struct Family {
    scan: Option<Scan>,
}

/// What a scan has found: children by their parent. Made when it is first asked for.
#[derive(Debug)]
struct Scan {
    first: Pid,
    until: Instant,
    children: Option<HashMap<Pid, Vec<Pid>>>,
}

impl Family {
    /// For a look at the descendants of `leader`. A scan, if there is to be one, begins with the
    /// processes that were started after it and ends at `until`, then without the rest.
    pub(crate) fn new(leader: Pid, until: Instant) -> Family {
        let scan = (!has_lists()).then_some(Scan { first: leader, until, children: None });
        Family { scan }
    }

    /// The children of all threads of a process; empty when it is gone.
    pub(crate) fn children(&mut self, pid: Pid) -> Vec<Pid> {
        if !is_own_namespace() {
            return Vec::new();
        }
        match &mut self.scan {
            None => listed_children(pid),
            Some(scan) => scan.children_of(pid),
        }
    }
}

impl Scan {
    fn children_of(&mut self, pid: Pid) -> Vec<Pid> {
        let (first, until) = (self.first, self.until);
        let found = self.children.get_or_insert_with(|| {
            let mut all = processes();
            let later = all.iter().position(|pid| *pid >= first).unwrap_or(0);
            all.rotate_left(later);
            let mut found: HashMap<Pid, Vec<Pid>> = HashMap::new();
            for pid in all {
                if let Some(parent) = process_stat(pid).and_then(|stat| stat.parent) {
                    found.entry(parent).or_default().push(pid);
                }
                if Instant::now() >= until {
                    break;
                }
            }
            found
        });
        found.get(&pid).cloned().unwrap_or_default()
    }
}

/// Whether the kernel lists the children of threads: before Linux 4.2 only if it was built to
/// checkpoint processes.
fn has_lists() -> bool {
    static LISTS: OnceLock<bool> = OnceLock::new();
    #[cfg(test)]
    if tests::WITHOUT_LISTS.get() {
        return false;
    }
    *LISTS.get_or_init(|| {
        let own = std::process::id();
        let has = fs::metadata(format!("/proc/{own}/task/{own}/children")).is_ok();
        if !has && is_own_namespace() {
            tracing::warn!(
                "this kernel does not list the children of a process: those that left a command's \
                 process group are looked for among all processes"
            );
        }
        has
    })
}

fn listed_children(pid: Pid) -> Vec<Pid> {
    let mut found = Vec::new();
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return found;
    };
    for thread in threads.flatten() {
        if let Ok(text) = fs::read_to_string(thread.path().join("children")) {
            found.extend(parse_children(&text));
        }
    }
    found
}

/// Those that a thread's list of children names.
pub(crate) fn parse_children(list: &str) -> impl Iterator<Item = Pid> {
    list.split_ascii_whitespace().filter_map(Pid::parse)
}

/// All processes that we can see.
pub(crate) fn processes() -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries.flatten().filter_map(|entry| Pid::parse(entry.file_name().to_str()?)).collect()
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
pub(crate) mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        /// As if the kernel listed no children, for looks of this thread.
        pub(crate) static WITHOUT_LISTS: Cell<bool> = const { Cell::new(false) };
    }

    #[test]
    fn a_program_name_with_spaces_and_parentheses_is_no_obstacle() {
        let text = b"42 (a) b (c)) S 7 42 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2";
        let stat = parse_stat(text).expect("well formed");
        let (parent, group) = (Pid::from_raw(7), ProcessGroup::from_raw(42));
        assert_eq!(stat, ProcessStat { state: b'S', parent, group, start: 987_654 });
    }

    #[test]
    fn the_resident_memory_is_read() {
        let own = Pid::parse(&std::process::id().to_string()).expect("a number");
        assert!(resident_bytes(own).is_some_and(|bytes| bytes > 100_000));
        let status = b"Name:\ta\nVmHWM:\t  9000 kB\nVmRSS:\t    1234 kB\n";
        assert_eq!(parse_resident(status), Some(1234 * 1024));
        assert_eq!(parse_resident(b"Name:\tkthreadd\n"), None);
    }

    #[test]
    fn nonsense_is_no_process() {
        assert_eq!(parse_stat(b""), None);
        assert_eq!(parse_stat(b"1 (x) S 1"), None);
    }
}
