//! One parser per kind of parameter value.
//!
//! Each error says what is accepted; the caller adds key and value.

use std::path::PathBuf;
use std::time::Duration;

/// The original read durations as an unsigned number of seconds of at most 32 bits.
const MAX_SECONDS: u64 = u32::MAX as u64;

/// Units of Mesos's `Duration` text and `s`, in nanoseconds.
const UNITS: [(&str, u64); 9] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("secs", 1_000_000_000),
    ("mins", 60 * 1_000_000_000),
    ("hrs", 3_600 * 1_000_000_000),
    ("days", 86_400 * 1_000_000_000),
    ("weeks", 7 * 86_400 * 1_000_000_000),
];

/// Units that [`duration`] knows besides. For the original `5m` was five seconds, so its own keys
/// do not know them.
const SHORT_UNITS: [(&str, u64); 2] = [("m", 60 * 1_000_000_000), ("h", 3_600 * 1_000_000_000)];

/// What [`duration`] accepts, for error messages.
pub const DURATION_FORMS: &str = "seconds ('30', '0.5'), or a number with ns, us, ms, s, m, h, secs, mins, hrs, days or weeks, without a blank between ('500ms', '1.5s', '5m')";

/// What [`original_duration`] accepts, for error messages.
pub const ORIGINAL_DURATION_FORMS: &str = "seconds as digits ('30'), or a number with ns, us, ms, s, secs, mins, hrs, days or weeks, without a blank between ('500ms', '5mins')";

/// What was read of a key that the original modules had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read<T> {
    /// The value.
    pub value: T,
    /// Whether text after the leading digits was ignored, as the original did.
    pub ignored_tail: bool,
}

/// Reads a duration of a key that the original does not have: it means what is written.
///
/// A number is seconds, or has one of the units; it may have a fraction. Blanks around it do not
/// matter.
///
/// # Errors
/// For anything else, or when the value is above 4294967295 seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    with_unit(text, &[("", 1_000_000_000)])
        .or_else(|| with_unit(text, &UNITS))
        .or_else(|| with_unit(text, &SHORT_UNITS))
        .ok_or_else(|| format!("accepted are {DURATION_FORMS}"))
        .and_then(in_range)
}

/// Reads a duration of a key that the original has.
///
/// Digits are seconds. A number with one of Mesos's units, or `s`, is read as Mesos does. Digits
/// followed by anything else are read as those digits in seconds and flagged: the original used the
/// C++ library's number parser, which stops there.
///
/// # Errors
/// When there are no leading digits, or the value is above 4294967295 seconds.
pub fn original_duration(text: &str) -> Result<Read<Duration>, String> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if digits == 0 {
        return Err(format!("accepted are {ORIGINAL_DURATION_FORMS}"));
    }
    if let Some(value) = with_unit(text, &UNITS) {
        return in_range(value).map(|value| Read { value, ignored_tail: false });
    }
    let seconds: u64 = text[..digits]
        .parse()
        .ok()
        .filter(|seconds| *seconds <= MAX_SECONDS)
        .ok_or_else(too_long)?;
    Ok(Read { value: Duration::from_secs(seconds), ignored_tail: digits < text.len() })
}

/// The seconds of a number with one of `units`: digits, and more digits after a point.
fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<f64> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let (_, nanoseconds) = units.iter().find(|(name, _)| *name == unit)?;
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if !digits(whole) || !digits(fraction) {
        return None;
    }
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
    match text.trim() {
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
    let text = text.trim();
    // The standard parser takes a plus sign, too.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse::<usize>()
        .ok()
        .filter(|value| digits && (low..=high).contains(value))
        .ok_or_else(|| format!("accepted are whole numbers from {low} to {high}"))
}

/// What [`bytes`] accepts, for error messages.
pub fn bytes_forms(least: u64, most: u64) -> String {
    format!(
        "{} to {}: digits ('65536'), or digits with KiB, MiB, GiB, or KB, MB, GB, which mean the same",
        show_bytes(least),
        show_bytes(most)
    )
}

