//! The way to a host: the system's ssh client as a child, so that keys, agents, jump hosts and
//! `~/.ssh/config` are what they are for its user.
//!
//! Two kinds of commands are run there. A step is `sh -s`, with `steps.sh` as its input, and a file
//! is received by `dd`: neither leaves anything to the login shell but words in quotes. All of them
//! go through one connection, where the client can share it, so that who has to type a password
//! types it once.

use std::fs::File;
use std::io::{Read, Seek as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::failure::{Failure, Kind};
use crate::interrupt;
use crate::table::plain;

/// What is done there.
const STEPS: &str = include_str!("steps.sh");
/// What ssh itself ends with when there is no connection.
const NO_CONNECTION: i32 = 255;
/// How much of what a host says is read, in bytes.
const MOST_BYTES: u64 = 1 << 20;
/// How long output may take to come after its process has ended.
const TAIL: Duration = Duration::from_secs(2);

/// How hosts are reached.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Options {
    /// The ssh client, with arguments after blanks: --ssh 'ssh -F FILE -p 2222'
    #[arg(long, value_name = "COMMAND", default_value = "ssh")]
    ssh: String,
    /// An option of ssh, as ssh's own -o takes it: -o IdentityFile=KEY
    #[arg(short = 'o', value_name = "OPTION")]
    option: Vec<String>,
    /// Do everything there by `sudo -n`
    #[arg(long)]
    sudo: bool,
    /// Seconds that a step may take
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
}

impl Options {
    /// The client and what it is given before a host, for people.
    pub(super) fn shown(&self) -> String {
        let options = self.option.iter().map(|option| format!(" -o {}", quoted(option)));
        format!("{}{}", self.ssh.trim(), options.collect::<String>())
    }

    /// What stands before each command there.
    pub(super) const fn prefix(&self) -> &'static str {
        if self.sudo { "sudo -n " } else { "" }
    }

    /// As they are typed again, behind a blank each.
    pub(super) fn again(&self) -> String {
        let mut text = String::new();
        if self.ssh != "ssh" {
            text += &format!(" --ssh {}", quoted(&self.ssh));
        }
        for option in &self.option {
            text += &format!(" -o {}", quoted(option));
        }
        if self.sudo {
            text += " --sudo";
        }
        text
    }
}

/// A host.
pub(super) struct Ssh<'a> {
    host: &'a str,
    options: &'a Options,
    /// Where its shared connection is.
    place: PathBuf,
}

/// What a command there has said.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) status: i32,
    pub(super) out: String,
    pub(super) err: String,
}

