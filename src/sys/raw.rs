//! System calls without the C library.
//!
//! A child that shares the memory of a running parent must not touch `errno`: it has the parent
//! thread's thread-local storage.

#![expect(unsafe_code, reason = "the system call instruction")]

use std::ffi::c_int;

/// Whether [`call`] leaves `errno` alone. Elsewhere the parent has to sleep meanwhile.
pub(super) const LEAVES_ERRNO: bool = cfg!(any(target_arch = "x86_64", target_arch = "aarch64"));

/// A call's result, or its errno.
pub(super) type Raw = Result<usize, c_int>;

/// Makes a system call with up to six arguments; what is missing is zero.
///
/// # Safety
/// As for the system call.
pub(super) unsafe fn call<const N: usize>(number: std::ffi::c_long, given: [usize; N]) -> Raw {
    let mut arguments = [0usize; 6];
    let mut index = 0;
    while index < N && index < 6 {
        arguments[index] = given[index];
        index = index.wrapping_add(1);
    }
    // SAFETY: by the caller's promise.
    let result = unsafe { enter(number, arguments) };
    // The kernel's errors are the last 4095 numbers.
    if result > usize::MAX.wrapping_sub(4096) {
        Err(result.wrapping_neg() as c_int)
    } else {
        Ok(result)
    }
}

#[cfg(target_arch = "x86_64")]
unsafe fn enter(number: std::ffi::c_long, arguments: [usize; 6]) -> usize {
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

#[cfg(target_arch = "aarch64")]
unsafe fn enter(number: std::ffi::c_long, arguments: [usize; 6]) -> usize {
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

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
unsafe fn enter(number: std::ffi::c_long, arguments: [usize; 6]) -> usize {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: by the caller's promise.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if result == -1 {
        // SAFETY: the C library's errno location of the (sleeping) thread is always valid.
        return (unsafe { *libc::__errno_location() } as usize).wrapping_neg();
    }
    result as usize
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
