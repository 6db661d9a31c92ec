//! Quantities as people read them: durations, sizes, rates, times of day.

/// Seconds: `0.12s`, `45s`, `4m05s`, `3h07m`.
pub fn duration(seconds: f64) -> String {
    let sign = if seconds < 0.0 { "-" } else { "" };
    let seconds = seconds.abs();
    let whole = seconds.round() as u64;
    match whole {
        0..=9 => format!("{sign}{seconds:.2}s"),
        10..=119 => format!("{sign}{seconds:.0}s"),
        120..=7199 => format!("{sign}{}m{:02}s", whole / 60, whole % 60),
        _ => format!("{sign}{}h{:02}m", whole / 3600, whole % 3600 / 60),
    }
}

/// Seconds that may be few: `450µs`, `12.3ms`, `1.23s`. The metrics tell nothing apart that is
/// longer than a minute.
pub fn latency(seconds: f64) -> String {
    match seconds {
        ..0.001 => format!("{:.0}µs", seconds * 1e6),
        ..1.0 => format!("{:.1}ms", seconds * 1e3),
        ..10.0 => format!("{seconds:.2}s"),
        ..60.0 => format!("{seconds:.1}s"),
        _ => "60s+".to_owned(),
    }
}

/// So many a second.
pub fn rate(rate: f64) -> String {
    match rate {
        ..0.005 => "0".to_owned(),
        ..10.0 => format!("{rate:.2}"),
        ..1000.0 => format!("{rate:.1}"),
        _ => format!("{rate:.0}"),
    }
}

/// Bytes: `10KiB`.
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0..=9999 => format!("{bytes}B"),
        10_000..=10_239_999 => format!("{}KiB", bytes / 1024),
        _ => format!("{}MiB", bytes >> 20),
    }
}

/// Unix seconds as a time in UTC: `2026-11-27T13:45:34Z`.
pub fn clock(seconds: f64) -> String {
    let seconds = seconds as i64;
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days since 1970 to a date of the Gregorian calendar, by eras of 400 years that begin on the
    // first of March (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest % 3600 / 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_short() {
        for (seconds, text) in [
            (0.123, "0.12s"),
            (-3.0, "-3.00s"),
            (99.6, "100s"),
            (125.0, "2m05s"),
            (11_220.0, "3h07m"),
        ] {
            assert_eq!(duration(seconds), text);
        }
        for (seconds, text) in [
            (0.000_45, "450µs"),
            (0.0123, "12.3ms"),
            (1.234, "1.23s"),
            (45.0, "45.0s"),
            (60.0, "60s+"),
        ] {
            assert_eq!(latency(seconds), text);
        }
        for (count, text) in [(0.0, "0"), (0.5, "0.50"), (61.25, "61.2"), (4000.4, "4000")] {
            assert_eq!(rate(count), text);
        }
        for (count, text) in [(0, "0B"), (10_240, "10KiB"), (104_857_600, "100MiB")] {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn times_are_utc() {
        for (seconds, text) in [
            (0.0, "1970-01-01T00:00:00Z"),
            (951_782_400.5, "2000-02-29T00:00:00Z"),
            (1_795_787_134.0, "2026-11-27T13:45:34Z"),
        ] {
            assert_eq!(clock(seconds), text);
        }
    }
}
