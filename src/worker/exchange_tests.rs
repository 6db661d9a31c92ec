//! What an exchange writes, and what it makes of what a worker says.

use super::*;
use proptest::prelude::*;

#[path = "exchange_many_tests.rs"]
mod many;

const MOST: usize = 64;

fn begun() -> Exchange {
    let mut exchange = Exchange::new(MOST, 16);
    let buffer = b"what was written before".to_vec();
    exchange.ask(7, "isolator_usage", None, b"{}", buffer);
    exchange
}

/// An exchange with a worker that has said so of itself.
fn greeted(terms: &str) -> Exchange {
    let mut exchange = greeting();
    assert_eq!(heard(&mut exchange, terms.as_bytes()), Ok(Some(Reply::Output(Vec::new()))));
    assert!(exchange.is_idle() && exchange.has_room());
    exchange
}

/// A worker that takes 3 requests at a time, and cancels.
fn three() -> Exchange {
    greeted("{\"ready\":1,\"multiplex\":3,\"cancel\":true}\n")
}

/// Asks for the request `id`, and writes all of it.
fn ask(exchange: &mut Exchange, id: u64) {
    exchange.ask(id, "isolator_usage", None, b"{}", Vec::new());
    let line = format!("{{\"id\":{id},\"event\":\"isolator_usage\",\"input\":{{}}}}\n");
    assert_eq!(flush(exchange), line);
}

/// Writes all that is to be written.
fn flush(exchange: &mut Exchange) -> String {
    let mut all = String::new();
    while let Some(mut outgoing) = exchange.take_outgoing() {
        all += std::str::from_utf8(outgoing.rest()).expect("UTF-8");
        outgoing.written = outgoing.line.len();
        assert!(outgoing.tracked);
        assert!(exchange.put_back(outgoing).expect("not answered").is_some());
    }
    all
}

/// What one line, or a piece of it, is taken for.
fn heard(exchange: &mut Exchange, mut bytes: &[u8]) -> Result<Option<Reply>, Fault> {
    let reply = exchange.receive(&mut bytes)?;
    assert!(bytes.is_empty());
    Ok(reply.map(|(_, reply)| reply))
}

/// The numbers of all answers in what was read.
fn answered(exchange: &mut Exchange, text: &str) -> Result<Vec<u64>, Fault> {
    let (mut bytes, mut all) = (text.as_bytes(), Vec::new());
    while let Some((id, _)) = exchange.receive(&mut bytes)? {
        all.push(id);
    }
    Ok(all)
}

/// An exchange whose line is written.
fn written(mut exchange: Exchange) -> Exchange {
    assert!(exchange.take_outgoing().is_some());
    exchange
}

fn request_7() -> Exchange {
    written(begun())
}

fn greeting() -> Exchange {
    let mut exchange = Exchange::new(MOST, 16);
    exchange.greet();
    written(exchange)
}

fn protocol(what: &str) -> Fault {
    Fault::Protocol(what.to_owned())
}

#[test]
fn the_line_goes_out_in_as_many_pieces_as_the_pipe_takes() {
    let mut exchange = begun();
    assert!(exchange.writes() && exchange.is_unseen(7));
    let mut whole = Vec::new();
    while let Some(mut outgoing) = exchange.take_outgoing() {
        assert!(!exchange.writes() && !exchange.is_unseen(7), "a driver has it");
        whole.push(outgoing.rest()[0]);
        outgoing.written += 1;
        let _ = exchange.put_back(outgoing).expect("not answered");
        assert!(!exchange.is_unseen(7));
    }
    assert_eq!(whole, b"{\"id\":7,\"event\":\"isolator_usage\",\"input\":{}}\n");
}

#[test]
fn a_line_that_the_pipe_did_not_take_is_unseen() {
    let mut exchange = begun();
    let outgoing = exchange.take_outgoing().expect("a line");
    assert_eq!(exchange.put_back(outgoing), Ok(None));
    assert!(exchange.writes() && exchange.is_unseen(7));
    assert!(!exchange.has_room() && !exchange.is_idle());
}