impl<'a> Ssh<'a> {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// When there is no place for the socket of the shared connection.
    pub(super) fn new(host: &'a str, options: &'a Options) -> anyhow::Result<Ssh<'a>> {
        // Short: the path of a socket has 108 bytes at most, and ssh adds to it.
        let place = nix::unistd::mkdtemp("/tmp/mesos-command-ssh.XXXXXX");
        let place = place.context("no directory for ssh's connection can be made in /tmp")?;
        interrupt::remove_at_end(&place);
        Ok(Ssh { host, options, place })
    }

    /// One step of `steps.sh`: the lines that it says, as keys and values.
    pub(super) fn step(&self, words: &[&str]) -> Result<Vec<(String, String)>, Failure> {
        let said = self.ask(words)?;
        match said.status {
            0 => Ok(said.lines()),
            _ => Err(self.failure(&said)),
        }
    }

    /// The same, whatever its exit status is, unless it is the failure of a step.
    pub(super) fn ask(&self, words: &[&str]) -> Result<Said, Failure> {
        let mut input =
            memory().map_err(|error| Failure::new(Kind::Other, format!("{error:#}")))?;
        let written = input.write_all(STEPS.as_bytes()).and_then(|()| input.rewind());
        written.map_err(|error| Failure::new(Kind::Other, error.to_string()))?;
        let said = self.run(&[&["sh", "-s", "--"], words].concat(), input)?;
        let is_failure = said.lines().iter().any(|(key, _)| key == "failed");
        if said.status == NO_CONNECTION || is_failure {
            return Err(self.failure(&said));
        }
        Ok(said)
    }

    /// Sends a file to a path there.
    pub(super) fn send(&self, file: File, to: &str) -> Result<(), Failure> {
        let of = format!("of={to}");
        let said = self.run(&["env", "LC_ALL=C", "dd", "bs=65536", "conv=fsync", &of], file)?;
        if said.status == 0 {
            return Ok(());
        }
        let mut failure = self.failure(&said);
        if failure.kind == Kind::Other {
            let by = |words: &str| said.err.contains(words);
            failure.kind = match () {
                () if by("No space left") || by("quota exceeded") => Kind::NoSpace,
                () if by("Permission denied") => Kind::NoPermission,
                () if by("Read-only file system") => Kind::ReadOnly,
                () => Kind::Other,
            };
        }
        Err(failure)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut parts = self.options.ssh.split_whitespace();
        let mut command = Command::new(parts.next().unwrap_or("ssh"));
        command.args(parts);
        // Of several values of an option ssh takes the first: the user's.
        for option in &self.options.option {
            command.args(["-o", option]);
        }
        let socket = format!("ControlPath={}/c", self.place.display());
        let own = ["ConnectTimeout=15", "ServerAliveInterval=10", "ServerAliveCountMax=3"];
        for option in own.iter().chain(&["ControlMaster=auto", "ControlPersist=60"]) {
            command.args(["-o", option]);
        }
        command.args(["-o", &socket, "-T", "--", self.host]);
        let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        command.arg(format!("{}{}", self.options.prefix(), words.join(" ")));
        command
    }

    fn run(&self, words: &[&str], input: File) -> Result<Said, Failure> {
        let mut command = self.command(words);
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            let program = command.get_program().to_string_lossy();
            Failure::new(Kind::NoSsh, format!("'{}' cannot be started: {error}", plain(&program)))
        })?;
        let out = reader(child.stdout.take());
        let err = reader(child.stderr.take());
        let timeout = Duration::from_secs(self.options.timeout);
        let status = wait(&mut child, timeout)
            .map_err(|error| Failure::new(Kind::Other, format!("waiting for ssh: {error}")))?;
        interrupt::leave_if_requested();
        let Some(status) = status else {
            let text = format!("it took longer than {} seconds", self.options.timeout);
            return Err(Failure::new(Kind::Timeout, text));
        };
        Ok(Said {
            status: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()),
            out: out.recv_timeout(TAIL).unwrap_or_default(),
            err: err.recv_timeout(TAIL).unwrap_or_default(),
        })
    }

    /// Why a command failed.
    fn failure(&self, said: &Said) -> Failure {
        let failed = said.lines().into_iter().find(|(key, _)| key == "failed");
        if let Some((_, text)) = failed {
            let (kind, text) = text.split_once(' ').unwrap_or((&text, ""));
            return Failure::new(Kind::named(kind), plain(text.trim()));
        }
        let text = said.last_words();
        let kind = match said.status {
            NO_CONNECTION => no_connection(&said.err),
            _ if said.err.lines().any(|line| line.starts_with("sudo:")) => Kind::NoSudo,
            _ => Kind::Other,
        };
        let text = if text.is_empty() { format!("exit code {}", said.status) } else { text };
        Failure::new(kind, text)
    }
}

impl Drop for Ssh<'_> {
    fn drop(&mut self) {
        if self.place.join("c").exists() {
            let mut parts = self.options.ssh.split_whitespace();
            let mut command = Command::new(parts.next().unwrap_or("ssh"));
            command.args(parts).arg("-o").arg(format!("ControlPath={}/c", self.place.display()));
            command.args(["-O", "exit", "--", self.host]);
            let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            // It ends by itself after a minute.
            let ended = quiet.spawn().and_then(|mut child| wait(&mut child, TAIL));
            drop(ended);
        }
        interrupt::remove_now(&self.place);
    }
}

