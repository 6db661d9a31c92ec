//! One exchange with a worker: a line out, a line back, and every check of what comes back.
//!
//! A state machine without clock and without descriptor, as are those of quinn and rustls: it says
//! what is to be written, takes what was read, and judges it. What waits and moves the bytes is a
//! driver: a caller that blocks anyway (`lease`), or the reactor's thread (`worker`). Deadlines and
//! withdrawals are the drivers' matter; to this module an exchange is as long as it takes.

use super::fault::Fault;
use super::protocol::{ENVELOPE, GREETING, Reply, read_answer, read_ready, request, shown};

/// One line out and one line back.
pub(crate) struct Exchange {
    what: What,
    /// What is still to be written; `None` while a driver has it, and when all is written.
    outgoing: Option<Outgoing>,
    /// The beginning of the worker's line.
    received: Vec<u8>,
    /// The longest output that is accepted, in bytes.
    max_output: usize,
}

/// What is asked of the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// Whether it is ready.
    Greeting,
    /// The request with this number.
    Request(u64),
}

/// A line on its way to a worker.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// Tells the exchanges of one worker apart.
    pub(super) id: u64,
    pub(super) line: Vec<u8>,
    /// How many bytes of the line the pipe has taken.
    pub(crate) written: usize,
}

impl Outgoing {
    /// What is still to be written.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.line[self.written..]
    }
}

impl Exchange {
    /// The first exchange with a worker. Its reply is an empty output.
    pub(crate) fn greeting(max_output: usize) -> Exchange {
        Exchange::new(What::Greeting, GREETING.to_vec(), max_output)
    }

    /// The request `id`, which is not 0, of `event`. `deadline` is what the worker gets to read of
    /// it; the line is written over `buffer`.
    pub(crate) fn request(
        id: u64,
        event: &str,
        deadline: Option<&str>,
        input: &[u8],
        mut buffer: Vec<u8>,
        max_output: usize,
    ) -> Exchange {
        request(&mut buffer, id, event, deadline, input);
        Exchange::new(What::Request(id), buffer, max_output)
    }

    fn new(what: What, line: Vec<u8>, max_output: usize) -> Exchange {
        let outgoing = Some(Outgoing { id: what.id(), line, written: 0 });
        Exchange { what, outgoing, received: Vec::new(), max_output }
    }

    /// The request's number; 0 for the greeting.
    pub(super) fn id(&self) -> u64 {
        self.what.id()
    }

    /// Takes what is to be written. Until it is [put back](Exchange::put_back) all of it counts as
    /// written, because the worker may answer before a driver comes back from `write`.
    pub(crate) fn take_outgoing(&mut self) -> Option<Outgoing> {
        self.outgoing.take()
    }

    /// Puts back what could not be written to its end.
    pub(crate) fn put_back(&mut self, outgoing: Outgoing) {
        if !outgoing.rest().is_empty() {
            self.outgoing = Some(outgoing);
        }
    }

    /// Whether something is left to be written.
    pub(super) fn writes(&self) -> bool {
        self.outgoing.is_some()
    }

    /// Whether the worker cannot have seen any of the line.
    pub(super) fn is_unseen(&self) -> bool {
        self.outgoing.as_ref().is_some_and(|outgoing| outgoing.written == 0)
    }

    /// Takes what was read from the worker; gives its reply when the line is complete.
    ///
    /// # Errors
    /// When what it said is no reply: then the worker cannot be used any more.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Result<Option<Reply>, Fault> {
        let longest = self.max_output.saturating_add(ENVELOPE);
        let before = self.received.len();
        let Some(end) = memchr::memchr(b'\n', bytes).map(|at| before + at) else {
            self.received.extend_from_slice(bytes);
            let length = self.received.len();
            let too_long = length > longest;
            return if too_long { Err(Fault::TooLarge(length as u64)) } else { Ok(None) };
        };
        // Mostly the line comes in one piece, and need not be copied.
        let joined;
        let all = if before == 0 {
            bytes
        } else {
            self.received.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.received);
            joined.as_slice()
        };
        if self.writes() {
            let what = format!("said {} before it had read its request", shown(all));
            return Err(Fault::Protocol(what));
        }
        if end > longest {
            return Err(Fault::TooLarge(end as u64));
        }
        let (line, rest) = (&all[..end], &all[end + 1..]);
        if !rest.is_empty() {
            let what = format!("said {} after its answer; did it print to stdout?", shown(rest));
            return Err(Fault::Protocol(what));
        }
        self.read(line).map(Some)
    }

    fn read(&self, line: &[u8]) -> Result<Reply, Fault> {
        let reply = match self.what {
            What::Greeting => read_ready(line).map(|()| Reply::Output(Vec::new())),
            What::Request(id) => read_answer(line, id),
        };
        match reply.map_err(Fault::Protocol)? {
            Reply::Output(output) if output.len() > self.max_output => {
                Err(Fault::TooLarge(output.len() as u64))
            }
            reply => Ok(reply),
        }
    }
}

impl What {
    fn id(self) -> u64 {
        match self {
            What::Greeting => 0,
            What::Request(id) => id,
        }
    }
}

