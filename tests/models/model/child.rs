//! A worker's process: a task that has the other ends of the worker's real pipes.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{pipe2, read, write};
use shuttle::thread::yield_now;
use tokio::net::unix::pipe;
use tokio::sync::Notify;

use crate::sys::{ExitStatus, Pid};

use super::Quarantine;
use super::runner::next_pid;

/// What becomes of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It answers until its input ends.
    #[default]
    Serves,
    /// It ends when it has read this request, the first being 0, without an answer.
    EndsAt(usize),
    /// It ends when it has answered this request.
    EndsAfter(usize),
    /// It answers this request twice.
    AnswersTwice(usize),
    /// It takes several requests at a time and answers the last one first; one that is cancelled at
    /// once.
    Multiplexes,
    /// So does this one, until it ends with the requests that it has, when it has read this one.
    MultiplexesUntil(usize),
}

/// Our ends of a program's pipes, none of which blocks.
pub(crate) struct PipeEnds {
    pub(crate) stdin: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: Option<pipe::Receiver>,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(dead_code, reason = "no play has a process that cannot be killed")]
pub(crate) enum End {
    Status(ExitStatus),
    Lost,
    Unkillable,
}

/// What is known of a program that has been ended.
pub(crate) struct PipedEnd {
    pub(crate) end: End,
    pub(crate) killed: bool,
    pub(crate) met: Option<LimitMet>,
}

/// A limit; no play has one.
pub(crate) struct LimitMet {
    pub(crate) is_memory: bool,
    pub(crate) text: String,
}

/// A started program.
pub(crate) struct PipedChild {
    process: Arc<Process>,
    pub(crate) spawn: Duration,
}

#[derive(Default)]
struct Process {
    killed: AtomicBool,
    has_ended: AtomicBool,
    ends: Notify,
}

impl PipedChild {
    /// Starts a process.
    pub(super) fn start(fate: Fate) -> io::Result<(PipedChild, PipeEnds)> {
        let (its_stdin, stdin) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        let (stdout, its_stdout) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        let process = Arc::new(Process::default());
        let own = process.clone();
        drop(shuttle::future::spawn(async move {
            match fate {
                Fate::Multiplexes => own.multiplex(None, &its_stdin, &its_stdout),
                Fate::MultiplexesUntil(last) => {
                    own.multiplex(Some(last), &its_stdin, &its_stdout);
                }
                _ => own.serve(fate, &its_stdin, &its_stdout),
            }
            // As the kernel does: the pipes are closed before the pidfd becomes readable.
            drop((its_stdin, its_stdout));
            yield_now();
            own.has_ended.store(true, Ordering::SeqCst);
            own.ends.notify_waiters();
        }));
        let child = PipedChild { process, spawn: Duration::ZERO };
        Ok((child, PipeEnds { stdin, stdout, stderr: None }))
    }

    pub(crate) fn pid(&self) -> Pid {
        next_pid()
    }

    /// Completes when it has ended.
    pub(crate) async fn ended(&self) {
        let ends = self.process.ends.notified();
        if !self.process.has_ended.load(Ordering::SeqCst) {
            ends.await;
        }
    }

    /// Ends it: at once, or when it has not ended by itself within `grace`, which never passes.
    pub(crate) async fn end(
        self,
        grace: Duration,
        drain: impl Future<Output = ()>,
        settled: impl Future<Output = ()>,
        _quarantine: Option<&Arc<Quarantine>>,
    ) -> PipedEnd {
        if !grace.is_zero() {
            tokio::select! {
                () = self.ended() => {}
                () = drain => {}
            }
        }
        let killed = !self.process.has_ended.load(Ordering::SeqCst);
        self.process.killed.store(true, Ordering::SeqCst);
        self.ended().await;
        settled.await;
        let status = if killed { ExitStatus::Signaled(9) } else { ExitStatus::Exited(0) };
        PipedEnd { end: End::Status(status), killed, met: None }
    }
}

impl Process {
    /// Reads lines and answers them, until its fate, its input's end, or a KILL.
    fn serve(&self, fate: Fate, stdin: &OwnedFd, stdout: &OwnedFd) {
        let (mut line, mut byte) = (Vec::new(), [0]);
        let mut request: Option<usize> = None;
        while !self.killed.load(Ordering::SeqCst) {
            match read(stdin, &mut byte) {
                Ok(0) => return,
                Ok(_) if byte != *b"\n" => line.push(byte[0]),
                Ok(_) => {
                    let answers = match request {
                        None => 1,
                        Some(number) if fate == Fate::EndsAt(number) => return,
                        Some(number) if fate == Fate::AnswersTwice(number) => 2,
                        Some(_) => 1,
                    };
                    let answer = answer(&std::mem::take(&mut line));
                    for _ in 0..answers {
                        yield_now();
                        self.say(stdout, &answer);
                    }
                    if request.is_some_and(|number| fate == Fate::EndsAfter(number)) {
                        return;
                    }
                    request = Some(request.map_or(0, |number| number + 1));
                }
                Err(Errno::EAGAIN) => yield_now(),
                Err(errno) => panic!("its input cannot be read: {errno}"),
            }
        }
    }

    /// Reads lines, and answers the newest one when there is no other to be read.
    fn multiplex(&self, last: Option<usize>, stdin: &OwnedFd, stdout: &OwnedFd) {
        let (mut line, mut byte) = (Vec::new(), [0]);
        let (mut owed, mut requests) = (Vec::<serde_json::Value>::new(), 0);
        while !self.killed.load(Ordering::SeqCst) {
            match read(stdin, &mut byte) {
                Ok(0) => return,
                Ok(_) if byte != *b"\n" => line.push(byte[0]),
                Ok(_) => {
                    let text = std::mem::take(&mut line);
                    let read: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
                    if read.get("mesos_command_worker").is_some() {
                        self.say(stdout, b"{\"ready\":1,\"multiplex\":3,\"cancel\":true}\n");
                    } else if let Some(id) = read.get("cancel") {
                        if let Some(at) = owed.iter().position(|one| one["id"] == *id) {
                            owed.remove(at);
                            self.say(
                                stdout,
                                format!("{{\"id\":{id},\"error\":\"cancelled\"}}\n").as_bytes(),
                            );
                        }
                    } else {
                        owed.push(read);
                        if last == Some(requests) {
                            return;
                        }
                        requests += 1;
                        assert!(owed.len() <= 3, "more than it takes");
                    }
                }
                Err(Errno::EAGAIN) => match owed.pop() {
                    Some(one) => self.say(stdout, &answer(one.to_string().as_bytes())),
                    None => yield_now(),
                },
                Err(errno) => panic!("its input cannot be read: {errno}"),
            }
        }
    }

    /// Writes an answer in two pieces.
    fn say(&self, stdout: &OwnedFd, answer: &[u8]) {
        let (first, second) = answer.split_at(answer.len() / 2);
        for piece in [first, second] {
            // Its reader may be gone.
            let _ = write(stdout, piece);
            yield_now();
        }
    }
}

/// What a worker says to a line.
fn answer(line: &[u8]) -> Vec<u8> {
    let line: serde_json::Value = serde_json::from_slice(line).expect("a line of JSON");
    match line.get("id") {
        None => b"{\"ready\":1}\n".to_vec(),
        Some(id) => format!("{{\"id\":{id},\"output\":{}}}\n", line["input"]).into_bytes(),
    }
}