impl Said {
    /// `@KEY VALUE` of each line that is one.
    pub(super) fn lines(&self) -> Vec<(String, String)> {
        let marked = self.out.lines().filter_map(|line| line.strip_prefix('@'));
        let split = |line: &str| {
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            (key.to_owned(), value.to_owned())
        };
        marked.map(split).collect()
    }

    /// The last line of its errors that says something; dd counts what it has copied.
    pub(super) fn last_words(&self) -> String {
        let counts = |line: &str| line.contains(" records ") || line.contains(" copied");
        let mut told = self.err.lines().filter(|line| !line.trim().is_empty() && !counts(line));
        plain(told.next_back().unwrap_or_default().trim()).into_owned()
    }
}

/// What keeps ssh from connecting, by its words.
fn no_connection(words: &str) -> Kind {
    if words.contains("Host key verification failed")
        || words.contains("HOST IDENTIFICATION HAS CHANGED")
    {
        Kind::HostKey
    } else if words.contains("Permission denied (")
        || words.contains("Too many authentication failures")
    {
        Kind::NoLogin
    } else {
        Kind::Unreachable
    }
}

/// A word that each login shell takes as it is.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r#"'"'"'"#))
    }
}

/// Reads on a thread, and no more than there is room for: a pipe that is full holds its writer.
fn reader(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            // What was read counts, whatever ended it.
            let _ = pipe.take(MOST_BYTES).read_to_end(&mut bytes);
        }
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

/// Waits, and ends it after `timeout`: `None`.
fn wait(child: &mut Child, timeout: Duration) -> std::io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + timeout;
    loop {
        match child.try_wait()? {
            Some(status) => return Ok(Some(status)),
            None if Instant::now() >= deadline => {
                child.kill()?;
                child.wait()?;
                return Ok(None);
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

fn memory() -> anyhow::Result<File> {
    let file = memfd::MemfdOptions::default().close_on_exec(true).create("steps");
    Ok(file.context("memory for the steps")?.into_file())
}

/// The sum of a file, as `sha256sum` prints it.
///
/// # Errors
/// When it cannot be read.
pub(super) fn sum(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let file = File::open(path).with_context(|| format!("'{shown}' cannot be read"))?;
    let done = Command::new("sha256sum").stdin(file).stderr(Stdio::null()).output();
    let done = done.context("sha256sum (of coreutils) cannot be started here")?;
    let text = String::from_utf8_lossy(&done.stdout);
    let sum = text.split_whitespace().next().filter(|sum| sum.len() == 64);
    sum.map(str::to_owned).with_context(|| format!("sha256sum cannot read '{shown}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: i32, out: &str, err: &str) -> Said {
        Said { status, out: out.to_owned(), err: err.to_owned() }
    }

    #[test]
    fn words_are_quoted_for_each_login_shell() {
        assert_eq!(quoted("of=/usr/lib/x.so"), "of=/usr/lib/x.so");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("a b$(c)"), "'a b$(c)'");
        assert_eq!(quoted("it's"), r#"'it'"'"'s'"#);
    }

    #[test]
    fn what_login_scripts_print_is_no_answer() {
        let said = said(0, "Welcome @ home\n@stage /a b\n@sum \n", "");
        let lines = [("stage", "/a b"), ("sum", "")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(said.lines(), lines);
    }

    #[test]
    fn a_connection_that_fails_has_its_reason() {
        let kinds = [
            ("ssh: connect to host x port 22: Connection refused", Kind::Unreachable),
            ("ssh: Could not resolve hostname x", Kind::Unreachable),
            ("root@x: Permission denied (publickey).", Kind::NoLogin),
            ("Host key verification failed.", Kind::HostKey),
        ];
        for (words, kind) in kinds {
            assert_eq!(no_connection(words), kind, "{words}");
        }
    }

    #[test]
    fn counts_of_dd_are_not_its_last_words() {
        let words = "dd: error writing 'x': No space left on device\n1+0 records in\n0+0 records out\n0 bytes copied, 1 s\n";
        assert_eq!(
            said(1, "", words).last_words(),
            "dd: error writing 'x': No space left on device"
        );
    }
}