/// What it means that a worker said `bytes` while no exchange is under way.
pub(super) fn unasked(bytes: &[u8]) -> Fault {
    let said = shown(bytes);
    Fault::Protocol(format!("said {said} without having been asked; did it print to stdout?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MOST: usize = 64;

    fn begun() -> Exchange {
        let buffer = b"what was written before".to_vec();
        Exchange::request(7, "isolator_usage", None, b"{}", buffer, MOST)
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
        written(Exchange::greeting(MOST))
    }

    fn protocol(what: &str) -> Fault {
        Fault::Protocol(what.to_owned())
    }

    #[test]
    fn the_line_goes_out_in_as_many_pieces_as_the_pipe_takes() {
        let mut exchange = begun();
        assert!(exchange.writes() && exchange.is_unseen());
        let mut whole = Vec::new();
        while let Some(mut outgoing) = exchange.take_outgoing() {
            assert!(!exchange.writes() && !exchange.is_unseen(), "a driver has it");
            whole.push(outgoing.rest()[0]);
            outgoing.written += 1;
            exchange.put_back(outgoing);
            assert!(!exchange.is_unseen());
        }
        assert_eq!(whole, b"{\"id\":7,\"event\":\"isolator_usage\",\"input\":{}}\n");
    }

    #[test]
    fn a_line_that_the_pipe_did_not_take_is_unseen() {
        let mut exchange = begun();
        let outgoing = exchange.take_outgoing().expect("a line");
        exchange.put_back(outgoing);
        assert!(exchange.writes() && exchange.is_unseen());
        assert_eq!(exchange.id(), 7);
    }

    #[test]
    fn nothing_may_be_said_before_the_request_is_read() {
        for written in [0, 3] {
            let mut exchange = begun();
            let mut outgoing = exchange.take_outgoing().expect("a line");
            outgoing.written = written;
            exchange.put_back(outgoing);
            assert_eq!(exchange.receive(b"{\"id\":"), Ok(None), "it may be a slow writer");
            let said = "said \"{\\\"id\\\":7}\\n\" before it had read its request";
            assert_eq!(exchange.receive(b"7}\n"), Err(protocol(said)));
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
            assert_eq!(exchange().receive(&line), expected, "in one piece");
            for first in 1..line.len() {
                for second in first..line.len() {
                    let mut exchange = exchange();
                    assert_eq!(exchange.receive(&line[..first]), Ok(None));
                    assert_eq!(exchange.receive(&line[first..second]), Ok(None));
                    assert_eq!(exchange.receive(&line[second..]), expected, "{first} {second}");
                }
            }
        }
    }

    #[test]
    fn what_follows_the_answer_is_a_fault_wherever_it_is_split() {
        let both = b"{\"id\":7}\n{\"id\":7}\n";
        let after = "said \"{\\\"id\\\":7}\\n\" after its answer; did it print to stdout?";
        assert_eq!(request_7().receive(both), Err(protocol(after)));
        for split in 1..both.len() {
            let mut exchange = request_7();
            let (first, rest) = both.split_at(split);
            let expected = match split {
                1..9 => {
                    assert_eq!(exchange.receive(first), Ok(None));
                    Err(protocol(after))
                }
                // Complete, and what comes then was not asked for.
                9 => {
                    assert_eq!(exchange.receive(first), Ok(Some(Reply::Output(Vec::new()))));
                    let fault = unasked(rest);
                    let unasked = "said \"{\\\"id\\\":7}\\n\" without having been asked; \
                                   did it print to stdout?";
                    assert_eq!(fault, protocol(unasked));
                    continue;
                }
                _ => {
                    let said = format!("said {} after its answer", shown(&first[9..]));
                    let fault = exchange.receive(first).expect_err("too much");
                    assert!(fault.describe().starts_with(&said), "{fault:?}");
                    continue;
                }
            };
            assert_eq!(exchange.receive(rest), expected, "{split}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_too_large_at_some_time() {
        let mut exchange = request_7();
        let most = MOST + ENVELOPE;
        for _ in 0..most {
            assert_eq!(exchange.receive(b"x"), Ok(None));
        }
        assert_eq!(exchange.receive(b"x"), Err(Fault::TooLarge(most as u64 + 1)));
        let mut exchange = request_7();
        let line = [vec![b' '; most + 1], b"\n".to_vec()].concat();
        assert_eq!(exchange.receive(&line), Err(Fault::TooLarge(most as u64 + 1)));
        let mut exchange = request_7();
        let mut line = b"{\"id\":7}".to_vec();
        line.resize(most, b' ');
        line.push(b'\n');
        assert_eq!(exchange.receive(&line), Ok(Some(Reply::Output(Vec::new()))), "just so long");
    }

    proptest! {
        #[test]
        fn bytes_in_any_pieces_give_one_verdict(
            bytes in proptest::collection::vec(any::<u8>(), 1..400),
            mut cuts in proptest::collection::vec(0usize..400, 0..6),
        ) {
            // No line feed within: then it is the last byte that completes the line.
            let mut bytes: Vec<u8> = bytes.into_iter().map(|b| if b == b'\n' { 0 } else { b }).collect();
            bytes.truncate(MOST + ENVELOPE);
            bytes.push(b'\n');
            let whole = request_7().receive(&bytes);
            cuts.retain(|cut| *cut > 0 && *cut < bytes.len());
            cuts.sort_unstable();
            cuts.dedup();
            cuts.push(bytes.len());
            let (mut exchange, mut from) = (request_7(), 0);
            for cut in cuts {
                let verdict = exchange.receive(&bytes[from..cut]);
                if cut == bytes.len() {
                    prop_assert_eq!(&verdict, &whole);
                } else {
                    prop_assert_eq!(verdict, Ok(None));
                }
                from = cut;
            }
        }
    }
}
