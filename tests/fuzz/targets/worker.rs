//! What a worker says, through the exchange to the conclusion.
//!
//! Input: `g` for the greeting, else a request; how much of the line was written before the worker
//! spoke (`n` nothing, `p` a part, else all); a digit for the longest output (0, 1, 4, … bytes); a
//! character whose number is the size of the pieces in which the rest comes, which is what the
//! worker says.

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
    let mut exchange = match what {
        b'g' => Exchange::greeting(most),
        _ => Exchange::request(ID, Event::Usage.label(), b"{\"a\":\n1}", most),
    };
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
        match exchange.receive(piece) {
            Ok(None) => {}
            Ok(Some(reply)) => return Verdict::Reply(reply, taken),
            Err(text) => return Verdict::Fault(text),
        }
    }
    Verdict::Waits
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
