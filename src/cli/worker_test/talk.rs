//! A worker that was started, and the lines that it is sent and says.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::Value;

use super::Subject;

/// The longest line that is read.
const LONGEST_LINE: u64 = 64 << 20;
/// As much of what it said as is shown.
const SHOWN: usize = 200;
/// How often an ended process is looked for.
const PAUSE: Duration = Duration::from_millis(5);

/// A worker, in a process group of its own, which is killed with it.
pub(super) struct Worker {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Vec<u8>>,
    timeout: Duration,
    /// How many requests it takes at a time, as its greeting said.
    pub(super) multiplex: u64,
    /// Whether it takes cancels, as its greeting said.
    pub(super) takes_cancels: bool,
}

impl Worker {
    /// Starts it as the module does; the handshake is the caller's.
    ///
    /// # Errors
    /// When it cannot be started at all.
    pub(super) fn start(subject: &Subject) -> anyhow::Result<Worker> {
        let mut command = Command::new(&subject.command);
        command
            .env("MESOS_COMMAND_WORKER", "1")
            .env("MESOS_COMMAND_EVENT", subject.event.label())
            .env("MESOS_COMMAND_MODULE", "worker-test")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0);
        let mut child =
            command.spawn().with_context(|| format!("'{}' cannot be started", subject.command))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().context("its standard output")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stdout);
            loop {
                let mut line = Vec::new();
                match reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
                    Ok(count) if count > 0 && sender.send(line).is_ok() => {}
                    _ => return,
                }
            }
        });
        let (timeout, multiplex, takes_cancels) = (subject.timeout, 1, false);
        Ok(Worker { child, stdin, lines, timeout, multiplex, takes_cancels })
    }

    /// Sends bytes; a worker that does not read them is given no longer than the timeout.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        let Some(mut stdin) = self.stdin.take() else { return Err("its input is closed".into()) };
        let (sender, sent) = channel();
        let bytes = bytes.to_vec();
        std::thread::spawn(move || {
            let result = stdin.write_all(&bytes).and_then(|()| stdin.flush());
            drop(sender.send((stdin, result)));
        });
        match sent.recv_timeout(self.timeout) {
            Ok((stdin, Ok(()))) => {
                self.stdin = Some(stdin);
                Ok(())
            }
            Ok((_, Err(error))) => {
                Err(format!("it does not take what is sent: {error}{}", self.end()))
            }
            Err(_) => Err(format!("it read nothing for {:?}", self.timeout)),
        }
    }

    /// Its next line, as JSON.
    pub(super) fn line(&mut self) -> Result<Value, String> {
        let line = match self.lines.recv_timeout(self.timeout) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => {
                return Err(format!("it said nothing for {:?}", self.timeout));
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(format!("it closed its output{}", self.end()));
            }
        };
        if line.last() != Some(&b'\n') {
            return Err(format!("it said '{}' without an end of the line", shown(&line)));
        }
        if std::str::from_utf8(&line).is_err() {
            return Err(format!("it said '{}', which is no UTF-8", shown(&line)));
        }
        serde_json::from_slice(&line)
            .map_err(|_| format!("it said '{}', which is no JSON on one line", shown(&line)))
    }

    /// A line that nobody asked for.
    pub(super) fn unasked(&mut self, within: Duration) -> Option<String> {
        self.lines.recv_timeout(within).ok().map(|line| shown(&line))
    }

    /// The greeting and its answer.
    pub(super) fn greet(&mut self) -> Result<(), String> {
        self.send(b"{\"mesos_command_worker\":1}\n")?;
        let answer = self.line()?;
        if answer.get("ready").and_then(Value::as_u64) != Some(1) {
            return Err(format!("it answered the greeting with {answer}, not {{\"ready\":1}}"));
        }
        if let Some(multiplex) = answer.get("multiplex") {
            self.multiplex = multiplex.as_u64().filter(|number| *number > 0).ok_or_else(|| {
                format!("its `multiplex` is {multiplex}: a whole number from 1 on belongs there")
            })?;
        }
        if let Some(cancel) = answer.get("cancel") {
            let word = cancel.as_bool();
            self.takes_cancels = word
                .ok_or_else(|| format!("its `cancel` is {cancel}: true or false belongs there"))?;
        }
        Ok(())
    }

    /// The next answer, to whichever request.
    pub(super) fn any_answer(&mut self) -> Result<(u64, Value), String> {
        let answer = self.line()?;
        match answer.get("id").and_then(Value::as_u64) {
            Some(id) => Ok((id, answer)),
            None => Err(format!("it answered with {}", shown(answer.to_string().as_bytes()))),
        }
    }

    /// A request's answer, of the same `id`, with `output`, `error`, or neither.
    pub(super) fn answer(&mut self, id: u64) -> Result<Value, String> {
        let answer = self.line()?;
        if answer.get("id").and_then(Value::as_f64) != Some(id as f64) {
            return Err(format!(
                "it answered request {id} with {}",
                shown(answer.to_string().as_bytes())
            ));
        }
        Ok(answer)
    }

    /// Closes its input.
    pub(super) fn close(&mut self) {
        self.stdin = None;
    }

    /// Waits for its end.
    pub(super) fn wait(&mut self) -> Option<ExitStatus> {
        let end = Instant::now() + self.timeout;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < end => std::thread::sleep(PAUSE),
                _ => return None,
            }
        }
    }

    /// How it ended, if it did.
    fn end(&mut self) -> String {
        self.stdin = None;
        self.wait().map_or_else(String::new, |status| format!(" and ended ({status})"))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // It may be gone already.
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }
}

fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end();
    let cut: String = text.chars().take(SHOWN).collect();
    if cut.len() < text.len() { format!("{cut}…") } else { cut }
}
