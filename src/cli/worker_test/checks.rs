//! What a worker is put through.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use serde_json::{Value, json};

use super::Subject;
use super::talk::Worker;
use crate::samples;

/// What was seen, or what is wrong.
pub(super) type Verdict = Result<String, String>;

/// One check.
pub(super) struct Check {
    pub(super) name: &'static str,
    /// What a worker that fails it should do.
    pub(super) advice: &'static str,
    /// An error means that the command cannot be started.
    pub(super) run: fn(&Subject) -> anyhow::Result<Verdict>,
}

/// All checks, in the order in which they are made.
pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "handshake",
        advice: "answer the first line with {\"ready\":1} and flush it",
        run: handshake,
    },
    Check {
        name: "echo",
        advice: "answer each request with its id and `output` or `error`, on one line, and flush it",
        run: echo,
    },
    Check {
        name: "many",
        advice: "go on reading after an answer, and say nothing but answers on standard output",
        run: many,
    },
    Check { name: "slow", advice: "read whole lines: a request may arrive in pieces", run: slow },
    Check {
        name: "huge",
        advice: "read lines of any length: an input may have megabytes",
        run: huge,
    },
    Check {
        name: "unknown",
        advice: "ignore keys that you do not know: later versions may add some",
        run: unknown,
    },
    Check {
        name: "garbage",
        advice: "answer an input that lacks what you need with `error`, and live on",
        run: garbage,
    },
    Check {
        name: "multiplex",
        advice: "answer each of the requests that you take at a time once, in any order, by its id",
        run: multiplex,
    },
    Check {
        name: "cancel",
        advice: "answer a request that is cancelled once, soon; ignore a cancel of one that is answered",
        run: cancel,
    },
    Check {
        name: "eof",
        advice: "end when standard input ends: so it does when the agent dies",
        run: eof,
    },
    Check {
        name: "call",
        advice: "answer COMMAND INPUT OUTPUT ERROR too, or set <event>_fallback=fail",
        run: call,
    },
];

/// How many requests `many` makes.
const MANY: u64 = 50;
/// How long an input `huge` sends.
const HUGE: usize = 4 << 20;
/// How long a line that nobody asked for is waited for.
const QUIET: Duration = Duration::from_millis(100);

fn input(subject: &Subject) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(&samples::input(subject.event)?)?)
}

/// A request line. The id is its first key.
fn request(subject: &Subject, id: u64, input: &Value, more: &str) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let deadline = (now + subject.timeout).as_secs_f64();
    let event = subject.event.label();
    format!(
        "{{\"id\":{id},\"event\":\"{event}\",\"deadline\":{deadline:.3},\"input\":{input}{more}}}\n"
    )
}

/// What an answer says, if it is one.
fn told(answer: &Value) -> Verdict {
    match (answer.get("output"), answer.get("error")) {
        (Some(_), Some(_)) => Err(format!("{answer} has both `output` and `error`")),
        (Some(output), None) => Ok(format!("output {output}")),
        (None, Some(Value::Null)) => Err(format!("{answer}: an `error` must not be null")),
        (None, Some(error)) => Ok(format!("error {error}")),
        (None, None) => Ok("an empty output".to_owned()),
    }
}

/// Makes a worker, greets it, and goes on.
fn greeted(
    subject: &Subject,
    then: impl FnOnce(&mut Worker) -> Verdict,
) -> anyhow::Result<Verdict> {
    let mut worker = Worker::start(subject)?;
    Ok(worker.greet().and_then(|()| then(&mut worker)))
}

fn handshake(subject: &Subject) -> anyhow::Result<Verdict> {
    let since = Instant::now();
    greeted(subject, |worker| {
        let mut told = format!("ready after {:.1} ms", since.elapsed().as_secs_f64() * 1e3);
        if worker.multiplex > 1 {
            told += &format!(", takes {} requests at a time", worker.multiplex);
        }
        if worker.takes_cancels {
            told += ", takes cancels";
        }
        Ok(told)
    })
}

fn echo(subject: &Subject) -> anyhow::Result<Verdict> {
    let input = input(subject)?;
    greeted(subject, |worker| {
        worker.send(request(subject, 7, &input, "").as_bytes())?;
        let answer = worker.answer(7)?;
        match worker.unasked(QUIET) {
            None => told(&answer),
            Some(line) => Err(format!("it said '{line}' without being asked")),
        }
    })
}

fn many(subject: &Subject) -> anyhow::Result<Verdict> {
    let input = input(subject)?;
    greeted(subject, |worker| {
        let since = Instant::now();
        // Not one after the other, so that a counter of the worker's own does not do.
        for id in (1..=MANY).map(|index| index * index * 1_000_003) {
            worker.send(request(subject, id, &input, "").as_bytes())?;
            told(&worker.answer(id)?)?;
        }
        let each = since.elapsed().as_secs_f64() * 1e3 / MANY as f64;
        Ok(format!("{MANY} requests, {each:.2} ms each"))
    })
}

fn slow(subject: &Subject) -> anyhow::Result<Verdict> {
    let input = input(subject)?;
    greeted(subject, |worker| {
        let line = request(subject, 8, &input, "").into_bytes();
        for piece in line.chunks(line.len() / 4 + 1) {
            worker.send(piece)?;
            // What is sent together arrives together.
            std::thread::sleep(Duration::from_millis(20));
        }
        told(&worker.answer(8)?)
    })
}

fn huge(subject: &Subject) -> anyhow::Result<Verdict> {
    let input = input(subject)?;
    let padding = format!(",\"padding\":\"{}\"", "x".repeat(HUGE));
    greeted(subject, |worker| {
        worker.send(request(subject, 9, &input, &padding).as_bytes())?;
        told(&worker.answer(9)?)?;
        Ok(format!("a line of {} MiB", HUGE >> 20))
    })
}

