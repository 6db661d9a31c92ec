//! One parser per kind of parameter value.
//!
//! Each error says what is accepted; the caller adds key and value.

use std::time::Duration;

/// The original read durations as an unsigned number of seconds of at most 32 bits.
const MAX_SECONDS: u64 = u32::MAX as u64;

/// Units of Mesos's `Duration` text, in nanoseconds.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("secs", 1_000_000_000),
    ("mins", 60 * 1_000_000_000),
    ("hrs", 3_600 * 1_000_000_000),
    ("days", 86_400 * 1_000_000_000),
    ("weeks", 7 * 86_400 * 1_000_000_000),
];

/// What [`duration`] accepts, for error messages.
pub const DURATION_FORMS: &str = "seconds as digits ('30'), or a number with ns, us, ms, secs, mins, hrs, days or weeks ('500ms')";

/// A duration that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read<T> {
    /// The value.
    pub value: T,
    /// Whether text after the leading digits was ignored, as the original did.
    pub ignored_tail: bool,
}

/// Reads a duration.
///
/// Digits are seconds. A number with one of Mesos's units is read as Mesos does. Digits followed
/// by anything else are read as those digits in seconds and flagged: the original used the C++
/// library's number parser, which stops there.
///
/// # Errors
/// When there are no leading digits, or the value is above 4294967295 seconds.
pub fn duration(text: &str) -> Result<Read<Duration>, String> {
    let text = text.trim_start();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if digits == 0 {
        return Err(format!("accepted are {DURATION_FORMS}"));
    }
    if let Some(value) = with_unit(text) {
        return in_range(value).map(|value| Read { value, ignored_tail: false });
    }
    let seconds: u64 = text[..digits]
        .parse()
        .ok()
        .filter(|seconds| *seconds <= MAX_SECONDS)
        .ok_or_else(too_long)?;
    Ok(Read {
        value: Duration::from_secs(seconds),
        ignored_tail: !text[digits..].trim_end().is_empty(),
    })
}

fn with_unit(text: &str) -> Option<f64> {
    let text = text.trim_end();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(split);
    let (_, nanoseconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
    Some(number.parse::<f64>().ok()? * (*nanoseconds as f64) / 1e9)
}

fn in_range(seconds: f64) -> Result<Duration, String> {
    if seconds > MAX_SECONDS as f64 {
        return Err(too_long());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| too_long())
}

fn too_long() -> String {
    format!("at most {MAX_SECONDS} seconds are accepted")
}

/// Reads `true` or `false`.
///
/// # Errors
/// For anything else.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("accepted are true and false".to_owned()),
    }
}

/// Reads a whole number from `low` to `high`.
///
/// # Errors
/// When it is none or out of range.
pub fn count(text: &str, low: usize, high: usize) -> Result<usize, String> {
    text.parse::<usize>()
        .ok()
        .filter(|value| (low..=high).contains(value))
        .ok_or_else(|| format!("accepted are whole numbers from {low} to {high}"))
}

/// Reads a number of bytes: digits, optionally with KB, MB or GB (powers of 1024, as Mesos's
/// `Bytes`) or KiB, MiB, GiB.
///
/// # Errors
/// When it is none, or not from 1 to 1 GiB.
pub fn bytes(text: &str) -> Result<u64, String> {
    const LIMIT: u64 = 1 << 30;
    let accepted = || "accepted are bytes from 1 to 1GiB, as digits or with KB, MB, GB".to_owned();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "KB" | "KiB" => 1 << 10,
        "MB" | "MiB" => 1 << 20,
        "GB" | "GiB" => 1 << 30,
        _ => return Err(accepted()),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .filter(|bytes| (1..=LIMIT).contains(bytes))
        .ok_or_else(accepted)
}

/// Reads one of `choices`.
///
/// # Errors
/// When it is none of them.
pub fn choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        format!("accepted are {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(value: Duration) -> Result<Read<Duration>, String> {
        Ok(Read { value, ignored_tail: false })
    }

    #[test]
    fn durations_in_every_form() {
        assert_eq!(duration("30"), exact(Duration::from_secs(30)));
        assert_eq!(duration(" 7 "), exact(Duration::from_secs(7)));
        assert_eq!(duration("0"), exact(Duration::ZERO));
        assert_eq!(duration("500ms"), exact(Duration::from_millis(500)));
        assert_eq!(duration("10secs"), exact(Duration::from_secs(10)));
        assert_eq!(duration("5mins"), exact(Duration::from_secs(300)));
        assert_eq!(duration("1hrs"), exact(Duration::from_secs(3600)));
        assert_eq!(duration("1.5secs"), exact(Duration::from_millis(1500)));
        assert_eq!(duration("4294967295"), exact(Duration::from_secs(4_294_967_295)));
    }

    #[test]
    fn digits_with_other_text_are_read_as_the_original_did() {
        for text in ["30 seconds", "30s", "30.5", "30,5", "30;"] {
            let read = duration(text).expect(text);
            assert_eq!(read.value, Duration::from_secs(30), "{text}");
            assert!(read.ignored_tail, "{text}");
        }
    }

    #[test]
    fn durations_that_are_refused() {
        for text in ["", "abc", "-1", "+3", ".5", "4294967296", "99999999999999999999", "9999weeks"]
        {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn byte_counts() {
        assert_eq!(bytes("1"), Ok(1));
        assert_eq!(bytes("64KB"), Ok(65536));
        assert_eq!(bytes("1MiB"), Ok(1 << 20));
        for text in ["", "0", "-1", "2GB", "1 TB", "x", "99999999999999999999GB"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn choices_name_what_is_accepted() {
        let error = choice("maybe", &[("keep", 1), ("kill", 2)]).expect_err("not a choice");
        assert_eq!(error, "accepted are keep, kill");
        assert!(boolean("TRUE").is_err());
        assert!(count("65", 1, 64).is_err());
        assert_eq!(count("64", 1, 64), Ok(64));
    }
}
