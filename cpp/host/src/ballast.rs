#![expect(unsafe_code, reason = "resource limits, dispositions, standard error and environment")]
//! Making this process look like a big agent, and looking at what modules may not change.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use anyhow::Context as _;

/// Makes this process ready to be a host: its log goes to `log`, and libprocess binds to the
/// loopback address, which needs no name resolution. Must run before any thread is there.
pub(crate) fn prepare_process(log: Option<&Path>) -> anyhow::Result<()> {
    if let Some(path) = log {
        let file = File::create(path).with_context(|| path.display().to_string())?;
        // SAFETY: both are open descriptors; standard error stays open for the whole run.
        let done = unsafe { libc::dup2(file.as_raw_fd(), libc::STDERR_FILENO) };
        anyhow::ensure!(done >= 0, "failed to redirect standard error");
    }
    if std::env::var_os("LIBPROCESS_IP").is_none() {
        set_variable("LIBPROCESS_IP", "127.0.0.1");
    }
    Ok(())
}

/// Sets an environment variable. Must be called before any thread is there.
#[expect(clippy::disallowed_methods, reason = "this is the host, before it loads anything")]
pub(crate) fn set_variable(name: &str, value: &str) {
    // SAFETY: libmesos, which starts the first thread, is not loaded yet when this is called.
    unsafe { std::env::set_var(name, value) };
}

const PAGE: usize = 4096;

/// Memory and file descriptors that are held as long as this lives.
#[derive(Debug)]
pub(crate) struct Ballast {
    _memory: Vec<u8>,
    _files: Vec<File>,
}

impl Ballast {
    /// Touches so many bytes and opens so many descriptors (close-on-exec, as Mesos's are).
    pub(crate) fn new(bytes: usize, descriptors: usize) -> anyhow::Result<Ballast> {
        let mut memory = vec![0_u8; bytes];
        for page in memory.chunks_mut(PAGE) {
            page[0] = 1;
        }
        if descriptors > 0 {
            raise_limit(descriptors + 4096)?;
        }
        let files = (0..descriptors)
            .map(|_| File::open("/dev/null"))
            .collect::<Result<Vec<_>, _>>()
            .context("failed to open the wanted number of descriptors")?;
        Ok(Ballast { _memory: std::hint::black_box(memory), _files: files })
    }
}

fn raise_limit(wanted: usize) -> anyhow::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is valid.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    let wanted = wanted as libc::rlim_t;
    if limit.rlim_cur >= wanted {
        return Ok(());
    }
    limit.rlim_cur = wanted;
    limit.rlim_max = limit.rlim_max.max(wanted);
    // SAFETY: as above.
    let done = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    anyhow::ensure!(
        done == 0,
        "failed to raise the limit of open files to {wanted}: {}",
        std::io::Error::last_os_error()
    );
    Ok(())
}

/// The disposition of SIGCHLD as a word.
pub(crate) fn sigchld() -> &'static str {
    // SAFETY: an all-zero sigaction is a valid value to be overwritten.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: only reads the disposition into a valid structure.
    unsafe { libc::sigaction(libc::SIGCHLD, std::ptr::null(), &raw mut action) };
    match action.sa_sigaction {
        libc::SIG_DFL => "default",
        libc::SIG_IGN => "ignored",
        _ => "handled",
    }
}
