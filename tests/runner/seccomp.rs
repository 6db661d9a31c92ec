//! Kernels and filters that refuse system calls.

#![expect(unsafe_code, reason = "a filter is installed")]

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
/// Of the lower half of the first argument in `struct seccomp_data`.
const FIRST_ARGUMENT: u32 = 16;
const CLONE: u32 = 56;

fn statement(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}

fn refusal(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno.cast_unsigned()
}

/// Makes the listed system calls fail in this process and in all that it starts, for good.
///
/// An entry is `NUMBER=ERRNO`; or `no-pidfd`: clone (not clone3) with CLONE_PIDFD; or `no-fork`: fork,
/// vfork, clone3 and each clone without CLONE_VM. Other words are left alone. Numbers are those of
/// x86_64.
pub(crate) fn refuse(list: &str) {
    let mut program = vec![statement(LOAD, 0, 0, 0)];
    let refused = |program: &mut Vec<_>, number, errno| {
        program.push(statement(EQUAL, 0, 1, number));
        program.push(statement(RETURN, 0, 0, refusal(errno)));
    };
    for entry in list.split(',') {
        match entry.split_once('=') {
            Some((number, errno)) => {
                refused(&mut program, number.parse().unwrap(), errno.parse().unwrap());
            }
            None if entry == "no-fork" => {
                for (number, errno) in [(57, libc::EPERM), (58, libc::EPERM), (435, libc::ENOSYS)] {
                    refused(&mut program, number, errno);
                }
            }
            None => {}
        }
    }
    let has = |word| list.split(',').any(|entry| entry == word);
    // The argument takes the place of the number, so this is the last look at either.
    let clone_with = |set: u8, bits, errno| {
        [
            statement(EQUAL, 0, 3, CLONE),
            statement(LOAD, 0, 0, FIRST_ARGUMENT),
            statement(ANY_BIT, 1 - set, set, bits),
            statement(RETURN, 0, 0, refusal(errno)),
        ]
    };
    if has("no-pidfd") {
        program.extend(clone_with(1, libc::CLONE_PIDFD.cast_unsigned(), libc::EINVAL));
    } else if has("no-fork") {
        program.extend(clone_with(0, libc::CLONE_VM.cast_unsigned(), libc::EPERM));
    }
    program.push(statement(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW));
    install(&mut program);
}

fn install(program: &mut [libc::sock_filter]) {
    let filter = libc::sock_fprog {
        len: u16::try_from(program.len()).unwrap(),
        filter: program.as_mut_ptr(),
    };
    let all_threads = libc::SECCOMP_FILTER_FLAG_TSYNC;
    // SAFETY: the filter's program is live and of the stated length.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                all_threads,
                &raw const filter
            ),
            0
        );
    }
}