fn unknown(subject: &Subject) -> anyhow::Result<Verdict> {
    let input = input(subject)?;
    greeted(subject, |worker| {
        let more = ",\"later\":{\"id\":1,\"input\":{}}";
        worker.send(request(subject, 10, &input, more).as_bytes())?;
        told(&worker.answer(10)?)
    })
}

fn garbage(subject: &Subject) -> anyhow::Result<Verdict> {
    let whole = input(subject)?;
    greeted(subject, |worker| {
        for (id, input) in
            [(11, json!({})), (12, json!({"container_id": 1})), (13, json!({"x": "\u{fffd}"}))]
        {
            worker.send(request(subject, id, &input, "").as_bytes())?;
            told(&worker.answer(id)?)?;
        }
        worker.send(request(subject, 14, &whole, "").as_bytes())?;
        told(&worker.answer(14)?)?;
        Ok("answered, and the next request too".to_owned())
    })
}

/// As many requests at a time as it takes, and each has one answer.
fn multiplex(subject: &Subject) -> anyhow::Result<Verdict> {
    let input = input(subject)?;
    greeted(subject, |worker| {
        let count = worker.multiplex.min(MANY);
        if count == 1 {
            return Ok("takes one request at a time".to_owned());
        }
        let mut open: Vec<u64> = (1..=count).map(|index| index * index * 1_000_003).collect();
        for id in &open {
            worker.send(request(subject, *id, &input, "").as_bytes())?;
        }
        let mut in_order = true;
        while let Some(first) = open.first() {
            let (id, answer) = worker.any_answer()?;
            in_order &= id == *first;
            let Some(at) = open.iter().position(|asked| *asked == id) else {
                return Err(format!("it answered {id}, which is answered or was not asked"));
            };
            open.remove(at);
            told(&answer)?;
        }
        if let Some(line) = worker.unasked(QUIET) {
            return Err(format!("it said '{line}' without being asked"));
        }
        let order = if in_order { "in their order" } else { "in another order" };
        Ok(format!("{count} requests at a time, answered {order}"))
    })
}

/// A request that is cancelled has one answer, whatever that is; a cancel that comes too late none.
fn cancel(subject: &Subject) -> anyhow::Result<Verdict> {
    let input = input(subject)?;
    greeted(subject, |worker| {
        if !worker.takes_cancels {
            return Ok("takes no cancel".to_owned());
        }
        worker.send(request(subject, 20, &input, "").as_bytes())?;
        worker.send(b"{\"cancel\":20}\n")?;
        let told_of = told(&worker.answer(20)?)?;
        worker.send(b"{\"cancel\":20}\n")?;
        if let Some(line) = worker.unasked(QUIET) {
            return Err(format!("it said '{line}' to a cancel of what it had answered"));
        }
        worker.send(request(subject, 21, &input, "").as_bytes())?;
        told(&worker.answer(21)?)?;
        Ok(format!("answered once, with {told_of}; and the next request too"))
    })
}

fn eof(subject: &Subject) -> anyhow::Result<Verdict> {
    greeted(subject, |worker| {
        worker.close();
        match worker.wait() {
            Some(status) if status.success() => Ok("ended with 0".to_owned()),
            Some(status) => Err(format!("it ended, but not well ({status})")),
            None => Err(format!("it did not end within {:?}", subject.timeout)),
        }
    })
}

/// An ordinary call, which is made while no worker is up.
fn call(subject: &Subject) -> anyhow::Result<Verdict> {
    let directory = tempfile::tempdir().context("a directory for the call")?;
    let path = |name: &str| directory.path().join(name);
    let text = samples::input(subject.event)? + "\n";
    std::fs::write(path("input"), text).context("the input")?;
    for name in ["output", "error"] {
        std::fs::write(path(name), "").context("the output")?;
    }
    let stdin = std::fs::File::open(path("input")).context("the input")?;
    let mut child = Command::new(&subject.command)
        .args(["input", "output", "error"].map(path))
        .env("MESOS_COMMAND_EVENT", subject.event.label())
        .env("MESOS_COMMAND_MODULE", "worker-test")
        .stdin(stdin)
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(path("stderr")).context("a file for what it prints")?)
        .spawn()
        .with_context(|| format!("'{}' cannot be started", subject.command))?;
    let end = Instant::now() + subject.timeout;
    let status = loop {
        match child.try_wait().context("its end")? {
            Some(status) => break status,
            None if Instant::now() < end => std::thread::sleep(Duration::from_millis(5)),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                return Ok(Err(format!("it did not end within {:?}", subject.timeout)));
            }
        }
    };
    let read = |name: &str| std::fs::read_to_string(path(name)).unwrap_or_default();
    let (output, error) = (read("output"), read("error") + &read("stderr"));
    let is_json = serde_json::from_str::<Value>(&output).is_ok();
    Ok(match (status.success(), output.trim().is_empty()) {
        // It may have nothing to say of the sample.
        (false, _) if !error.trim().is_empty() => {
            let last = error.trim_end().lines().last().unwrap_or_default();
            Ok(format!("failed, in words: {last}"))
        }
        (false, _) => Err(format!("it ended with {status} and said nothing of it")),
        (true, true) if samples::answer(subject.event).is_some() => {
            Ok("an empty output (is that meant?)".to_owned())
        }
        (true, true) => Ok("an empty output".to_owned()),
        (true, false) if is_json => Ok(format!("output {}", output.trim_end())),
        (true, false) => Err(format!("its output '{}' is no JSON", output.trim_end())),
    })
}
