//! File system calls that a short-lived child makes.
//!
//! A thread that looks at a path on a dead file system may never come back, and while it hangs
//! there its process cannot even be killed. A child that hangs can be left behind: it holds none of
//! our descriptors, shares our memory (so that it costs no more than a start does) and no thread
//! has to wait for it. It executes no program; it makes a list of system calls and exits.

#![expect(unsafe_code, reason = "raw system calls in a child that shares the parent's memory")]

use std::ffi::{CString, c_int, c_long};
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering};

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::files::occupy_stdio;
use super::identity::User;
use super::raw::call;

/// A result that is not there yet, or never will be because an earlier call failed.
const NOT_MADE: isize = isize::MIN;

/// When a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// Unless a needed one failed; its own failure changes nothing.
    Tried,
    /// Unless a needed one failed; if it fails the rest is left out.
    Needed,
    /// Only after a needed one has failed.
    Undo,
}

/// One call, as the child makes it.
#[derive(Debug)]
pub(super) struct RawCall {
    number: c_long,
    arguments: [usize; 6],
    /// Its first argument is the result of the call with this number.
    on: Option<usize>,
    when: When,
    /// It is made only if the call with this number was, and succeeded.
    after: Option<usize>,
    /// A result below this is a failure.
    least: isize,
    /// What the system call returned, an errno negated.
    result: AtomicIsize,
}

/// Names a call of a [`FsHelper`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step(usize);

/// What the calls of a helper point to.
#[derive(Debug)]
enum Kept {
    Path { _path: CString },
    Bytes { _bytes: Arc<[u8]> },
    Buffer { step: usize, buffer: Vec<u8> },
}

/// A list of file system calls, and after they were made their results.
#[derive(Debug, Default)]
pub(crate) struct FsHelper {
    calls: Vec<RawCall>,
    kept: Vec<Kept>,
}
impl FsHelper {
    /// The calls, for the child; valid while the helper lives unchanged.
    pub(super) fn raw(&self) -> (*const RawCall, usize) {
        (self.calls.as_ptr(), self.calls.len())
    }

    /// Looks at a path, following a link at its end or not: [`stat`](FsHelper::stat).
    pub(crate) fn look(&mut self, path: &CString, follow: bool) -> Step {
        let flags = if follow { 0 } else { libc::AT_SYMLINK_NOFOLLOW as usize };
        let path = self.path(path);
        let buffer = self.buffer(size_of::<libc::stat>());
        self.push(libc::SYS_newfstatat, [AT_CWD, path, buffer, flags], None, When::Tried)
    }

    /// Opens a file; needed by what is done with it. `O_CLOEXEC` and `O_NOCTTY` are added.
    pub(crate) fn open(&mut self, path: &CString, flags: OFlag, mode: u32) -> Step {
        let flags = (flags | OFlag::O_CLOEXEC | OFlag::O_NOCTTY).bits() as usize;
        let path = self.path(path);
        self.push(libc::SYS_openat, [AT_CWD, path, flags, mode as usize], None, When::Needed)
    }

    /// Reads at most `most` bytes of an opened file: [`bytes`](FsHelper::bytes).
    pub(crate) fn read(&mut self, file: Step, most: usize) -> Step {
        let buffer = self.buffer(most);
        self.push(libc::SYS_read, [0, buffer, most], Some(file), When::Needed)
    }

    /// Writes to an opened file. What is written in part only has failed, for want of room.
    pub(crate) fn write(&mut self, file: Step, bytes: Arc<[u8]>) -> Step {
        let (at, count) = (bytes.as_ptr().expose_provenance(), bytes.len());
        self.kept.push(Kept::Bytes { _bytes: bytes });
        let written = self.push(libc::SYS_write, [0, at, count], Some(file), When::Needed);
        if let Some(last) = self.calls.last_mut() {
            last.least = isize::try_from(count).unwrap_or(isize::MAX);
        }
        written
    }

    /// Closes an opened file; network file systems say only then that they could not write.
    pub(crate) fn close(&mut self, file: Step) -> Step {
        self.push(libc::SYS_close, [0], Some(file), When::Needed)
    }

    /// Makes a directory.
    pub(crate) fn make_directory(&mut self, path: &CString, mode: u32) -> Step {
        let path = self.path(path);
        self.push(libc::SYS_mkdirat, [AT_CWD, path, mode as usize], None, When::Needed)
    }

