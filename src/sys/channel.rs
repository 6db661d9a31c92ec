//! Sockets that keep messages apart, over which descriptors can be sent.

#![expect(unsafe_code, reason = "socketpair, sendmsg and recv, with control messages")]

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;

use super::files::above_stdio;

/// The most descriptors that one message has.
const MOST: usize = 4;
/// Room for a control message with so many descriptors, in 64-bit words, as it must be aligned.
const CONTROL_WORDS: usize = 6;

/// Two ends of a channel, close-on-exec. No call on it blocks that is made here.
pub(crate) fn channel() -> Result<(OwnedFd, OwnedFd), Errno> {
    let mut ends: [RawFd; 2] = [-1; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: the array has room for two descriptors.
    Errno::result(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) })?;
    // SAFETY: the kernel has just made these descriptors for us.
    let ends = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
    let [ours, its] = ends;
    Ok((above_stdio(ours)?, above_stdio(its)?))
}

/// Sends a message, all of it or nothing, with copies of `descriptors`, at most 4.
///
/// # Errors
/// EAGAIN when the other end does not read, EPIPE when it is closed, EINVAL for too many.
pub(crate) fn send_message(
    end: BorrowedFd<'_>,
    message: &[u8],
    descriptors: &[RawFd],
) -> Result<(), Errno> {
    if descriptors.len() > MOST {
        return Err(Errno::EINVAL);
    }
    let bytes = std::mem::size_of_val(descriptors);
    let mut part =
        libc::iovec { iov_base: message.as_ptr().cast_mut().cast(), iov_len: message.len() };
    let mut control = [0u64; CONTROL_WORDS];
    // SAFETY: all-zero is a valid header without control message.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    if !descriptors.is_empty() {
        header.msg_control = control.as_mut_ptr().cast();
        // SAFETY: both only calculate.
        let (space, length) =
            unsafe { (libc::CMSG_SPACE(bytes as u32), libc::CMSG_LEN(bytes as u32)) };
        header.msg_controllen = space as _;
        // SAFETY: the buffer is aligned and has room for the header and 4 descriptors, of which
        // there are no more.
        unsafe {
            let first = libc::CMSG_FIRSTHDR(&raw const header);
            (*first).cmsg_level = libc::SOL_SOCKET;
            (*first).cmsg_type = libc::SCM_RIGHTS;
            (*first).cmsg_len = length as _;
            let data = libc::CMSG_DATA(first);
            std::ptr::copy_nonoverlapping(descriptors.as_ptr().cast::<u8>(), data, bytes);
        }
    }
    loop {
        let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
        // SAFETY: what the header points to is live, and the kernel only reads it.
        match Errno::result(unsafe { libc::sendmsg(end.as_raw_fd(), &raw const header, flags) }) {
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
            Ok(_) => return Ok(()),
        }
    }
}

/// Receives a message, of which what `buffer` has no room for is lost, and returns its length: 0
/// when the other end is closed.
///
/// # Errors
/// EAGAIN when there is none.
pub(crate) fn receive_message(end: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize, Errno> {
    loop {
        // SAFETY: the buffer is live and its length is passed.
        let received = unsafe {
            libc::recv(
                end.as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                libc::MSG_DONTWAIT,
            )
        };
        match Errno::result(received) {
            Err(Errno::EINTR) => {}
            // What it had not read was lost with its end.
            Err(Errno::ECONNRESET) => return Ok(0),
            Err(errno) => return Err(errno),
            Ok(length) => return Ok(length.cast_unsigned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn messages_stay_apart_and_descriptors_are_copied() {
        let (ours, its) = channel().expect("a channel");
        let mut buffer = [0; 16];
        let receive = |buffer: &mut [u8; 16]| receive_message(its.as_fd(), buffer);
        assert_eq!(receive(&mut buffer), Err(Errno::EAGAIN));
        let (other, end) = channel().expect("a channel");
        let four = [end.as_raw_fd(); 4];
        send_message(ours.as_fd(), b"one", &four).expect("sent");
        send_message(ours.as_fd(), b"two", &[]).expect("sent");
        assert_eq!(send_message(ours.as_fd(), b"", &[end.as_raw_fd(); 5]), Err(Errno::EINVAL));
        drop(end);
        assert_eq!(receive_message(other.as_fd(), &mut buffer), Err(Errno::EAGAIN), "it is open");
        assert_eq!(receive(&mut buffer), Ok(3));
        assert_eq!(&buffer[..3], b"one");
        assert_eq!(
            receive_message(other.as_fd(), &mut buffer),
            Ok(0),
            "recv has dropped the copies"
        );
        assert_eq!(receive(&mut buffer), Ok(3));
        drop(ours);
        assert_eq!(receive(&mut buffer), Ok(0));
        assert_eq!(send_message(its.as_fd(), b"late", &[]), Err(Errno::EPIPE), "and no SIGPIPE");
    }
}
