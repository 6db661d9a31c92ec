//! What is exchanged with one worker: lines out, lines back, and every check of what comes back.
//!
//! A state machine without clock and without descriptor, as are those of quinn and rustls: it says
//! what is to be written, takes what was read, and judges it. What waits and moves the bytes is a
//! driver: a caller that blocks anyway (`lease`), or the reactor's thread (`drive`). Deadlines and
//! withdrawals are the drivers' matter; to this module an exchange is as long as it takes.
//!
//! How many requests the worker has at a time, and whether it takes a cancel, is what it said in
//! its greeting. A worker that does not read gets no further request: one line at most waits for
//! room in its pipe, with a short line for each request that is cancelled.

use std::ops::Range;

use super::fault::Fault;
use super::protocol::{
    ENVELOPE, GREETING, Reply, Terms, cancel, read_answer, read_ready, request, shown,
};

/// The number of the greeting; those of requests follow it.
const GREETED: u64 = 0;

/// All that is under way with one worker.
#[derive(Default)]
pub(crate) struct Exchange {
    /// What it was asked and has not answered, the oldest first.
    asked: Vec<u64>,
    /// How many requests it takes at a time.
    at_once: usize,
    takes_cancels: bool,
    /// What is still to be written; `None` while a driver has it, and when all is written.
    outgoing: Option<Outgoing>,
    /// Whether a driver has what is written, and will say how far it has come.
    lent: bool,
    /// Cancels that follow what a driver has.
    behind: Vec<u8>,
    /// The beginning of the worker's line. Empty while it was asked nothing.
    received: Vec<u8>,
    /// The longest output that is accepted, in bytes.
    max_output: usize,
    /// How many requests at a time it may ask for, and how many it did.
    most_at_once: usize,
    wanted: u64,
}

/// Lines on their way to a worker.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// The request whose line is among them; `None`: cancels alone.
    id: Option<u64>,
    /// Where that line is. Cancels may stand before and behind it.
    own: Range<usize>,
    pub(super) line: Vec<u8>,
    /// How many bytes the pipe has taken.
    pub(crate) written: usize,
    /// Whether it is to be [put back](Exchange::put_back) although all of it is written.
    pub(super) tracked: bool,
}

impl Outgoing {
    /// What is still to be written.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.line[self.written..]
    }

    /// The request whose line is not written to its end.
    fn partial(&self) -> Option<u64> {
        self.id.filter(|_| self.written < self.own.end)
    }
}

impl Exchange {
    /// With a worker that was started. It may ask for `most_at_once` requests at a time.
    pub(crate) fn new(max_output: usize, most_at_once: usize) -> Exchange {
        Exchange { max_output, most_at_once, at_once: 1, ..Exchange::default() }
    }

    /// Asks whether it is ready. The reply is an empty output.
    pub(crate) fn greet(&mut self) {
        self.begin(GREETED, GREETING.to_vec());
    }

    /// Asks for `event`, as the request `id`, which is not 0 and was not used before. `deadline` is
    /// what the worker gets to read of it; the line is written over `buffer`. There must be
    /// [room](Exchange::has_room).
    pub(crate) fn ask(
        &mut self,
        id: u64,
        event: &str,
        deadline: Option<&str>,
        input: &[u8],
        mut buffer: Vec<u8>,
    ) {
        request(&mut buffer, id, event, deadline, input);
        self.begin(id, buffer);
    }

    fn begin(&mut self, id: u64, line: Vec<u8>) {
        self.asked.push(id);
        self.outgoing = Some(match self.outgoing.take() {
            None => {
                let (own, tracked) = (0..line.len(), self.tracks());
                Outgoing { id: Some(id), own, line, written: 0, tracked }
            }
            Some(mut cancels) => {
                let start = cancels.line.len();
                cancels.line.extend_from_slice(&line);
                Outgoing { id: Some(id), own: start..cancels.line.len(), ..cancels }
            }
        });
    }

    /// Whether it must be known when a line is written: because another may follow it before the
    /// worker has answered.
    fn tracks(&self) -> bool {
        self.at_once > 1 || self.takes_cancels
    }

    /// Cancels a request that is not answered, of a worker that [takes
    /// cancels](Exchange::takes_cancels).
    pub(crate) fn cancel(&mut self, id: u64) {
        match &mut self.outgoing {
            Some(outgoing) => cancel(&mut outgoing.line, id),
            None => cancel(&mut self.behind, id),
        }
        if !self.lent && self.outgoing.is_none() {
            self.outgoing = Some(Outgoing::cancels(std::mem::take(&mut self.behind)));
        }
    }

    /// Whether it may be asked once more now. Cancels that wait for room in its pipe are no reason
    /// against that: when it has answered all, nothing else would ever find that it does not read.
    pub(crate) fn has_room(&self) -> bool {
        let waits = self.outgoing.as_ref().is_some_and(|outgoing| outgoing.partial().is_some());
        self.asked.len() < self.at_once && !waits && !self.lent
    }

    /// Whether it has answered all, and no driver writes.
    pub(crate) fn is_idle(&self) -> bool {
        self.asked.is_empty() && !self.lent
    }

    /// Whether it has answered all that it was asked.
    pub(super) fn has_answered(&self) -> bool {
        self.asked.is_empty()
    }

    pub(super) fn takes_cancels(&self) -> bool {
        self.takes_cancels
    }

    /// How many requests at a time it asked for, if that is more than it may.
    pub(super) fn excess(&self) -> Option<u64> {
        Some(self.wanted).filter(|wanted| *wanted > self.most_at_once as u64)
    }