    /// Renames a file, replacing another.
    pub(crate) fn rename(&mut self, from: &CString, to: &CString) -> Step {
        let (from, to) = (self.path(from), self.path(to));
        self.push(libc::SYS_renameat2, [AT_CWD, from, AT_CWD, to, 0], None, When::Needed)
    }

    /// Removes a file.
    pub(crate) fn remove(&mut self, path: &CString) -> Step {
        let path = self.path(path);
        self.push(libc::SYS_unlinkat, [AT_CWD, path, 0], None, When::Tried)
    }

    /// Removes an empty directory.
    pub(crate) fn remove_directory(&mut self, path: &CString) -> Step {
        let path = self.path(path);
        let flags = libc::AT_REMOVEDIR as usize;
        self.push(libc::SYS_unlinkat, [AT_CWD, path, flags], None, When::Tried)
    }

    /// Sets the mode of a file or directory.
    pub(crate) fn set_mode(&mut self, path: &CString, mode: u32) -> Step {
        let path = self.path(path);
        self.push(libc::SYS_fchmodat, [AT_CWD, path, mode as usize], None, When::Needed)
    }

    /// Gives a file or directory to a user; a link itself.
    pub(crate) fn set_owner(&mut self, path: &CString, user: &User) -> Step {
        let path = self.path(path);
        let (uid, gid) = (user.uid as usize, user.gid as usize);
        let flags = libc::AT_SYMLINK_NOFOLLOW as usize;
        self.push(libc::SYS_fchownat, [AT_CWD, path, uid, gid, flags], None, When::Needed)
    }

    /// Looks at an opened file: [`stat`](FsHelper::stat).
    pub(crate) fn look_at(&mut self, file: Step) -> Step {
        let buffer = self.buffer(size_of::<libc::stat>());
        self.push(libc::SYS_fstat, [0, buffer], Some(file), When::Needed)
    }

    /// Reads the first entries of an opened directory, as `getdents64` gives them:
    /// [`bytes`](FsHelper::bytes).
    pub(crate) fn list(&mut self, directory: Step, most: usize) -> Step {
        let buffer = self.buffer(most);
        self.push(libc::SYS_getdents64, [0, buffer, most], Some(directory), When::Needed)
    }

    /// The call that was added last is tried: the rest is done although it fails.
    pub(crate) fn tried(&mut self) {
        if let Some(last) = self.calls.last_mut() {
            last.when = When::Tried;
        }
    }

    /// The call that was added last is made only after a needed one has failed.
    pub(crate) fn undo(&mut self) {
        if let Some(last) = self.calls.last_mut() {
            last.when = When::Undo;
        }
    }

    /// The same, if the call `of`, of which it undoes the effect, has succeeded.
    pub(crate) fn undo_of(&mut self, of: Step) {
        self.undo();
        if let Some(last) = self.calls.last_mut() {
            last.after = Some(of.0);
        }
    }

    /// Makes the calls on this thread, which a file system that does not answer holds for good: for
    /// where no child runs code of ours, on a thread that nothing waits for.
    ///
    /// # Errors
    /// When the host has closed standard descriptors, whose numbers are not for files, and they
    /// cannot be kept from them.
    pub(crate) fn perform_here(self) -> Result<FsHelper, Errno> {
        let _guards = occupy_stdio()?;
        let (calls, count) = self.raw();
        // SAFETY: calls and what they point to live as long as the helper, which is not moved.
        unsafe { perform(calls, count) };
        self.close_opened();
        Ok(self)
    }

    /// Closes what the calls have opened and not closed, as the end of a child does.
    fn close_opened(&self) {
        let made = |call: &RawCall| call.result.load(Ordering::SeqCst) != NOT_MADE;
        for (index, call) in self.calls.iter().enumerate() {
            let closes = |it: &RawCall| it.number == libc::SYS_close && it.on == Some(index);
            let closed = self.calls.iter().any(|it| closes(it) && made(it));
            if let (libc::SYS_openat, false, Ok(fd)) =
                (call.number, closed, self.result(Step(index)))
            {
                // SAFETY: a descriptor that was opened for this helper alone.
                let _ = unsafe { libc::close(fd as c_int) };
            }
        }
    }

    /// What became of a call.
    ///
    /// # Errors
    /// The system call's result; `ECANCELED` when it was not made.
    pub(crate) fn result(&self, step: Step) -> Result<usize, Errno> {
        let made = self.calls.get(step.0).map_or(NOT_MADE, |it| it.result.load(Ordering::SeqCst));
        match usize::try_from(made) {
            Ok(result) => Ok(result),
            Err(_) if made == NOT_MADE => Err(Errno::ECANCELED),
            Err(_) => Err(Errno::from_raw(made.wrapping_neg() as c_int)),
        }
    }

