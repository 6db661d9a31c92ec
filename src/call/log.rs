//! Log lines of calls.
//!
//! A line about a failure must not be lost, and a command that fails 4,000 times a second must not
//! fill the agent's disk: each command may write a few lines at once and a few more a minute, and
//! the next line states how many were left out.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::escape::one_line_bytes;

/// Lines that a command may write at once.
const BURST: u32 = 10;
/// Time after which it may write one more.
const REFILL: Duration = Duration::from_secs(6);

/// Decides whether a line is written.
#[derive(Debug)]
pub(crate) struct Limiter(Mutex<Bucket>);

#[derive(Debug)]
struct Bucket {
    tokens: u32,
    refilled: Instant,
    left_out: u64,
}

impl Limiter {
    pub(crate) fn new() -> Limiter {
        Limiter(Mutex::new(Bucket { tokens: BURST, refilled: Instant::now(), left_out: 0 }))
    }

    /// `Some(n)` when a line may be written at `now`, `n` being the lines left out before it.
    pub(crate) fn permit(&self, now: Instant) -> Option<u64> {
        let mut bucket = self.0.lock();
        let periods = now.saturating_duration_since(bucket.refilled).as_nanos() / REFILL.as_nanos();
        if let Some(periods) = u32::try_from(periods).ok().filter(|periods| *periods > 0) {
            bucket.tokens = bucket.tokens.saturating_add(periods).min(BURST);
            bucket.refilled = now;
        }
        if bucket.tokens == 0 {
            bucket.left_out += 1;
            return None;
        }
        bucket.tokens -= 1;
        Some(std::mem::take(&mut bucket.left_out))
    }
}

/// ` (N more such lines were left out)`, or nothing.
pub(crate) fn left_out(count: u64) -> String {
    if count == 0 { String::new() } else { format!(" ({count} lines before this were left out)") }
}

/// The prefix of the original's lines, which operators' log filters know.
pub(crate) fn prefix(subject: &str, method: &str) -> String {
    format!("[TASK={subject}, METHOD={method}] ")
}

/// Foreign bytes for a log line: one line of visible characters, of at most `limit` bytes of the
/// end.
pub(crate) fn tail(bytes: &[u8], limit: usize) -> String {
    let from = bytes.len().saturating_sub(limit);
    let mut end = &bytes[from..];
    if from > 0 {
        // What is left of a character that was cut in two.
        let rest = end.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
        end = &end[rest..];
    }
    one_line_bytes(end.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_one_line_per_period_with_the_count() {
        let limiter = Limiter::new();
        let start = Instant::now();
        for _ in 0..BURST {
            assert_eq!(limiter.permit(start), Some(0));
        }
        for _ in 0..41 {
            assert_eq!(limiter.permit(start), None);
        }
        assert_eq!(limiter.permit(start + REFILL), Some(41));
        assert_eq!(limiter.permit(start + REFILL), None);
        assert_eq!(limiter.permit(start + REFILL * 1000), Some(1));
    }

    #[test]
    fn tails_are_one_line() {
        assert_eq!(tail(b"a\nb\n", 100), "a\\nb");
        assert_eq!(tail(b"0123456789", 4), "6789");
        assert_eq!(tail("größe".as_bytes(), 4), "ße");
        assert_eq!(tail("größe".as_bytes(), 2), "e");
        assert_eq!(tail(b" \x1b[2Ja\rb\xff\n", 100), "\\x1b[2Ja\\rb\\xff");
    }
}
