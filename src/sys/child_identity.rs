//! What a child sets of itself between clone and execve: its user, its niceness, its limit of open
//! descriptors, its `oom_score_adj`. Under the rules of `child`.
//!
//! The kernel keeps two of these, in part, with the memory that the child still shares with the
//! host, which is why a child that sets one of them is started by `starter`:
//!
//! * A change of user makes that memory undumpable (`commit_creds` in kernel/cred.c), so that no
//!   process of the new user can look into it; it stays so for the host.
//! * An `oom_score_adj` is given to every process that shares the memory, the host included, unless
//!   the one that started the child waits in a vfork (`__set_oom_adj` in fs/proc/base.c).

#![expect(unsafe_code, reason = "raw system calls in a child that shares the parent's memory")]

use std::ffi::c_int;

use super::identity::Identity;
use super::raw::call;
use super::step::Step;

/// A user, with pointers that outlive the child's use of them.
#[derive(Clone, Copy, Debug)]
struct RawUser {
    uid: u32,
    gid: u32,
    groups: *const u32,
    group_count: usize,
}

/// What is to be set.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawIdentity {
    user: Option<RawUser>,
    nice: Option<c_int>,
    open_files: Option<u64>,
    /// Whether `oom_score_adj` is to be 0.
    raises_oom_score: bool,
}

impl RawIdentity {
    /// Valid while `identity` lives unchanged.
    pub(super) fn new(identity: &Identity, raises_oom_score: bool) -> RawIdentity {
        let user = identity.user.as_ref().map(|user| RawUser {
            uid: user.uid,
            gid: user.gid,
            groups: user.groups.as_ptr(),
            group_count: user.groups.len(),
        });
        let Identity { nice, open_files, .. } = *identity;
        RawIdentity { user, nice, open_files, raises_oom_score }
    }

    /// Whether the user changes.
    pub(super) fn changes_user(&self) -> bool {
        self.user.is_some()
    }

    /// Whether something would be set for the host too if nobody waited for the execve.
    pub(super) fn needs_starter(&self) -> bool {
        self.user.is_some() || self.raises_oom_score
    }

    /// Sets `oom_score_adj` to 0, if that is asked for.
    pub(super) fn raise_oom_score(&self) -> Result<(), c_int> {
        if !self.raises_oom_score {
            return Ok(());
        }
        let path = c"/proc/self/oom_score_adj".as_ptr().expose_provenance();
        let text = c"0".as_ptr().expose_provenance();
        // SAFETY: both are constants. The descriptor is in the child's own table by now, and closed
        // again; where the host has one of the standard numbers closed, it takes that meanwhile.
        unsafe {
            let flags = (libc::O_WRONLY | libc::O_CLOEXEC) as usize;
            let file = call(libc::SYS_openat, [libc::AT_FDCWD as usize, path, flags, 0])?;
            let written = call(libc::SYS_write, [file, text, 1]);
            let _ = call(libc::SYS_close, [file]);
            written.map(|_| ())
        }
    }

    /// Sets the rest, the user last: without the host's rights it could set nothing more. To be
    /// called when the descriptors are there, because closing them may take a limit for their
    /// number.
    pub(super) fn take_on(&self) -> Result<(), (Step, c_int)> {
        if let Some(nice) = self.nice {
            set_nice(nice).map_err(|errno| (Step::Nice, errno))?;
        }
        if let Some(open_files) = self.open_files {
            limit_open_files(open_files).map_err(|errno| (Step::OpenFiles, errno))?;
        }
        match self.user {
            Some(user) => user.become_it(),
            None => Ok(()),
        }
    }
}

fn set_nice(nice: c_int) -> Result<(), c_int> {
    let which = libc::PRIO_PROCESS as usize;
    // SAFETY: no memory is involved; 0 is the calling process.
    unsafe { call(libc::SYS_setpriority, [which, 0, nice as usize]) }.map(|_| ())
}

fn limit_open_files(count: u64) -> Result<(), c_int> {
    // Two 64-bit numbers on every machine: the soft and the hard limit.
    let limits = [count, count];
    let limits = (&raw const limits).expose_provenance();
    // SAFETY: the numbers are live, and the old limits are not asked for.
    unsafe { call(libc::SYS_prlimit64, [0, libc::RLIMIT_NOFILE as usize, limits, 0]) }.map(|_| ())
}

impl RawUser {
    /// Groups before the user, who may not change them.
    fn become_it(self) -> Result<(), (Step, c_int)> {
        let (uid, gid) = (self.uid as usize, self.gid as usize);
        let groups = [self.group_count, self.groups.expose_provenance()];
        // SAFETY: the list has as many groups and is kept alive by the parent. The calls change
        // this process alone: the C library's functions, which are not used, change every thread.
        unsafe {
            call(libc::SYS_setgroups, groups).map_err(|errno| (Step::Groups, errno))?;
            call(libc::SYS_setresgid, [gid, gid, gid]).map_err(|errno| (Step::Group, errno))?;
            call(libc::SYS_setresuid, [uid, uid, uid]).map_err(|errno| (Step::User, errno))?;
        }
        Ok(())
    }
}
