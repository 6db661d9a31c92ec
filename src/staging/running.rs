//! The commands that run, noted in the private directory of this process: what a dead agent's
//! calls left running is ended by the next start.
//!
//! For commands that have no cgroup. A note is 16 bytes in a file in memory, the leader's number
//! and when that was noted. A process that has the number and was started before is the leader,
//! however long its start took; one that was started later has got the number after it. What
//! commands were to leave running is not noted.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use nix::unistd::{SysconfVar, sysconf};
use parking_lot::Mutex;

use crate::sys::{self, Family, Pid, process_stat};

/// The file's name in the directory of a process.
pub(super) const NAME: &str = "running";
/// Bytes of a note.
const NOTE: usize = 16;

/// How long descendants are looked for, and how many of them.
const SEARCH: Duration = Duration::from_secs(1);
const MOST: usize = 4096;

/// The notes of this process.
#[derive(Debug)]
pub(super) struct Running {
    file: File,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    free: Vec<u64>,
    used: u64,
}

/// The note on one command, which is taken back when this is dropped.
#[derive(Debug)]
pub(crate) struct Noted {
    running: Arc<Running>,
    place: u64,
}

impl Running {
    /// Makes the file in the directory of this process.
    pub(super) fn create(root: &Path) -> io::Result<Arc<Running>> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(root.join(NAME))?;
        Ok(Arc::new(Running { file, places: Mutex::default() }))
    }

    /// Notes a command whose leader has started and was not waited for.
    pub(super) fn note(self: &Arc<Running>, leader: Pid) -> Option<Noted> {
        let place = {
            let mut places = self.places.lock();
            places.free.pop().unwrap_or_else(|| {
                places.used += 1;
                places.used - 1
            })
        };
        let noted = Noted { running: self.clone(), place };
        let note = encode(leader, since_boot()?);
        self.file.write_all_at(&note, place * NOTE as u64).ok()?;
        Some(noted)
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        // In a file in memory that can fail only when there is none left; then a note stays that
        // names a process that has ended.
        let _ = self.running.file.write_all_at(&[0; NOTE], self.place * NOTE as u64);
        self.running.places.lock().free.push(self.place);
    }
}

fn since_boot() -> Option<Duration> {
    clock_gettime(ClockId::CLOCK_BOOTTIME).ok().map(Duration::from)
}

fn encode(leader: Pid, noted: Duration) -> [u8; NOTE] {
    let mut note = [0; NOTE];
    note[..8].copy_from_slice(&u64::from(leader.as_raw().unsigned_abs()).to_ne_bytes());
    note[8..].copy_from_slice(&(noted.as_nanos() as u64).to_ne_bytes());
    note
}

/// The leaders in the notes of a dead process that are still the same processes.
fn alive(notes: &[u8]) -> Vec<Pid> {
    let ticks = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100).max(1) as u64;
    let word = |bytes: &[u8]| bytes.try_into().map(u64::from_ne_bytes).ok();
    let read = |note: &[u8]| {
        let (number, noted) = note.split_at(NOTE / 2);
        let pid = Pid::from_raw(i32::try_from(word(number)?).ok()?)?;
        let stat = process_stat(pid)?;
        let start = Duration::from_nanos(stat.start.saturating_mul(1_000_000_000 / ticks));
        // In whole ticks, rounded down, and so never later than the note on it.
        let is_it = start <= Duration::from_nanos(word(noted)?);
        (is_it && stat.group == Some(pid.led_group())).then_some(pid)
    };
    notes.chunks_exact(NOTE).filter_map(read).collect()
}

/// Ends the commands that the dead process with this directory has left running, with the
/// descendants that hang together with them. Returns how many commands.
pub(super) fn end(root: &Path) -> usize {
    let Ok(notes) = std::fs::read(root.join(NAME)) else { return 0 };
    let leaders = alive(&notes);
    let mut family = Family::new(Pid::INIT, Instant::now() + SEARCH);
    let mut found = leaders.clone();
    let mut next = 0;
    while let Some(parent) = found.get(next).copied().filter(|_| next < MOST) {
        found.extend(family.children(parent));
        next += 1;
    }
    for leader in &leaders {
        let _ = sys::kill_group(leader.led_group(), libc::SIGKILL);
    }
    for pid in found {
        let _ = sys::kill(pid, libc::SIGKILL);
    }
    leaders.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_names_a_process_and_no_other_with_its_number() {
        use std::os::unix::process::CommandExt;
        let directory = tempfile::tempdir().unwrap();
        let running = Running::create(directory.path()).unwrap();
        let mut child =
            std::process::Command::new("sleep").arg("600").process_group(0).spawn().unwrap();
        let pid = Pid::from_raw(child.id() as i32).unwrap();
        let notes = || std::fs::read(directory.path().join(NAME)).unwrap();
        let noted = running.note(pid).unwrap();
        assert_eq!(alive(&notes()), [pid]);
        let late = since_boot().unwrap() + Duration::from_secs(60);
        assert_eq!(alive(&encode(pid, late)), [pid], "its start took long");
        let before = since_boot().unwrap() - Duration::from_secs(60);
        assert_eq!(alive(&encode(pid, before)), [], "another process has got the number since");
        let own = Pid::own();
        assert_eq!(alive(&encode(own, since_boot().unwrap())), [], "no leader of ours");
        drop(noted);
        assert_eq!(alive(&notes()), []);

        let _again = running.note(pid).unwrap();
        assert_eq!(notes().len(), NOTE, "the place is used again");
        assert_eq!(end(directory.path()), 1);
        assert!(!child.wait().unwrap().success());
        assert_eq!(end(directory.path()), 0);
        assert_eq!(end(&directory.path().join("none")), 0);
    }
}
