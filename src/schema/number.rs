//! JSON numbers as the host's parser and its C++ conversions treat them.
//!
//! Integers that fit an `i64` stay exact and everything else becomes a double. A number is then
//! cast to the type of its field as the compiled host does on x86-64: what is out of range wraps
//! or becomes the processor's "indefinite" value instead of being refused. On other machines too,
//! whose own conversions go to the nearest value that there is: what a script's answer means is the
//! same everywhere.

/// A number of a JSON text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    /// An integer that fits.
    Int(i64),
    /// An integer from 2^63 to 2^64-1. It counts as a double, but what it was is kept in order to
    /// tell whether it was stored unchanged.
    Large(u64),
    /// Anything else.
    Float(f64),
}

/// Why a text is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotANumber {
    /// It is written otherwise.
    Syntax,
    /// It is beyond the greatest double.
    Range,
}

/// The parts of a number as the host's parser accepts them: like JSON, but with leading zeros and
/// with digits missing on one side of the point.
struct Parts<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: Option<&'a [u8]>,
    exponent: &'a [u8],
}

/// Whether a byte can be part of a number.
pub(super) const fn is_part(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

fn parts(token: &[u8]) -> Option<Parts<'_>> {
    let negative = token.first() == Some(&b'-');
    let rest = &token[usize::from(negative)..];
    if !negative && !rest.first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let (whole, rest) = digits(rest);
    let (fraction, rest) = match rest.split_first() {
        Some((b'.', rest)) => {
            let (fraction, rest) = digits(rest);
            (Some(fraction), rest)
        }
        _ => (None, rest),
    };
    if whole.is_empty() && fraction.unwrap_or_default().is_empty() {
        return None;
    }
    if let Some((b'e' | b'E', exponent)) = rest.split_first() {
        let signed = matches!(exponent.first(), Some(b'+' | b'-'));
        let (power, after) = digits(&exponent[usize::from(signed)..]);
        if power.is_empty() || !after.is_empty() {
            return None;
        }
    } else if !rest.is_empty() {
        return None;
    }
    Some(Parts { negative, whole, fraction, exponent: rest })
}

/// Rewrites a number that the host accepts as strict JSON; `None` when the host refuses it.
pub(super) fn canonical(token: &[u8]) -> Option<Vec<u8>> {
    let parts = parts(token)?;
    let zeros = parts.whole.iter().take_while(|byte| **byte == b'0').count();
    let whole = &parts.whole[zeros..];
    let integer = parts.fraction.is_none() && parts.exponent.is_empty();
    let mut text = Vec::with_capacity(token.len() + 2);
    // The host reads `-0` as the integer 0, but `-0.0` as a negative zero.
    if parts.negative && !(integer && whole.is_empty()) {
        text.push(b'-');
    }
    text.extend_from_slice(if whole.is_empty() { b"0" } else { whole });
    if let Some(fraction) = parts.fraction {
        text.push(b'.');
        text.extend_from_slice(if fraction.is_empty() { b"0" } else { fraction });
    }
    text.extend_from_slice(parts.exponent);
    Some(text)
}

impl Number {
    /// Reads the text of a JSON string where a number is expected: white space may come before,
    /// but nothing after.
    pub(super) fn from_text(text: &[u8]) -> Result<Number, NotANumber> {
        let blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        let token = &text[text.iter().take_while(blank).count()..];
        let token = canonical(token).ok_or(NotANumber::Syntax)?;
        let token = std::str::from_utf8(&token).map_err(|_| NotANumber::Syntax)?;
        if let Ok(value) = token.parse() {
            return Ok(Number::Int(value));
        }
        if let Ok(value) = token.parse() {
            return Ok(Number::Large(value));
        }
        match token.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Number::Float(value)),
            Ok(_) => Err(NotANumber::Range),
            Err(_) => Err(NotANumber::Syntax),
        }
    }

    pub(super) fn as_f64(self) -> f64 {
        match self {
            Number::Int(value) => value as f64,
            Number::Large(value) => value as f64,
            Number::Float(value) => value,
        }
    }

    pub(super) fn as_f32(self) -> f32 {
        match self {
            Number::Int(value) => value as f32,
            other => other.as_f64() as f32,
        }
    }

    pub(super) fn as_i64(self) -> i64 {
        match self {
            Number::Int(value) => value,
            other => indefinite_i64(other.as_f64()),
        }
    }

    pub(super) fn as_u64(self) -> u64 {
        const HALF: f64 = 9_223_372_036_854_775_808.0;
        match self {
            Number::Int(value) => value as u64,
            other if other.as_f64() < HALF => indefinite_i64(other.as_f64()) as u64,
            other => indefinite_i64(other.as_f64() - HALF) as u64 ^ (1 << 63),
        }
    }

    pub(super) fn as_i32(self) -> i32 {
        match self {
            Number::Int(value) => value as i32,
            other => {
                let value = other.as_f64().trunc();
                let fits = (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&value);
                if fits { value as i32 } else { i32::MIN }
            }
        }
    }

    pub(super) fn as_u32(self) -> u32 {
        self.as_i64() as u32
    }

    /// The integer that it stands for, its fraction cut off; saturated at the ends of `i128`.
    pub(super) fn exact(self) -> i128 {
        match self {
            Number::Int(value) => value.into(),
            Number::Large(value) => value.into(),
            Number::Float(value) => value as i128,
        }
    }

    /// Whether a signed integer of 64 bits holds what it stands for, its fraction cut off.
    pub(super) fn fits_i64(self) -> bool {
        i64::try_from(self.exact()).is_ok()
    }

    pub(super) fn has_fraction(self) -> bool {
        matches!(self, Number::Float(value) if value.fract() != 0.0)
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Number::Int(value) => value.fmt(f),
            Number::Large(value) => value.fmt(f),
            // Display would print hundreds of zeros for the largest.
            Number::Float(value) if value.abs() >= 1e21 => write!(f, "{value:e}"),
            Number::Float(value) => value.fmt(f),
        }
    }
}

