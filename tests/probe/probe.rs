//! A command for tests that does what it is told, so that faults can be composed.
//!
//! It is started as commands are, `mcmd-probe INPUT OUTPUT ERROR`, and reads its steps from the
//! environment: `PROBE="output:{} ; exit:3"`, separated by semicolons, done in order. A `fork:X`
//! step runs the steps in `PROBE_X` in a child. At the end it exits with 0.

#![expect(clippy::disallowed_methods, reason = "a probe misbehaves on purpose")]
#![expect(unsafe_code, reason = "fork and signal dispositions")]

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::{SigHandler, Signal, raise, signal};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork, getpgrp, getpid, setpgid, setsid};

struct Paths {
    input: PathBuf,
    output: PathBuf,
    error: PathBuf,
}

fn main() {
    let arguments: Vec<PathBuf> = std::env::args_os().map(PathBuf::from).collect();
    let path = |index: usize| arguments.get(index).cloned().unwrap_or_default();
    let paths = Paths { input: path(1), output: path(2), error: path(3) };
    run("PROBE", &paths);
}

fn run(variable: &str, paths: &Paths) {
    let steps = std::env::var(variable).unwrap_or_default();
    for step in steps.split(';').map(str::trim).filter(|step| !step.is_empty()) {
        let (verb, argument) = step.split_once(':').unwrap_or((step, ""));
        if !files(verb, argument, paths) && !processes(verb, argument, paths) {
            eprintln!("mcmd-probe: unknown step {step:?}");
            std::process::exit(99);
        }
    }
}

/// Steps about files; false when the verb is none of them. Late writers must not fail loudly, so
/// errors are told on stderr only.
fn files(verb: &str, argument: &str, paths: &Paths) -> bool {
    let number = || argument.parse::<u64>().unwrap_or(0);
    let result = match verb {
        "output" => fs::write(&paths.output, argument),
        "error" => fs::write(&paths.error, argument),
        "fill" => fill(&paths.output, number()),
        "sparse" => OpenOptions::new()
            .write(true)
            .open(&paths.output)
            .and_then(|file| file.set_len(number())),
        "rename" => {
            let temporary = paths.output.with_extension("tmp");
            fs::write(&temporary, argument).and_then(|()| fs::rename(&temporary, &paths.output))
        }
        "copy-input" => fs::copy(&paths.input, &paths.output).map(drop),
        "copy-stdin" => {
            let mut text = Vec::new();
            std::io::stdin().read_to_end(&mut text).and_then(|_| fs::write(&paths.output, text))
        }
        "become" => replace(&paths.output, argument),
        "error-become" => replace(&paths.error, argument),
        "leave" => fs::create_dir_all(paths.output.with_file_name(argument).join("deep")),
        "stdout" => {
            let mut stdout = std::io::stdout();
            stdout.write_all(argument.as_bytes()).and_then(|()| stdout.flush())
        }
        "stderr" => std::io::stderr().write_all(argument.as_bytes()),
        "stderr-bytes" => fill_stderr(number()),
        "touch" => fs::write(argument, getpid().to_string()),
        "print" => fs::write(&paths.output, describe_self()),
        _ => return false,
    };
    if let Err(error) = result {
        eprintln!("mcmd-probe: {verb}: {error}");
    }
    true
}

fn fill(path: &PathBuf, mut bytes: u64) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let block = [b'x'; 64 * 1024];
    while bytes > 0 {
        let length = usize::try_from(bytes.min(block.len() as u64)).unwrap_or(block.len());
        file.write_all(&block[..length])?;
        bytes -= length as u64;
    }
    Ok(())
}

fn fill_stderr(mut bytes: u64) -> std::io::Result<()> {
    let block = [b'e'; 64 * 1024];
    while bytes > 0 {
        let length = usize::try_from(bytes.min(block.len() as u64)).unwrap_or(block.len());
        std::io::stderr().write_all(&block[..length])?;
        bytes -= length as u64;
    }
    std::io::stderr().write_all(b"THE END")
}