    /// What went wrong with the first call that was needed.
    pub(crate) fn failure(&self) -> Option<Errno> {
        let needed = self.calls.iter().enumerate().filter(|(_, it)| it.when == When::Needed);
        let failure = |(index, it): (usize, &RawCall)| match self.result(Step(index)) {
            Ok(_) if it.result.load(Ordering::SeqCst) < it.least => Some(Errno::ENOSPC),
            result => result.err(),
        };
        needed.filter_map(failure).next()
    }

    /// What was read; empty when nothing was.
    pub(crate) fn bytes(&self, step: Step) -> &[u8] {
        let count = self.result(step).unwrap_or(0);
        self.buffer_of(step).and_then(|buffer| buffer.get(..count)).unwrap_or_default()
    }

    /// What was seen of a path.
    ///
    /// # Errors
    /// As [`result`](FsHelper::result).
    pub(crate) fn stat(&self, step: Step) -> Result<libc::stat, Errno> {
        self.result(step)?;
        let buffer = self.buffer_of(step).ok_or(Errno::EINVAL)?;
        if buffer.len() != size_of::<libc::stat>() {
            return Err(Errno::EINVAL);
        }
        // SAFETY: the kernel's structure, of the size that was just checked; it is all integers.
        Ok(unsafe { buffer.as_ptr().cast::<libc::stat>().read_unaligned() })
    }

    fn buffer_of(&self, step: Step) -> Option<&Vec<u8>> {
        self.kept.iter().find_map(|kept| match kept {
            Kept::Buffer { step: of, buffer } if *of == step.0 => Some(buffer),
            _ => None,
        })
    }

    fn push<const N: usize>(
        &mut self,
        number: c_long,
        given: [usize; N],
        on: Option<Step>,
        when: When,
    ) -> Step {
        let mut arguments = [0; 6];
        for (slot, argument) in arguments.iter_mut().zip(given) {
            *slot = argument;
        }
        let on = on.map(|step| step.0);
        let result = AtomicIsize::new(NOT_MADE);
        self.calls.push(RawCall { number, arguments, on, when, after: None, least: 0, result });
        Step(self.calls.len() - 1)
    }

    fn path(&mut self, path: &CString) -> usize {
        let path = path.clone();
        let at = path.as_ptr().expose_provenance();
        self.kept.push(Kept::Path { _path: path });
        at
    }

    /// A buffer for the call that is added next.
    fn buffer(&mut self, bytes: usize) -> usize {
        let mut buffer = vec![0u8; bytes];
        let at = buffer.as_mut_ptr().expose_provenance();
        self.kept.push(Kept::Buffer { step: self.calls.len(), buffer });
        at
    }
}

/// `AT_FDCWD` as an argument.
const AT_CWD: usize = libc::AT_FDCWD as usize;

/// Makes the calls; in the child.
///
/// # Safety
/// `calls` leads to `count` calls that live until the child has ended, and all that they point to.
pub(super) unsafe fn perform(calls: *const RawCall, count: usize) {
    let mut failed = false;
    let mut index = 0usize;
    while index < count {
        // SAFETY: below the count, by the caller's promise; the results are atomics.
        let it = unsafe { &*calls.wrapping_add(index) };
        index = index.wrapping_add(1);
        if (it.when as u8 == When::Undo as u8) != failed {
            continue;
        }
        if let Some(after) = it.after {
            // SAFETY: names an earlier call of the list.
            if unsafe { (*calls.wrapping_add(after)).result.load(Ordering::SeqCst) } < 0 {
                continue;
            }
        }
        let mut arguments = it.arguments;
        if let Some(on) = it.on {
            // SAFETY: names an earlier call of the list.
            let opened = unsafe { (*calls.wrapping_add(on)).result.load(Ordering::SeqCst) };
            arguments[0] = opened as usize;
        }
        // SAFETY: the arguments are numbers, or lead to memory that lives, by the caller's promise.
        let result = match unsafe { call(it.number, arguments) } {
            Ok(result) => result as isize,
            Err(errno) => (errno as isize).wrapping_neg(),
        };
        it.result.store(result, Ordering::SeqCst);
        failed |= result < it.least && it.when as u8 == When::Needed as u8;
    }
}
