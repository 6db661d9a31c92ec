//! The probe as a worker that has several requests at a time, and does with each as its input says.
//!
//! | input | what becomes of it |
//! |---|---|
//! | `{"wait":"NAME"}` | it is answered when the file NAME is beside the command, or cancelled |
//! | `{"do":"late"}` | it is answered, by an ordinary answer, when it is cancelled |
//! | `{"do":"deaf"}` | it is never answered |
//! | `{"do":"stuck"}` | it is answered, but nothing more is read until the file `go` is there |
//! | `{"do":"twice"}`, `{"do":"other"}` | it is answered twice, or as another one |
//! | `{"do":"die"}` | it is the worker's end |
//! | any other | it is answered |
//!
//! For each request it makes a file `held.PID.N` beside itself, and for each cancel one
//! `cancel.PID.ID`.

use std::io::BufRead;
use std::process::exit;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::{Value, json};

use super::{beside, say};

/// How often files are looked for.
const LOOK: Duration = Duration::from_millis(5);

/// Serves until its input ends.
pub(super) fn serve(command: &str, takes_cancels: bool, multiplex: u64) {
    let (sender, lines) = channel();
    let own = command.to_owned();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let line: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
            let is_stuck = line["input"]["do"] == "stuck";
            if sender.send(line).is_err() {
                return;
            }
            while is_stuck && !beside(&own, "go").exists() {
                std::thread::sleep(LOOK);
            }
        }
    });
    let (mut waiting, mut requests) = (Vec::<Value>::new(), 0);
    loop {
        match lines.recv_timeout(LOOK) {
            Ok(line) if line.get("mesos_command_worker").is_some() => {
                let ready = json!({"ready": 1, "multiplex": multiplex, "cancel": takes_cancels});
                say(&format!("{ready}\n"));
            }
            Ok(line) if line.get("cancel").is_some() => {
                mark(command, "cancel", &line["cancel"].to_string());
                cancel(&mut waiting, &line["cancel"]);
            }
            Ok(line) => {
                requests += 1;
                mark(command, "held", &requests.to_string());
                take(line, &mut waiting);
            }
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
        waiting.retain(|one| {
            let name = one["input"]["wait"].as_str();
            let comes = name.is_some_and(|name| beside(command, name).exists());
            if comes {
                answer(one);
            }
            !comes
        });
    }
}

fn mark(command: &str, what: &str, number: &str) {
    let name = format!("{what}.{}.{number}", std::process::id());
    std::fs::write(beside(command, &name), "").expect("the command's directory");
}

/// Takes a request up.
fn take(request: Value, waiting: &mut Vec<Value>) {
    match request["input"]["do"].as_str() {
        Some("die") => exit(3),
        Some("twice") => {
            answer(&request);
            answer(&request);
        }
        Some("other") => say("{\"id\":1000}\n"),
        Some("late" | "deaf") => waiting.push(request),
        _ if request["input"].get("wait").is_some() => waiting.push(request),
        _ => answer(&request),
    }
}

fn cancel(waiting: &mut Vec<Value>, id: &Value) {
    let Some(at) = waiting.iter().position(|one| one["id"] == *id) else { return };
    match waiting[at]["input"]["do"].as_str() {
        Some("deaf") => {}
        Some("late") => answer(&waiting.remove(at)),
        _ => {
            waiting.remove(at);
            say(&format!("{{\"id\":{id},\"error\":\"cancelled\"}}\n"));
        }
    }
}

fn answer(request: &Value) {
    let input = &request["input"];
    let output = json!({"from": "worker", "pid": std::process::id(), "input": input["wait"]});
    say(&format!("{}\n", json!({"id": request["id"], "output": output})));
}

/// As an ordinary command: what is the end of a worker fails this, too.
pub(super) fn run(input: &str, output: &str) {
    let text = std::fs::read_to_string(input).expect("the input");
    let input: Value = serde_json::from_str(&text).expect("JSON");
    if input["do"] == "die" {
        exit(3);
    }
    let told = json!({"from": "spawn", "input": input["wait"]});
    std::fs::write(output, told.to_string()).expect("the output file");
}
