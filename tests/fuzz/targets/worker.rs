//! What a worker says, through the exchange to the conclusion.
//!
//! Input: `g` for the greeting, `m` for several requests at a time, else a request; how much of the
//! line was written before the worker spoke (`n` nothing, `p` a part, else all); a digit for the
//! longest output (0, 1, 4, … bytes); a character whose number is the size of the pieces in which
//! the rest comes, which is what the worker says.

use mesos_command::call::Answer;
use mesos_command::event::Event;
use mesos_command::fuzz::{ENVELOPE, Exchange, Reply, conclude_reply};
use mesos_command::schema::split_json_object;
use serde_json::Value as Json;

use super::commands::command;
use super::{assert_shown, head};

/// The number of the request.
const ID: u64 = 7;

/// Speaks to an exchange in one piece and in many.
pub fn run(data: &[u8]) {
    let Some(([what, written, most, size], said)) = head(data) else { return };
    if what == b'm' {
        return many(said, usize::from(size).max(1));
    }
    let most = 1usize << (2 * u32::from(most.wrapping_sub(b'1') & 7));
    let most = if data[2] == b'0' { 0 } else { most };
    let begun = || begin(what, written, most);
    let whole = speak(&mut begun(), &[said]);
    let pieces: Vec<&[u8]> = said.chunks(usize::from(size).max(1)).collect();
    let split = speak(&mut begun(), &pieces);
    match (&whole, &split) {
        (Verdict::Waits, Verdict::Waits) | (Verdict::Fault(_), Verdict::Fault(_)) => {}
        // What follows the line was not read with it.
        (Verdict::Fault(_), Verdict::Reply(_, taken)) => assert!(*taken < said.len()),
        (Verdict::Reply(..), _) => assert_eq!(whole, split),
        _ => panic!("in one piece {whole:?}, in several {split:?}"),
    }
    if let Verdict::Fault(text) = &whole {
        assert!(!text.is_empty() && text.len() < 1000, "{text}");
    }
    if said.len() > most + ENVELOPE {
        assert!(whole != Verdict::Waits, "a line without an end");
    }
    if written != b'n' && written != b'p' && said.len() <= most {
        compare(what, said, &whole);
    }
    if let Verdict::Reply(reply, _) = whole {
        conclude(reply, most);
    }
}

/// What came of what was said.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// The line has no end yet.
    Waits,
    /// A reply, and how much was taken for it.
    Reply(Reply, usize),
    /// A worker that cannot be used any more.
    Fault(String),
}

fn begin(what: u8, written: u8, most: usize) -> Exchange {
    let mut exchange = Exchange::new(most, 1);
    match what {
        b'g' => exchange.greet(),
        _ => exchange.ask(ID, Event::Usage.label(), b"{\"a\":\n1}"),
    }
    match written {
        b'n' => {}
        b'p' => assert_eq!(exchange.write(3).len(), 3),
        _ => {
            let mut line = exchange.write(5);
            line.extend(exchange.write(usize::MAX));
            assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
        }
    }
    exchange
}

fn speak(exchange: &mut Exchange, pieces: &[&[u8]]) -> Verdict {
    let mut taken = 0;
    for piece in pieces {
        taken += piece.len();
        let mut bytes = *piece;
        match exchange.receive(&mut bytes) {
            Ok(None) => {}
            Ok(Some((_, reply))) => return Verdict::Reply(reply, taken - bytes.len()),
            Err(text) => return Verdict::Fault(text),
        }
    }
    Verdict::Waits
}

/// How many requests the worker has at a time.
const MANY: u64 = 3;