fn replace(path: &PathBuf, kind: &str) -> std::io::Result<()> {
    fs::remove_file(path)?;
    match kind {
        "nothing" => Ok(()),
        "directory" => fs::create_dir(path),
        "symlink" => std::os::unix::fs::symlink("/etc/passwd", path),
        "fifo" => nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).map_err(Into::into),
        "socket" => std::os::unix::net::UnixListener::bind(path).map(drop),
        other => Err(std::io::Error::other(format!("no such kind: {other}"))),
    }
}

/// Steps about processes; false when the verb is none of them.
fn processes(verb: &str, argument: &str, paths: &Paths) -> bool {
    match verb {
        "exit" => std::process::exit(argument.parse().unwrap_or(98)),
        "signal" => die_by(argument.parse().unwrap_or(9)),
        "sleep" => std::thread::sleep(Duration::from_millis(argument.parse().unwrap_or(0))),
        "spin" => loop {
            std::hint::spin_loop();
        },
        "ignore" => set(argument, SigHandler::SigIgn),
        "exit-0-on" => set(argument, SigHandler::Handler(exit_0)),
        "stop" => {
            let _ = raise(Signal::SIGSTOP);
        }
        "setsid" => {
            let _ = setsid();
        }
        "setpgid" => {
            let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
        }
        "close-stdio" => {
            (0..3).for_each(|fd| {
                let _ = nix::unistd::close(fd);
            });
        }
        "fork" => forked(argument, paths),
        "daemon" => daemon(argument, paths),
        "wait-for" => {
            while !std::path::Path::new(argument).exists() {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        _ => return false,
    }
    true
}

fn die_by(number: i32) {
    if let Ok(number) = Signal::try_from(number) {
        set(number.as_str(), SigHandler::SigDfl);
        // No core files from tests.
        let _ = nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0);
        let _ = raise(number);
    }
}

extern "C" fn exit_0(_: i32) {
    // SAFETY: _exit is async-signal-safe.
    unsafe { libc::_exit(0) };
}

fn set(name: &str, handler: SigHandler) {
    if let Ok(number) = name.parse::<Signal>() {
        // SAFETY: the handlers here only call _exit.
        let _ = unsafe { signal(number, handler) };
    }
}

/// Runs the steps of `PROBE_<name>` in a child that stays in the group.
fn forked(name: &str, paths: &Paths) {
    // SAFETY: this program has one thread.
    if let Ok(ForkResult::Child) = unsafe { fork() } {
        run(&format!("PROBE_{name}"), paths);
        std::process::exit(0);
    }
}

/// Runs the steps of `PROBE_<name>` in a session of its own, orphaned.
fn daemon(name: &str, paths: &Paths) {
    // SAFETY: this program has one thread.
    match unsafe { fork() } {
        Ok(ForkResult::Child) => {
            let _ = setsid();
            forked(name, paths);
            std::process::exit(0);
        }
        Ok(ForkResult::Parent { child }) => {
            let _ = waitpid(child, None);
        }
        Err(_) => {}
    }
}

/// What the process inherited, one `key=value` per line.
fn describe_self() -> Vec<u8> {
    let mut text = Vec::new();
    let mut line = |key: &str, value: &[u8]| {
        text.extend_from_slice(key.as_bytes());
        text.push(b'=');
        text.extend_from_slice(value);
        text.push(b'\n');
    };
    let mut fds: Vec<i32> = fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten()
        // The listing's own descriptor leads to this directory.
        .filter(|entry| fs::read_link(entry.path()).is_ok_and(|to| !to.ends_with("fd")))
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    fds.sort_unstable();
    line("fds", format!("{fds:?}").as_bytes());
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    for key in ["SigBlk", "SigIgn", "SigCgt"] {
        let value = status.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(":\t"));
        line(key, value.unwrap_or("?").as_bytes());
    }
    line("leads_group", (getpgrp() == getpid()).to_string().as_bytes());
    for fd in 0..3 {
        let to = fs::read_link(format!("/proc/self/fd/{fd}")).unwrap_or_default();
        line(&format!("fd{fd}"), to.into_os_string().into_vec().as_slice());
    }
    line("argc", std::env::args_os().count().to_string().as_bytes());
    for (key, value) in std::env::vars_os() {
        let key = key.into_string().unwrap_or_default();
        line(&format!("env.{key}"), &value.into_vec());
    }
    text
}
