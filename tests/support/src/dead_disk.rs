//! A file system that hangs: whoever touches it is in the kernel, where no signal reaches, until it
//! is taken away. As a network file system whose server is gone, a broken disk or a stuck driver.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// A mounted file system that answers nothing. It is a FUSE server of ours that takes requests and
/// forgets them: a request that the server has taken is waited for by a process whatever signals it
/// gets (Linux `fs/fuse/dev.c`, `request_wait_answer`).
pub struct DeadDisk {
    directory: PathBuf,
    shared: Arc<Shared>,
    server: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    touched: AtomicUsize,
}

/// `FUSE_INIT`, the first request (Linux `include/uapi/linux/fuse.h`).
const INIT: u32 = 26;
/// `FUSE_INTERRUPT`.
const INTERRUPT: u32 = 36;
/// Of the request's header, `struct fuse_in_header`.
const HEADER: usize = 40;
/// The version of the protocol that we say we speak.
const VERSION: [u32; 2] = [7, 31];
/// The kernel refuses reads with less room.
const ROOM: usize = 1 << 16;

impl DeadDisk {
    /// Mounts it at a directory of its own, which is removed with it: whoever looks at a directory
    /// that is still mounted hangs.
    ///
    /// # Errors
    ///
    /// Why it cannot be: no `/dev/fuse`, or not the rights to mount.
    pub fn mount() -> Result<DeadDisk, String> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("dead-disk.{}.{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory).map_err(|error| format!("no directory: {error}"))?;
        DeadDisk::mount_at(&directory).inspect_err(|_| drop(std::fs::remove_dir(&directory)))
    }

    fn mount_at(directory: &Path) -> Result<DeadDisk, String> {
        let mut options = OpenOptions::new();
        let device = options.read(true).write(true).custom_flags(nix::libc::O_NONBLOCK);
        let device = device.open("/dev/fuse").map_err(|error| format!("/dev/fuse: {error}"))?;
        let data = format!("fd={},rootmode=40000,user_id=0,group_id=0", device.as_raw_fd());
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(Some("dead-disk"), directory, Some("fuse"), flags, Some(data.as_str()))
            .map_err(|error| format!("a FUSE file system cannot be mounted: {error}"))?;
        let shared = Arc::<Shared>::default();
        let own = shared.clone();
        let server = std::thread::spawn(move || serve(device, &own));
        Ok(DeadDisk { directory: directory.to_owned(), shared, server: Some(server) })
    }

    /// A file on it; whoever opens it, or only looks at it, hangs.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.directory.join("file")
    }

    /// How many requests hang.
    #[must_use]
    pub fn touched(&self) -> usize {
        self.shared.touched.load(Ordering::SeqCst)
    }

    /// Takes it away: whoever hangs goes on with an error, and is then ended by the signals that
    /// were sent meanwhile.
    pub fn release(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(server) = self.server.take() else { return };
        self.shared.stop.store(true, Ordering::SeqCst);
        // With it the device is closed, which ends the connection.
        let _ = server.join();
        if umount2(&self.directory, MntFlags::MNT_DETACH).is_ok() {
            let _ = std::fs::remove_dir(&self.directory);
        }
    }
}

impl Drop for DeadDisk {
    fn drop(&mut self) {
        self.end();
    }
}

/// Answers the first request and takes the others.
fn serve(mut device: File, shared: &Shared) {
    let mut request = vec![0; ROOM];
    while !shared.stop.load(Ordering::SeqCst) {
        match device.read(&mut request) {
            Ok(length) if length >= HEADER && word(&request, 4) == INIT => {
                let unique = request[8..16].to_vec();
                device.write_all(&hello(&unique)).expect("an answer to the first request");
            }
            // An INTERRUPT says that a signal came, and is answered with silence too.
            Ok(length) => {
                let is_request = length >= HEADER && word(&request, 4) != INTERRUPT;
                shared.touched.fetch_add(usize::from(is_request), Ordering::SeqCst);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(1));
            }
            // A request that was withdrawn before it was read, or the end of the mount.
            Err(error) if error.raw_os_error() == Some(nix::libc::ENODEV) => return,
            Err(_) => {}
        }
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// `struct fuse_out_header` and `struct fuse_init_out`.
fn hello(unique: &[u8]) -> Vec<u8> {
    let (length, error): (u32, i32) = (16 + 64, 0);
    let mut answer = [&length.to_ne_bytes()[..], &error.to_ne_bytes(), unique].concat();
    answer.extend(VERSION.map(u32::to_ne_bytes).concat());
    // max_readahead, flags; max_background and congestion_threshold; max_write, time_gran.
    answer.extend([0, 0, 12 | 10 << 16, 4096, 1].map(u32::to_ne_bytes).concat());
    answer.resize(length as usize, 0);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{skip, until};

    #[test]
    fn whoever_touches_it_hangs_until_it_is_released() {
        let disk = match DeadDisk::mount() {
            Ok(disk) => disk,
            Err(reason) => return skip("whoever_touches_it_hangs_until_it_is_released", &reason),
        };
        let mut child =
            std::process::Command::new("cat").arg(disk.file()).spawn().expect("cat starts");
        let state = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id()));
            stat.unwrap_or_default().rsplit(") ").next().unwrap_or("").chars().next()
        };
        until("the process on the disk", || disk.touched() == 1);
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
        nix::sys::signal::kill(pid, nix::sys::signal::SIGKILL).expect("sent");
        until("the process in D", || state() == Some('D'));
        disk.release();
        assert!(!child.wait().expect("it ends").success());
    }
}
