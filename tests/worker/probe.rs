//! A worker that misbehaves as its file name says.
//!
//! `anything@FAULT=N`: at its N-th request it makes a file `held.PID.N` beside itself and does
//! FAULT; without one it behaves. As a plain command it says so in its output. `anything@many=N`
//! and `anything@many-cancel=N` have N requests at a time (`many`). `host COMMAND [UID]` instead
//! makes it a process with a pool, of workers of that user.

mod many;

use std::io::{BufRead, Write};
use std::process::exit;
use std::sync::Arc;
use std::time::Duration;

use mesos_command::command::{Background, CommandLine, Stdio};
use mesos_command::event::{Event, ModuleKind};
use mesos_command::metrics::ModuleMetrics;
use mesos_command::run::{CommandSpec, Request, Runner};
use mesos_command::staging::{Input, IoMode};
use mesos_command::sys::{Identity, User};
use mesos_command::worker::{Recycling, WorkerLog, WorkerPool, WorkerSettings};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_some_and(|argument| argument == "host") {
        let user = arguments.get(3).map(|uid| uid.parse().expect("a number"));
        return host(&arguments[2], user.map(user_of));
    }
    let (fault, at) = fault(&arguments[0]);
    let is_worker = std::env::var_os("MESOS_COMMAND_WORKER").is_some();
    match (fault.starts_with("many"), is_worker) {
        (true, true) => return many::serve(&arguments[0], fault == "many-cancel", at),
        (true, false) => return many::run(&arguments[1], &arguments[2]),
        (false, _) => {}
    }
    if !is_worker {
        std::fs::write(&arguments[2], r#"{"from":"spawn"}"#).expect("the output file");
        return;
    }
    if fault == "mute" {
        stall();
    }
    let (mut requests, mut grown) = (0, Vec::new());
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        if line.starts_with("{\"mesos_command_worker\"") {
            say("{\"ready\":1}\n");
            if fault == "early" {
                std::thread::sleep(Duration::from_millis(100));
                say("{\"id\":1}\n");
            }
            continue;
        }
        let request: serde_json::Value = serde_json::from_str(&line).expect("a request");
        requests += 1;
        let fault = if requests == at { fault.as_str() } else { "" };
        if !fault.is_empty() {
            let mark = beside(&arguments[0], &format!("held.{}.{requests}", std::process::id()));
            std::fs::write(mark, "").expect("the command's directory");
        }
        if fault == "grow" {
            grown.push(vec![1_u8; 48 << 20]);
        }
        if fault == "hold" {
            while !beside(&arguments[0], "go").exists() {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        answer(fault, &request, requests);
    }
    if fault == "deathless" {
        stall();
    }
}

fn user_of(uid: u32) -> User {
    User { name: "somebody".into(), uid, gid: uid, groups: [uid].into() }
}

/// Keeps a pool of workers until it is killed; prints the number of a worker.
fn host(command: &str, user: Option<User>) {
    struct Silent;
    impl WorkerLog for Silent {
        fn failure(&self, _: &str) {}
        fn note(&self, _: &str) {}
    }
    let spec = CommandSpec {
        event: Event::Usage,
        module: "host".into(),
        command: CommandLine::Path(command.into()),
        environment: [].into(),
        timeout: Some(Duration::from_secs(10)),
        kill_grace: Duration::from_secs(1),
        max_output_bytes: 1000,
        io: IoMode::Files,
        stdio: Stdio::Capture,
        background: Background::Kill,
        identity: Identity { user, ..Identity::default() },
        temp_dir: None,
        cgroups: None,
    };
    let settings = WorkerSettings {
        spec: Arc::new(spec),
        workers: 1,
        lane: None,
        quarantine: None,
        stand_in: true,
        queue_limit: None,
        multiplex: 64,
        recycling: Recycling::default(),
        metrics: ModuleMetrics::new("host", ModuleKind::Isolator),
        log: Arc::new(Silent),
    };
    let spec = settings.spec.clone();
    let pool = WorkerPool::start(Runner::global().expect("a runner"), settings);
    while pool.up() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let report =
        pool.run_blocking(Request::new(spec.clone(), Input::Text(b"{}".as_slice().into())));
    say(&format!("{}\n", report.pid.expect("a worker")));
    // Keeps the worker busy if it is one that stalls at its second request.
    let _ = pool.run_blocking(Request::new(spec, Input::Text(b"{}".as_slice().into())));
    stall();
}

/// A file in the directory of the command.
fn beside(command: &str, name: &str) -> std::path::PathBuf {
    std::path::Path::new(command).with_file_name(name)
}

/// The fault and the request at which it happens.
fn fault(name: &str) -> (String, u64) {
    let fault = name.rsplit('/').next().and_then(|name| name.split_once('@'));
    let Some((_, fault)) = fault else { return (String::new(), 0) };
    let (fault, at) = fault.split_once('=').unwrap_or((fault, "0"));
    (fault.to_owned(), at.parse().expect("a number"))
}

fn say(text: &str) {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).expect("stdout");
}

