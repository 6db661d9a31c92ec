//! System calls without the C library.
//!
//! A child that shares the memory of a running parent must not touch `errno`: it has the parent
//! thread's thread-local storage. Nor may the C library create it: before glibc 2.24 its `clone`
//! notes -1 as the number of the thread that it finds in that storage, which is the parent's, so
//! that any two threads that have started a command hold each other's recursive mutexes.

#![expect(unsafe_code, reason = "the system call instruction")]

use std::ffi::{c_int, c_long, c_void};

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("commands are started by the system calls of x86-64 and of aarch64 alone");

/// A call's result, or its errno.
pub(super) type Raw = Result<usize, c_int>;

/// Makes a system call with up to six arguments; what is missing is zero.
///
/// # Safety
/// As for the system call.
pub(super) unsafe fn call<const N: usize>(number: c_long, given: [usize; N]) -> Raw {
    let mut arguments = [0usize; 6];
    let mut index = 0;
    while index < N && index < 6 {
        arguments[index] = given[index];
        index = index.wrapping_add(1);
    }
    // SAFETY: by the caller's promise.
    result_of(unsafe { enter(number, arguments) })
}

/// What the kernel returns: its errors are the last 4095 numbers.
fn result_of(returned: usize) -> Raw {
    if returned > usize::MAX.wrapping_sub(4096) {
        Err(returned.wrapping_neg() as c_int)
    } else {
        Ok(returned)
    }
}

/// What a new child does, on its own stack. It never returns.
pub(super) type Entry = extern "C" fn(*mut c_void) -> c_int;

/// Makes a system call that creates a child, with the number of the child as its result; the child
/// runs `entry` on `plan`.
///
/// # Safety
/// As for the system call, which must give the child a stack of its own, aligned to 16 bytes; and
/// `entry` must not return.
pub(super) unsafe fn create(
    number: c_long,
    arguments: [usize; 5],
    entry: Entry,
    plan: *mut c_void,
) -> Raw {
    // SAFETY: by the caller's promise.
    result_of(unsafe { enter_and_start(number, arguments, entry, plan) })
}

#[cfg(target_arch = "x86_64")]
unsafe fn enter(number: c_long, arguments: [usize; 6]) -> usize {
    let result: usize;
    // SAFETY: by the caller's promise; the kernel changes rax, rcx and r11, and memory.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number as usize => result,
            in("rdi") arguments[0],
            in("rsi") arguments[1],
            in("rdx") arguments[2],
            in("r10") arguments[3],
            in("r8") arguments[4],
            in("r9") arguments[5],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}

#[cfg(target_arch = "x86_64")]
unsafe fn enter_and_start(
    number: c_long,
    arguments: [usize; 5],
    entry: Entry,
    plan: *mut c_void,
) -> usize {
    let result: usize;
    // SAFETY: the child, which has a stack of its own, never comes to the end of this and so never
    // touches the frames of this function; the parent sees only rax, rcx and r11 changed.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r13",
            "call r12",
            "ud2",
            "2:",
            inlateout("rax") number as usize => result,
            in("rdi") arguments[0],
            in("rsi") arguments[1],
            in("rdx") arguments[2],
            in("r10") arguments[3],
            in("r8") arguments[4],
            in("r12") entry,
            in("r13") plan,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

#[cfg(target_arch = "aarch64")]
unsafe fn enter(number: c_long, arguments: [usize; 6]) -> usize {
    let result: usize;
    // SAFETY: by the caller's promise; the kernel changes x0, and memory.
    unsafe {
        std::arch::asm!(
            "svc 0",
            in("x8") number as usize,
            inlateout("x0") arguments[0] => result,
            in("x1") arguments[1],
            in("x2") arguments[2],
            in("x3") arguments[3],
            in("x4") arguments[4],
            in("x5") arguments[5],
            options(nostack),
        );
    }
    result
}

#[cfg(target_arch = "aarch64")]
unsafe fn enter_and_start(
    number: c_long,
    arguments: [usize; 5],
    entry: Entry,
    plan: *mut c_void,
) -> usize {
    let result: usize;
    // SAFETY: the child, which has a stack of its own, never comes to the end of this and so never
    // touches the frames of this function; the parent sees only x0 changed.
    unsafe {
        std::arch::asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x30, xzr",
            "mov x0, x10",
            "blr x9",
            "brk #1",
            "2:",
            in("x8") number as usize,
            inlateout("x0") arguments[0] => result,
            in("x1") arguments[1],
            in("x2") arguments[2],
            in("x3") arguments[3],
            in("x4") arguments[4],
            in("x9") entry,
            in("x10") plan,
        );
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_and_errors_are_told_apart() {
        // SAFETY: neither call touches memory.
        let (own, bad) =
            unsafe { (call(libc::SYS_getpid, []), call(libc::SYS_close, [usize::MAX])) };
        assert_eq!(own, Ok(std::process::id() as usize));
        assert_eq!(bad, Err(libc::EBADF));
    }
}