/// A number of bytes in the largest unit that divides it.
pub fn show_bytes(bytes: u64) -> String {
    for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if bytes >> shift > 0 && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

/// Reads a number of bytes: digits, optionally with KB, MB or GB (powers of 1024, as Mesos's
/// `Bytes`) or KiB, MiB, GiB.
///
/// # Errors
/// When it is none, or not from `least` to `most`.
pub fn bytes(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let accepted = || format!("accepted are bytes from {}", bytes_forms(least, most));
    let text = text.trim();
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
        .filter(|bytes| (least..=most).contains(bytes))
        .ok_or_else(accepted)
}

/// Reads an absolute path.
///
/// # Errors
/// For any other.
pub fn path(text: &str) -> Result<PathBuf, String> {
    if text.starts_with('/') {
        Ok(PathBuf::from(text))
    } else {
        Err("accepted are absolute paths".to_owned())
    }
}

/// Reads one of `choices`.
///
/// # Errors
/// When it is none of them.
pub fn choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    choices.iter().find(|(name, _)| *name == text.trim()).map(|(_, value)| *value).ok_or_else(
        || {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            format!("accepted are {}", names.join(", "))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(value: Duration) -> Result<Read<Duration>, String> {
        Ok(Read { value, ignored_tail: false })
    }

    #[test]
    fn durations_in_every_form() {
        for (text, milliseconds) in [
            ("30", 30_000),
            (" 7 ", 7_000),
            ("0", 0),
            ("500ms", 500),
            ("10secs", 10_000),
            ("10s", 10_000),
            ("5mins", 300_000),
            ("1hrs", 3_600_000),
            ("1.5secs", 1_500),
            ("1.5s", 1_500),
            ("4294967295", 4_294_967_295_000),
        ] {
            let value = Duration::from_millis(milliseconds);
            assert_eq!(original_duration(text), exact(value), "{text}");
            assert_eq!(duration(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn durations_of_new_keys_mean_what_is_written() {
        for (text, milliseconds) in
            [("0.5", 500), ("0.5s", 500), ("5m", 300_000), ("2h", 7_200_000), ("1.5m", 90_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["30 seconds", "5 mins", "30,5", "30;", "5.", "1.2.3s", "5M", "1e3", "10x"] {
            let error = duration(text).expect_err(text);
            assert!(error.contains("'1.5s'"), "{error}");
        }
    }

    #[test]
    fn digits_with_other_text_are_read_as_the_original_did() {
        for text in ["30 seconds", "30m", "30.5", "30,5", "30;", "30.", "30 s"] {
            let read = original_duration(text).expect(text);
            assert_eq!(read.value, Duration::from_secs(30), "{text}");
            assert!(read.ignored_tail, "{text}");
        }
    }

    #[test]
    fn durations_that_are_refused() {
        for text in [
            "",
            "abc",
            "-1",
            "+3",
            ".5",
            "4294967296",
            "99999999999999999999",
            "9999weeks",
            "s",
            "\u{663}0",
        ] {
            assert!(original_duration(text).is_err(), "{text}");
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn byte_counts() {
        let bytes = |text| super::bytes(text, 1, 1 << 30);
        assert_eq!(bytes("1"), Ok(1));
        assert_eq!(bytes("64KB"), Ok(65536));
        assert_eq!(bytes("1MiB"), Ok(1 << 20));
        assert_eq!(bytes(" 2 KB "), Ok(2048));
        for text in [
            "",
            "0",
            "-1",
            "+1",
            "2GB",
            "1 TB",
            "x",
            "10k",
            "1M",
            "1.5MB",
            "99999999999999999999GB",
        ] {
            let error = bytes(text).expect_err(text);
            assert!(error.contains("KiB, MiB, GiB"), "{error}");
        }
    }

    #[test]
    fn byte_counts_are_shown_as_they_are_read() {
        for (count, text) in [(1, "1"), (1500, "1500"), (1536, "1536"), (3 << 10, "3KiB")] {
            assert_eq!(show_bytes(count), text);
            assert_eq!(bytes(text, 1, 1 << 30), Ok(count));
        }
        assert_eq!((show_bytes(1 << 20), show_bytes(1 << 30)), ("1MiB".into(), "1GiB".into()));
    }

    #[test]
    fn choices_name_what_is_accepted() {
        let error = choice("maybe", &[("keep", 1), ("kill", 2)]).expect_err("not a choice");
        assert_eq!(error, "accepted are keep, kill");
        assert_eq!(choice(" kill", &[("keep", 1), ("kill", 2)]), Ok(2));
        assert_eq!(boolean(" true "), Ok(true));
        for text in ["TRUE", "True", "yes", "1", "on"] {
            assert_eq!(boolean(text), Err("accepted are true and false".to_owned()));
        }
        for text in ["65", "0", "64x", "+64", "-1", "6.4", "", "1e1"] {
            let error = count(text, 1, 64).expect_err(text);
            assert_eq!(error, "accepted are whole numbers from 1 to 64");
        }
        assert_eq!(count(" 64 ", 1, 64), Ok(64));
    }
}