#[test]
fn nothing_may_be_said_before_the_request_is_read() {
    for written in [0, 3] {
        let mut exchange = begun();
        let mut outgoing = exchange.take_outgoing().expect("a line");
        outgoing.written = written;
        assert_eq!(exchange.put_back(outgoing), Ok(None));
        assert_eq!(heard(&mut exchange, b"{\"id\":"), Ok(None), "it may be a slow writer");
        let said = "said \"{\\\"id\\\":7}\" before it had read its request";
        assert_eq!(heard(&mut exchange, b"7}\n"), Err(protocol(said)));
    }
}

/// An exchange, what the worker says, and the verdict.
type Case = (fn() -> Exchange, Vec<u8>, Result<Reply, Fault>);

/// What a worker may say to request 7, or to a greeting, in one piece.
fn cases() -> Vec<Case> {
    let output = |text: &str| Ok(Reply::Output(text.into()));
    let fault = |text: &str| Err(protocol(text));
    let long = |length| format!("{{\"id\":7,\"output\":\"{}\"}}\n", "x".repeat(length - 2));
    let no_answer = "which is no answer (it has no \"id\"); did it print to stdout?";
    vec![
        (request_7, b"{\"id\":7}\n".to_vec(), output("")),
        (request_7, b"{\"id\":7,\"output\":{\"a\":[1]}}\n".to_vec(), output("{\"a\":[1]}")),
        (request_7, b"{\"id\":7,\"error\":\"no\"}\n".to_vec(), Ok(Reply::Error("no".into()))),
        (request_7, b"{}\n".to_vec(), fault(&format!("answered \"{{}}\", {no_answer}"))),
        (
            request_7,
            b"{\"id\":8}\n".to_vec(),
            fault("answered request 8 instead of 7: \"{\\\"id\\\":8}\""),
        ),
        (request_7, long(MOST).into_bytes(), output(&long(MOST)[17..17 + MOST])),
        (request_7, long(MOST + 1).into_bytes(), Err(Fault::TooLarge(MOST as u64 + 1))),
        (greeting, b"{\"ready\":1}\n".to_vec(), output("")),
        (greeting, GREETING.to_vec(), fault("echoes what it is sent: it is no worker")),
        (
            greeting,
            b"{\"id\":7}\n".to_vec(),
            fault(
                "answered \"{\\\"id\\\":7}\" instead of {\"ready\":1}: it is no worker, or it \
                 printed to stdout",
            ),
        ),
    ]
}

#[test]
fn a_line_means_the_same_wherever_it_is_split() {
    for (exchange, line, expected) in cases() {
        let expected = expected.map(Some);
        assert_eq!(heard(&mut exchange(), &line), expected, "in one piece");
        for first in 1..line.len() {
            for second in first..line.len() {
                let mut exchange = exchange();
                assert_eq!(heard(&mut exchange, &line[..first]), Ok(None));
                assert_eq!(heard(&mut exchange, &line[first..second]), Ok(None));
                assert_eq!(heard(&mut exchange, &line[second..]), expected, "{first} {second}");
            }
        }
    }
}

#[test]
fn what_follows_the_answer_is_a_fault_wherever_it_is_split() {
    let both = b"{\"id\":7}\n{\"id\":7}\n";
    let after = "said \"{\\\"id\\\":7}\\n\" after its answer; did it print to stdout?";
    assert_eq!(heard(&mut request_7(), both), Err(protocol(after)));
    for split in 1..both.len() {
        let mut exchange = request_7();
        let (first, rest) = both.split_at(split);
        let expected = match split {
            1..9 => {
                assert_eq!(heard(&mut exchange, first), Ok(None));
                Err(protocol(after))
            }
            // Complete, and what comes then was not asked for.
            9 => {
                assert_eq!(heard(&mut exchange, first), Ok(Some(Reply::Output(Vec::new()))));
                let fault = unasked(rest);
                let unasked = "said \"{\\\"id\\\":7}\\n\" without having been asked; \
                               did it print to stdout?";
                assert_eq!(fault, protocol(unasked));
                continue;
            }
            _ => {
                let said = format!("said {} after its answer", shown(&first[9..]));
                let fault = heard(&mut exchange, first).expect_err("too much");
                assert!(fault.describe().starts_with(&said), "{fault:?}");
                continue;
            }
        };
        assert_eq!(heard(&mut exchange, rest), expected, "{split}");
    }
}

