//! Numbers of processes and of process groups.

use std::fmt;

/// The number of a process: 1 or more, so that to kill(2) it never stands for a process group, or
/// for every process. Whose it is, is known only while the process is not reaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(i32);

impl Pid {
    /// The first process of a pid namespace, which orphans are given to.
    pub(crate) const INIT: Pid = Pid(1);

    /// `None` for what is no number of a process; 0 is how the kernel calls one of another pid
    /// namespace.
    pub(crate) const fn from_raw(number: i32) -> Option<Pid> {
        if number > 0 { Some(Pid(number)) } else { None }
    }

    /// As [`from_raw`](Pid::from_raw), of decimal digits.
    pub(crate) fn parse(text: &str) -> Option<Pid> {
        text.parse().ok().and_then(Pid::from_raw)
    }

    /// This process.
    pub(crate) fn own() -> Pid {
        // The kernel gives no number above 2^22.
        Pid(std::process::id().cast_signed())
    }

    /// The process group that it leads, which every process does that is started here.
    pub(crate) const fn led_group(self) -> ProcessGroup {
        ProcessGroup(self.0)
    }

    /// The number, as system calls and `/proc` have it.
    pub const fn as_raw(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a process group, 1 or more: that of the process which made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ProcessGroup(i32);

impl ProcessGroup {
    /// `None` for what is no number of a group; 0 is how the kernel calls one of another pid
    /// namespace.
    pub(super) const fn from_raw(number: i32) -> Option<ProcessGroup> {
        if number > 0 { Some(ProcessGroup(number)) } else { None }
    }

    /// The number, as system calls have it.
    pub(crate) const fn as_raw(self) -> i32 {
        self.0
    }
}

impl fmt::Display for ProcessGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_of_processes_are_pids() {
        assert_eq!(Pid::parse("12").map(Pid::as_raw), Some(12));
        for text in ["0", "-1", "-12", "", "x", "12x", "2147483648"] {
            assert_eq!(Pid::parse(text), None, "{text:?}");
        }
        assert_eq!(Pid::own().as_raw().unsigned_abs(), std::process::id());
    }
}