    /// Takes what is to be written. Until it is [put back](Exchange::put_back) all of it counts as
    /// written, because the worker may answer before a driver comes back from `write`.
    pub(crate) fn take_outgoing(&mut self) -> Option<Outgoing> {
        let outgoing = self.outgoing.take()?;
        self.lent = outgoing.tracked;
        Some(outgoing)
    }

    /// Puts back what could not be written to its end, or is `tracked`. Gives the buffer if nothing
    /// of it is left to be written.
    ///
    /// # Errors
    /// When the worker has answered a request that it cannot have read.
    pub(crate) fn put_back(&mut self, mut outgoing: Outgoing) -> Result<Option<Vec<u8>>, Fault> {
        if outgoing.tracked {
            self.lent = false;
        }
        let behind = std::mem::take(&mut self.behind);
        if outgoing.rest().is_empty() {
            if !behind.is_empty() {
                self.outgoing = Some(Outgoing::cancels(behind));
            }
            return Ok(Some(outgoing.line));
        }
        if let Some(id) = outgoing.partial().filter(|id| !self.asked.contains(id)) {
            return Err(Fault::Protocol(format!("answered request {id} before it had read it")));
        }
        outgoing.line.extend_from_slice(&behind);
        self.outgoing = Some(outgoing);
        Ok(None)
    }

    /// Whether something is left to be written.
    pub(super) fn writes(&self) -> bool {
        self.outgoing.is_some()
    }

    /// Whether the worker cannot have seen any of this request.
    pub(super) fn is_unseen(&self, id: u64) -> bool {
        let unseen =
            |outgoing: &Outgoing| outgoing.id == Some(id) && outgoing.written <= outgoing.own.start;
        self.outgoing.as_ref().is_some_and(unseen)
    }

    /// Takes what was read from the worker, up to the end of a line: it is cut off from `bytes`.
    /// Gives the number of what was answered, and the reply; to be called again then.
    ///
    /// # Errors
    /// When what it said is no reply: then the worker cannot be used any more.
    pub(crate) fn receive(&mut self, bytes: &mut &[u8]) -> Result<Option<(u64, Reply)>, Fault> {
        if bytes.is_empty() {
            return Ok(None);
        }
        if self.asked.is_empty() {
            return Err(unasked(bytes));
        }
        let longest = self.max_output.saturating_add(ENVELOPE);
        let Some(end) = memchr::memchr(b'\n', bytes) else {
            self.received.extend_from_slice(std::mem::take(bytes));
            let length = self.received.len();
            let too_long = length > longest;
            return if too_long { Err(Fault::TooLarge(length as u64)) } else { Ok(None) };
        };
        let (piece, rest) = (&bytes[..end], &bytes[end + 1..]);
        *bytes = rest;
        // Mostly the line comes in one piece, and need not be copied.
        let joined;
        let line = if self.received.is_empty() {
            piece
        } else {
            self.received.extend_from_slice(piece);
            joined = std::mem::take(&mut self.received);
            joined.as_slice()
        };
        if let [last] = self.asked[..] {
            self.check_read(last, line)?;
            if !rest.is_empty() && line.len() <= longest {
                let what =
                    format!("said {} after its answer; did it print to stdout?", shown(rest));
                return Err(Fault::Protocol(what));
            }
        }
        if line.len() > longest {
            return Err(Fault::TooLarge(line.len() as u64));
        }
        self.read(line).map(Some)
    }

    /// A request whose line is not written has no answer.
    fn check_read(&self, id: u64, line: &[u8]) -> Result<(), Fault> {
        if self.outgoing.as_ref().and_then(Outgoing::partial) == Some(id) {
            let what = format!("said {} before it had read its request", shown(line));
            return Err(Fault::Protocol(what));
        }
        Ok(())
    }

    fn read(&mut self, line: &[u8]) -> Result<(u64, Reply), Fault> {
        // A greeting is asked alone.
        if self.asked == [GREETED] {
            let terms = read_ready(line).map_err(Fault::Protocol)?;
            self.agree(terms);
            self.asked.clear();
            return Ok((GREETED, Reply::Output(Vec::new())));
        }
        let (id, reply) = read_answer(line).map_err(Fault::Protocol)?;
        let Some(at) = self.asked.iter().position(|asked| *asked == id) else {
            return Err(self.stray(id, line));
        };
        self.check_read(id, line)?;
        if let Reply::Output(output) = &reply
            && output.len() > self.max_output
        {
            return Err(Fault::TooLarge(output.len() as u64));
        }
        self.asked.remove(at);
        Ok((id, reply))
    }

    fn agree(&mut self, terms: Terms) {
        self.wanted = terms.multiplex;
        let wanted = usize::try_from(terms.multiplex).unwrap_or(usize::MAX);
        self.at_once = wanted.min(self.most_at_once);
        self.takes_cancels = terms.cancel;
    }

    /// What it means that it answered `id`, which it does not owe an answer.
    fn stray(&self, id: u64, line: &[u8]) -> Fault {
        let line = shown(line);
        match self.asked[..] {
            [asked] if self.at_once == 1 => {
                Fault::Protocol(format!("answered request {id} instead of {asked}: {line}"))
            }
            _ => {
                let what = "which it was not asked or has answered";
                Fault::Stray(format!("answered request {id}, {what}: {line}"))
            }
        }
    }
}

impl Outgoing {
    fn cancels(line: Vec<u8>) -> Outgoing {
        Outgoing { id: None, own: 0..0, line, written: 0, tracked: true }
    }
}

/// What it means that a worker said `bytes` while it was asked nothing.
pub(super) fn unasked(bytes: &[u8]) -> Fault {
    let said = shown(bytes);
    Fault::Protocol(format!("said {said} without having been asked; did it print to stdout?"))
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