fn stall() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

fn answer(fault: &str, request: &serde_json::Value, requests: u64) {
    let id = request["id"].as_u64().expect("an id");
    let output = serde_json::json!({
        "from": "worker",
        "pid": std::process::id(),
        "request": requests,
        "event": request["event"],
        "deadline": request["deadline"],
        "input": request["input"],
        "arguments": std::env::args().len(),
    });
    let good = format!("{{\"id\":{id},\"output\":{output}}}\n");
    if let "partial" | "busy" | "suicide" | "deaf" | "close" | "orphan" = fault {
        never_answer(fault, &good);
    }
    match fault {
        "exit" => exit(3),
        "leave" => exit(0),
        "last" => {
            say(&good);
            exit(0)
        }
        "garbage" => say("Segmentation fault (core dumped)\n"),
        "wrong-id" => say(&format!("{{\"id\":{}}}\n", id + 1)),
        "twice" => say(&format!("{good}{good}")),
        "log" => say(&format!("INFO starting\n{good}")),
        "after" => {
            say(&good);
            std::thread::sleep(Duration::from_millis(50));
            say("INFO one more thing\n");
        }
        "huge" => loop {
            say(&"x".repeat(64 * 1024));
        },
        "large" => say(&format!("{{\"id\":{id},\"output\":\"{}\"}}\n", "x".repeat(200_000))),
        "error" => say(&format!("{{\"id\":{id},\"error\":\"no such container\"}}\n")),
        "nan" => say(&format!("{{\"id\":{id}.0,\"output\":{{\"mem_rss_bytes\":NaN}}}}\n")),
        "object" => say(&format!("{{\"id\":{id},\"error\":{{\"code\":2}}}}\n")),
        "stderr" => {
            eprintln!("what went wrong");
            say("{}\n");
        }
        _ => say(&good),
    }
}

/// Faults of a worker that answers no request any more: it hangs, or is gone.
fn never_answer(fault: &str, good: &str) -> ! {
    let half = &good[..good.len() / 2];
    match fault {
        "partial" => say(half),
        "busy" => {
            let command = std::env::args().next().expect("a name");
            std::fs::write(beside(&command, "busy"), "").expect("beside the command");
        }
        "suicide" => {
            say(half);
            let kill = nix::sys::signal::Signal::SIGKILL;
            nix::sys::signal::kill(nix::unistd::getpid(), kill).expect("kill");
        }
        "deaf" => say(good),
        "close" => drop(nix::unistd::close(1)),
        _ => {
            // An orphan, which holds stdin, stdout and stderr of this worker.
            std::process::Command::new("/bin/sleep")
                .arg("3600")
                .arg0_of_mine()
                .spawn()
                .expect("sleep");
            exit(4);
        }
    }
    stall()
}

/// Marks a child as this probe's, for those who look for what is left.
trait Marked {
    fn arg0_of_mine(&mut self) -> &mut Self;
}

impl Marked for std::process::Command {
    fn arg0_of_mine(&mut self) -> &mut Self {
        std::os::unix::process::CommandExt::arg0(self, std::env::args().next().expect("a name"))
    }
}