/// The conversion of the processor: anything out of range becomes the least integer.
fn indefinite_i64(value: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&value) { value as i64 } else { i64::MIN }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_numbers_become_strict_ones() {
        for (token, strict) in [
            ("01", "1"),
            ("000", "0"),
            ("-0", "0"),
            ("-00.5", "-0.5"),
            ("-0.0", "-0.0"),
            ("5.", "5.0"),
            ("5.e3", "5.0e3"),
            ("-.5", "-0.5"),
            ("1E+05", "1E+05"),
        ] {
            let text = canonical(token.as_bytes()).expect(token);
            assert_eq!(String::from_utf8_lossy(&text), strict);
        }
        for token in ["", "-", "+1", ".5", ".", "-.", "1e", "1e+", "--1", "1-2", "1.2.3", "1e5.0"] {
            assert_eq!(canonical(token.as_bytes()), None, "{token}");
        }
    }

    #[test]
    fn casts_are_those_of_the_compiled_host() {
        assert_eq!(Number::Int(4_294_967_296).as_i32(), 0);
        assert_eq!(Number::Int(-1).as_u32(), u32::MAX);
        assert_eq!(Number::Int(-1).as_u64(), u64::MAX);
        assert_eq!(Number::Large(u64::MAX).as_u64(), 0);
        assert_eq!(Number::Large(1 << 63).as_u64(), 1 << 63);
        assert_eq!(Number::Float(-1.9).as_u64(), u64::MAX);
        assert_eq!(Number::Float(1.9).as_i32(), 1);
        assert_eq!(Number::Float(3e9).as_i32(), i32::MIN);
        assert_eq!(Number::Float(3e9).as_u32(), 3_000_000_000);
        assert_eq!(Number::Float(1e30).as_u32(), 0);
        assert_eq!(Number::Float(1e30).as_i64(), i64::MIN);
        assert_eq!(Number::Float(-2_147_483_648.5).as_i32(), i32::MIN);
    }

    /// Where the conversions of x86-64 and of aarch64 differ: the latter saturate.
    #[test]
    fn what_is_out_of_range_is_the_same_on_every_machine() {
        for (value, i32s, u32s, i64s, u64s) in [
            (2_147_483_648.0, i32::MIN, 1 << 31, 1 << 31, 1 << 31),
            (-2_147_483_649.0, i32::MIN, 0x7fff_ffff, -2_147_483_649, 0xffff_ffff_7fff_ffff),
            (4_294_967_296.0, i32::MIN, 0, 1 << 32, 1 << 32),
            (-1.0, -1, u32::MAX, -1, u64::MAX),
            (9.3e18, i32::MIN, 0, i64::MIN, 9_300_000_000_000_000_000),
            (-9.3e18, i32::MIN, 0, i64::MIN, 1 << 63),
            (2e19, i32::MIN, 0, i64::MIN, 0),
            (-1e300, i32::MIN, 0, i64::MIN, 1 << 63),
        ] {
            let number = Number::Float(value);
            assert_eq!((number.as_i32(), number.as_u32()), (i32s, u32s), "{value}");
            assert_eq!((number.as_i64(), number.as_u64()), (i64s, u64s), "{value}");
        }
        assert_eq!(Number::Float(1e300).as_f32(), f32::INFINITY);
    }

    #[test]
    fn texts_are_read_as_numbers() {
        assert_eq!(Number::from_text(b" \n1.5"), Ok(Number::Float(1.5)));
        assert_eq!(Number::from_text(b"007"), Ok(Number::Int(7)));
        assert_eq!(Number::from_text(b"18446744073709551615"), Ok(Number::Large(u64::MAX)));
        assert_eq!(Number::from_text(b"1e400"), Err(NotANumber::Range));
        for text in ["", "abc", "1 ", "NaN", "Infinity", "0x10", "true", "\x0b1"] {
            assert_eq!(Number::from_text(text.as_bytes()), Err(NotANumber::Syntax), "{text}");
        }
    }
}