#[test]
fn a_line_without_an_end_is_too_large_at_some_time() {
    let mut exchange = request_7();
    let most = MOST + ENVELOPE;
    for _ in 0..most {
        assert_eq!(heard(&mut exchange, b"x"), Ok(None));
    }
    assert_eq!(heard(&mut exchange, b"x"), Err(Fault::TooLarge(most as u64 + 1)));
    let mut exchange = request_7();
    let line = [vec![b' '; most + 1], b"\n".to_vec()].concat();
    assert_eq!(heard(&mut exchange, &line), Err(Fault::TooLarge(most as u64 + 1)));
    let mut exchange = request_7();
    let mut line = b"{\"id\":7}".to_vec();
    line.resize(most, b' ');
    line.push(b'\n');
    assert_eq!(heard(&mut exchange, &line), Ok(Some(Reply::Output(Vec::new()))), "just so long");
}

proptest! {
    /// Whatever is asked, cancelled and answered, in whichever pieces: lines are whole, each
    /// request is answered once, and no more are under way than the worker takes.
    #[test]
    fn many_at_a_time_stay_apart(steps in proptest::collection::vec((0u8..4, any::<u8>()), 1..200)) {
        let (mut exchange, mut last, mut pipe) = (three(), 0, Vec::new());
        let (mut read, mut unanswered) = (String::new(), Vec::<u64>::new());
        for (step, number) in steps {
            let number = usize::from(number);
            match step {
                0 if exchange.has_room() => {
                    last += 1;
                    exchange.ask(last, "isolator_usage", None, b"{}", Vec::new());
                }
                1 if !unanswered.is_empty() => {
                    exchange.cancel(unanswered[number % unanswered.len()]);
                }
                2 if !unanswered.is_empty() => {
                    let id = unanswered.remove(number % unanswered.len());
                    prop_assert_eq!(answered(&mut exchange, &format!("{{\"id\":{id}}}\n")), Ok(vec![id]));
                }
                _ => {
                    let Some(mut outgoing) = exchange.take_outgoing() else { continue };
                    let taken = outgoing.rest().len().min(number);
                    pipe.extend_from_slice(&outgoing.rest()[..taken]);
                    outgoing.written += taken;
                    exchange.put_back(outgoing).expect("all that was answered was read");
                }
            }
            // The worker reads whole lines, and then owes their answers.
            while let Some(end) = pipe.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = pipe.drain(..=end).collect();
                read = String::from_utf8(line).expect("UTF-8");
                let value: serde_json::Value = serde_json::from_str(&read).expect("a whole line");
                unanswered.extend(value["id"].as_u64());
            }
            prop_assert!(unanswered.len() <= 3, "{}", read);
        }
    }


    #[test]
    fn bytes_in_any_pieces_give_one_verdict(
        bytes in proptest::collection::vec(any::<u8>(), 1..400),
        mut cuts in proptest::collection::vec(0usize..400, 0..6),
    ) {
        // No line feed within: then it is the last byte that completes the line.
        let mut bytes: Vec<u8> = bytes.into_iter().map(|b| if b == b'\n' { 0 } else { b }).collect();
        bytes.truncate(MOST + ENVELOPE);
        bytes.push(b'\n');
        let whole = heard(&mut request_7(), &bytes);
        cuts.retain(|cut| *cut > 0 && *cut < bytes.len());
        cuts.sort_unstable();
        cuts.dedup();
        cuts.push(bytes.len());
        let (mut exchange, mut from) = (request_7(), 0);
        for cut in cuts {
            let verdict = heard(&mut exchange, &bytes[from..cut]);
            if cut == bytes.len() {
                prop_assert_eq!(&verdict, &whole);
            } else {
                prop_assert_eq!(verdict, Ok(None));
            }
            from = cut;
        }
    }
}
