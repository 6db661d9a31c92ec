#!/usr/bin/env python3
"""Runs a command as on Linux 3.10, the kernel of CentOS 7: what came later does not exist.

A seccomp filter answers ENOSYS to every system call that is newer, and EINVAL to the arguments
of older ones that were not known then: clone with CLONE_PIDFD (which 3.10 only ignores) and
waitid by a pidfd. What a filter cannot see stays as it is: files in /proc, cgroups, lengths of
structures, flags behind pointers.

    tests/old_kernel.py target/release/mesos-host run ...

Exit status: the command's; 3 where the machine is no x86_64, whose numbers these are.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Iterator

# linux/prctl.h, linux/seccomp.h, linux/bpf_common.h.
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
# Offsets in struct seccomp_data; an argument's lower half comes first.
NUMBER, FIRST_ARGUMENT = 0, 16

# sched_setattr, of Linux 3.14, follows finit_module, of 3.8.
FIRST_NEWER = 314
CLONE, CLONE_PIDFD = 56, 0x1000
WAITID, P_PIDFD = 247, 3


def program() -> Iterator[tuple[int, int, int, int]]:
    """The filter: code, jumps if true and if false, operand."""

    def refuse(error: int) -> tuple[int, int, int, int]:
        return RETURN, 0, 0, ERRNO | error

    yield LOAD, 0, 0, NUMBER
    yield AT_LEAST, 0, 1, FIRST_NEWER
    yield refuse(errno.ENOSYS)
    # The argument takes the place of the number, so each ends here.
    yield EQUAL, 0, 4, CLONE
    yield LOAD, 0, 0, FIRST_ARGUMENT
    yield ANY_BIT, 0, 1, CLONE_PIDFD
    yield refuse(errno.EINVAL)
    yield RETURN, 0, 0, ALLOW
    yield EQUAL, 0, 3, WAITID
    yield LOAD, 0, 0, FIRST_ARGUMENT
    yield EQUAL, 0, 1, P_PIDFD
    yield refuse(errno.EINVAL)
    yield RETURN, 0, 0, ALLOW


def install() -> None:
    """Puts this process, and all that it starts, under the filter for good."""
    code = b"".join(struct.pack("=HBBI", *step) for step in program())
    buffer = ctypes.create_string_buffer(code)
    described = struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in [
        (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, described, 0, 0),
    ]:
        if libc.prctl(*arguments):
            sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")


def main(words: list[str]) -> int:
    if not words:
        print(__doc__)
        return 2
    if platform.machine() != "x86_64":
        print("SKIPPED the old kernel: the filter knows the numbers of x86_64 alone")
        return 3
    install()
    try:
        os.execvp(words[0], words)
    except OSError as error:
        sys.exit(f"{words[0]}: {error.strerror}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