/// Speaks to an exchange with several requests, of which one is cancelled, in one piece and in
/// many.
fn many(said: &[u8], size: usize) {
    let (whole, fault) = answers(&[said]);
    let pieces: Vec<&[u8]> = said.chunks(size).collect();
    let (split, split_fault) = answers(&pieces);
    // What follows the last answer was perhaps not read with it: then that is known.
    assert!(split.starts_with(&whole), "in one piece {whole:?}, in several {split:?}");
    assert_eq!(fault.is_some(), split_fault.is_some(), "{fault:?} {split_fault:?}");
    assert!(fault.is_some() || split == whole, "in one piece {whole:?}, in several {split:?}");
    for text in [fault, split_fault].into_iter().flatten() {
        assert!(!text.is_empty() && text.len() < 1000, "{text}");
    }
    let mut numbers: Vec<u64> = split.iter().map(|(id, _)| *id).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), split.len(), "one is answered twice: {split:?}");
    assert!(numbers.iter().all(|id| (ID..ID + MANY).contains(id)), "{split:?}");
}

/// All answers to requests that are made at the same time, and what ends the worker.
fn answers(pieces: &[&[u8]]) -> (Vec<(u64, Reply)>, Option<String>) {
    let mut exchange = Exchange::new(1 << 12, usize::MAX);
    exchange.greet();
    exchange.write(usize::MAX);
    let mut ready: &[u8] = b"{\"ready\":1,\"multiplex\":3,\"cancel\":true}\n";
    assert!(matches!(exchange.receive(&mut ready), Ok(Some((0, _)))));
    for id in ID..ID + MANY {
        assert!(exchange.has_room());
        exchange.ask(id, Event::Usage.label(), b"{}");
        exchange.write(5);
        if id == ID + 1 {
            exchange.cancel(id);
        }
        exchange.write(usize::MAX);
    }
    assert!(!exchange.has_room());
    let mut all = Vec::new();
    for mut bytes in pieces.iter().copied() {
        loop {
            match exchange.receive(&mut bytes) {
                Ok(None) => break,
                Ok(Some(answer)) => all.push(answer),
                Err(text) => return (all, Some(text)),
            }
        }
    }
    (all, None)
}

/// A line that a strict reader of JSON can read means what that reader finds in it.
fn compare(what: u8, said: &[u8], verdict: &Verdict) {
    let Some(line) = said.strip_suffix(b"\n") else { return };
    let Ok(Json::Object(object)) = serde_json::from_slice(line) else { return };
    // Of equal keys, a reader may take either.
    if line.contains(&b'\n') || split_json_object(line).members.len() != object.len() {
        return;
    }
    let is = |key: &str, number: u64| {
        object.get(key).is_some_and(|value| value.as_f64() == Some(number as f64))
    };
    let expected = match what {
        b'g' if is("ready", 1) => Reply::Output(Vec::new()),
        b'g' => return assert!(matches!(verdict, Verdict::Fault(_)), "{verdict:?}"),
        _ if !is("id", ID) => return assert!(matches!(verdict, Verdict::Fault(_)), "{verdict:?}"),
        _ => match (object.get("error"), object.get("output")) {
            (Some(Json::String(text)), _) => Reply::Error(text.clone()),
            (Some(error), _) if !error.is_null() => {
                return assert!(matches!(verdict, Verdict::Reply(Reply::Error(_), _)));
            }
            (_, None) => Reply::Output(Vec::new()),
            (_, Some(output)) => {
                let Verdict::Reply(Reply::Output(text), _) = verdict else { panic!("{verdict:?}") };
                let read: Json = serde_json::from_slice(text).unwrap();
                return assert_eq!(read, *output);
            }
        },
    };
    assert_eq!(*verdict, Verdict::Reply(expected, said.len()));
}

fn conclude(reply: Reply, most: usize) {
    let is_error = matches!(reply, Reply::Error(_));
    if let Reply::Output(output) = &reply {
        assert!(output.len() <= most, "{} bytes of {most}", output.len());
    }
    for event in [Event::Usage, Event::SlaveTaskStatusDecorator] {
        let command = command(event, false);
        let result = conclude_reply(command, reply.clone());
        assert!(!is_error || result.is_err(), "an error passed for an answer");
        if let Answer::Failure(text) = command.answer(result) {
            assert_shown(&text);
            // 4 KiB of the error, of which a byte may take ten characters to show, and our words.
            assert!(text.len() < 50_000, "a text of {} bytes", text.len());
        }
    }
}
