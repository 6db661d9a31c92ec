//! The descriptors of a child between clone and execve, under the rules of `child`.

#![expect(unsafe_code, reason = "raw system calls in a child that shares the parent's memory")]

use std::ffi::{c_char, c_int, c_uint};

use super::child_plan::{ChildPlan, RawSource};
use super::raw::call;
use super::step::Step;

const CLOSE_RANGE_UNSHARE: c_uint = 2;
const DEV_NULL: *const c_char = c"/dev/null".as_ptr();

/// Makes the three standard descriptors and closes all others that are the host's.
///
/// Those first that are open already, and the closing before any path is opened: an open can hang
/// (a directory of the operator's on dead storage), and a child that hung with a copy of the host's
/// table would keep its listening socket from its successor.
pub(super) fn install_all(plan: &ChildPlan) -> Result<(), (Step, c_int)> {
    if !plan.shares_files {
        install_some(plan, false)?;
        close_from_3(plan.has_close_range);
    }
    install_some(plan, true)
}

/// Installs the sources that are paths, or those that are not.
fn install_some(plan: &ChildPlan, paths: bool) -> Result<(), (Step, c_int)> {
    let mut target = 0;
    while target < 3 {
        let source = plan.stdio[target];
        let is_descriptor = matches!(source, RawSource::Descriptor(_));
        // A copy of stdout can be made when stdout is there, so it counts as a path.
        if is_descriptor != paths {
            let step = if target == 0 { Step::Stdin } else { Step::Output };
            install(source, target as c_int).map_err(|errno| (step, errno))?;
        }
        target = target.wrapping_add(1);
    }
    Ok(())
}

/// Makes `source` the descriptor `target`, not close-on-exec.
fn install(source: RawSource, target: c_int) -> Result<(), c_int> {
    match source {
        RawSource::Open { path, flags } => move_to(open(path, flags)?, target),
        RawSource::Descriptor(fd) => duplicate(fd, target),
        RawSource::Stdout => duplicate(1, target),
        RawSource::Inherited => {
            // SAFETY: fcntl without memory.
            let kept =
                unsafe { call(libc::SYS_fcntl, [target as usize, libc::F_SETFD as usize, 0]) };
            match kept {
                Ok(_) => Ok(()),
                Err(_) => move_to(open(DEV_NULL, libc::O_RDWR)?, target),
            }
        }
    }
}

fn open(path: *const c_char, flags: c_int) -> Result<c_int, c_int> {
    // SAFETY: the path is a C string that the parent keeps alive.
    let fd = unsafe {
        let flags = (flags | libc::O_NOCTTY) as usize;
        call(libc::SYS_openat, [libc::AT_FDCWD as usize, path.expose_provenance(), flags, 0])
    }?;
    Ok(fd as c_int)
}

/// Moves `fd`, which was opened here and is not close-on-exec, to `target`.
fn move_to(fd: c_int, target: c_int) -> Result<(), c_int> {
    // Opened at the right number already, because the host has it closed: dup3 would refuse.
    if fd == target {
        return Ok(());
    }
    duplicate(fd, target)?;
    // SAFETY: closes a descriptor of the child's own table.
    let _ = unsafe { call(libc::SYS_close, [fd as usize]) };
    Ok(())
}

fn duplicate(fd: c_int, target: c_int) -> Result<(), c_int> {
    // SAFETY: no memory is involved; the table is the child's own by now.
    unsafe { call(libc::SYS_dup3, [fd as usize, target as usize, 0]) }.map(|_| ())
}

/// Leaves the table of open files that is shared with the host, with nothing from 3 on.
pub(super) fn leave_table() -> Result<(), c_int> {
    close_range(3, CLOSE_RANGE_UNSHARE)
}

fn close_range(first: c_uint, flags: c_uint) -> Result<(), c_int> {
    let arguments = [first as usize, c_uint::MAX as usize, flags as usize];
    // SAFETY: no memory is involved.
    unsafe { call(libc::SYS_close_range, arguments) }.map(|_| ())
}

/// Closes everything from 3 on in the child's own copy of the table.
pub(super) fn close_from_3(has_close_range: bool) {
    if has_close_range && close_range(3, 0).is_ok() {
        return;
    }
    let Ok(directory) =
        open(c"/proc/self/fd".as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC)
    else {
        close_one_by_one();
        return;
    };
    // Entries name descriptors in rising order and the position is a descriptor number, so closing
    // while reading skips nothing. The buffer is aligned as the kernel's records are.
    let mut buffer = [0u64; 256];
    loop {
        // SAFETY: the buffer is live and its size is passed.
        let filled = unsafe {
            let (at, bytes) =
                ((&raw mut buffer).expose_provenance(), std::mem::size_of_val(&buffer));
            call(libc::SYS_getdents64, [directory as usize, at, bytes])
        };
        let Ok(filled @ 1..) = filled else { break };
        close_listed((&raw const buffer).cast::<u8>(), filled, directory);
    }
    // SAFETY: closes a descriptor of the child's own table.
    let _ = unsafe { call(libc::SYS_close, [directory as usize]) };
}

/// Closes the descriptors named by the `linux_dirent64` records in `filled` bytes at `records`.
fn close_listed(records: *const u8, filled: usize, directory: c_int) {
    /// Offsets of d_reclen and d_name in `struct linux_dirent64`.
    const RECORD_LENGTH: usize = 16;
    const NAME: usize = 19;
    let mut at = 0usize;
    while at.wrapping_add(NAME) < filled {
        // SAFETY: the kernel wrote whole records, each NUL-terminated, within `filled` bytes.
        let (length, fd) = unsafe {
            let record = records.wrapping_add(at);
            let length = record.wrapping_add(RECORD_LENGTH).cast::<u16>().read_unaligned();
            (length as usize, number(record.wrapping_add(NAME)))
        };
        if fd > 2 && fd != directory {
            // SAFETY: closes a descriptor of the child's own table.
            let _ = unsafe { call(libc::SYS_close, [fd as usize]) };
        }
        if length == 0 {
            break;
        }
        at = at.wrapping_add(length);
    }
}

/// Reads a decimal number; anything else gives -1.
///
/// # Safety
/// `text` must be NUL-terminated.
unsafe fn number(mut text: *const u8) -> c_int {
    let mut value: c_int = -1;
    loop {
        // SAFETY: not past the NUL, by the caller's promise.
        let byte = unsafe { *text };
        if !byte.is_ascii_digit() {
            return if byte == 0 { value } else { -1 };
        }
        let digit = c_int::from(byte.wrapping_sub(b'0'));
        value = if value < 0 { digit } else { value.wrapping_mul(10).wrapping_add(digit) };
        text = text.wrapping_add(1);
    }
}

/// The last resort without close_range and without /proc.
fn close_one_by_one() {
    /// Beyond this, closing one by one takes longer than a call may.
    const MOST: u64 = 1 << 20;
    let mut limit = [0u64; 2];
    // SAFETY: prlimit64 writes two 64-bit numbers into the live array.
    let read = unsafe {
        let limit = (&raw mut limit).expose_provenance();
        call(libc::SYS_prlimit64, [0, libc::RLIMIT_NOFILE as usize, 0, limit])
    };
    let end = if read.is_ok() && limit[0] < MOST { limit[0] } else { MOST };
    let mut fd = 3;
    while fd < end {
        // SAFETY: closes a descriptor of the child's own table, if there is one.
        let _ = unsafe { call(libc::SYS_close, [fd as usize]) };
        fd = fd.wrapping_add(1);
    }
}
