//! What this process may do, by the kernel's capabilities, and how nice it is.

#![expect(unsafe_code, reason = "capget has no function in the C library")]

use super::raw::call;

/// `_LINUX_CAPABILITY_VERSION_3` of linux/capability.h.
const VERSION: u32 = 0x2008_0522;

/// A capability, by its name and its number in linux/capability.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capability(pub(crate) &'static str, u32);

/// What starting and supervising a program of another user takes: to give it its files, to read
/// what it wrote, to end it, to make it that user's, and to find its descendants.
pub(crate) const FOR_USERS: [Capability; 6] = [
    Capability("CAP_CHOWN", 0),
    Capability("CAP_DAC_OVERRIDE", 1),
    Capability("CAP_KILL", 5),
    Capability("CAP_SETGID", 6),
    Capability("CAP_SETUID", 7),
    Capability("CAP_SYS_PTRACE", 19),
];
/// For a lower niceness.
pub(crate) const SYS_NICE: Capability = Capability("CAP_SYS_NICE", 23);
/// For a limit above the hard one.
pub(crate) const SYS_RESOURCE: Capability = Capability("CAP_SYS_RESOURCE", 24);

/// Those of `wanted` that the calling thread does not have in effect.
pub(crate) fn missing(wanted: &[Capability]) -> Vec<Capability> {
    let effective = effective();
    wanted.iter().copied().filter(|wanted| effective >> wanted.1 & 1 == 0).collect()
}

/// One bit for each.
fn effective() -> u64 {
    // Version and thread (0: the calling one); then effective, permitted and inheritable, the lower
    // 32 bits and the upper ones.
    let mut header = [VERSION, 0];
    let mut sets = [0u32; 6];
    // SAFETY: both are live and as large as this version has them.
    let result = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, &raw mut sets) };
    match result {
        0 => u64::from(sets[0]) | u64::from(sets[3]) << 32,
        // A filter that refuses it: what root has is tried, and fails by itself if it must.
        _ if nix::unistd::geteuid().is_root() => u64::MAX,
        _ => 0,
    }
}

/// The niceness of the calling thread, -20 to 19.
pub(crate) fn niceness() -> i32 {
    let which = libc::PRIO_PROCESS as usize;
    // SAFETY: no memory is involved. The system call gives 20 less the niceness, because what is
    // below 0 is an error.
    let given = unsafe { call(libc::SYS_getpriority, [which, 0]) };
    given.map_or(0, |given| 20 - given as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_lists_is_what_is_found() {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
        let listed = u64::from_str_radix(line.trim(), 16).unwrap();
        assert_eq!(effective(), listed);
        let all = [FOR_USERS.as_slice(), &[SYS_NICE, SYS_RESOURCE]].concat();
        let absent = all.iter().filter(|it| listed >> it.1 & 1 == 0).count();
        assert_eq!(missing(&all).len(), absent);
    }
}
