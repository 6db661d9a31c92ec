//! What a load run is asked to do, and when each of its calls is due.

use std::path::PathBuf;
use std::time::Duration;

use mesos_command::config::value;

/// The arguments that the CLI and the host program have in common.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Calls per second [default: 4000, or what --burst and --every amount to]
    #[arg(long)]
    pub rate: Option<u32>,
    /// Containers, called in turn
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub containers: u32,
    /// How long calls are made and measured
    #[arg(long, default_value = "60s", value_parser = value::duration)]
    pub duration: Duration,
    /// How long calls are made before that, counted but not measured
    #[arg(long, default_value = "2s", value_parser = value::duration)]
    pub warm_up: Duration,
    /// Whether calls are due one by one or in bursts
    #[arg(long, value_enum, default_value_t = Pattern::Even)]
    pub pattern: Pattern,
    /// Calls of a burst
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub burst: u32,
    /// From one burst to the next [default: what --rate and --burst amount to]
    #[arg(long, value_parser = value::duration)]
    pub every: Option<Duration>,
    /// Starts of the usage command by this program itself, spread over the load, to compare with
    /// the calls that had to wait for a run
    #[arg(long, default_value_t = 0)]
    pub bare: u32,
    /// How long to wait for outstanding answers at the end
    #[arg(long, default_value = "60s", value_parser = value::duration)]
    pub drain: Duration,
    /// Fail when the 99th percentile of all calls is above this
    #[arg(long, value_parser = value::duration)]
    pub p99_at_most: Option<Duration>,
    /// Draw latencies into this SVG file
    #[arg(long)]
    pub plot: Option<PathBuf>,
    /// One JSON object instead of tables
    #[arg(long)]
    pub json: bool,
    /// No line per second on standard error
    #[arg(long)]
    pub quiet: bool,
}

/// When calls are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Pattern {
    /// One after the other, at equal distances.
    Even,
    /// Many at the same instant, then none for a while.
    Bursts,
}

/// The instants at which calls are due, counted from the start of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Calls that are due together.
    pub(super) group: u64,
    /// From one group to the next.
    pub(super) period: Duration,
    /// All calls, those of the warm-up among them.
    pub(super) calls: u64,
    /// Calls before this number are the warm-up's.
    pub(super) warm_up_calls: u64,
}

impl Options {
    /// The schedule of these options.
    ///
    /// # Errors
    /// When they contradict each other, or nothing would be called.
    pub fn schedule(&self) -> Result<Schedule, String> {
        let (group, period) = match (self.pattern, self.every, self.rate) {
            (Pattern::Even, Some(_), _) => {
                return Err("--every needs --pattern bursts".to_owned());
            }
            (_, _, Some(0)) => return Err("--rate 0 calls nothing".to_owned()),
            (Pattern::Even, None, rate) => (1, Duration::from_secs(1) / rate.unwrap_or(4000)),
            (Pattern::Bursts, None, rate) => {
                (self.burst, Duration::from_secs(1) * self.burst / rate.unwrap_or(4000))
            }
            (Pattern::Bursts, Some(every), rate) => {
                let amounts_to = f64::from(self.burst) / every.as_secs_f64();
                if rate.is_some_and(|rate| (f64::from(rate) - amounts_to).abs() > 1.0) {
                    return Err(format!(
                        "--burst and --every amount to {amounts_to:.0} calls/s, which is not --rate"
                    ));
                }
                (self.burst, every)
            }
        };
        if period.is_zero() {
            return Err("--every 0 is no pace".to_owned());
        }
        let groups = |time: Duration| (time.as_nanos() / period.as_nanos()) as u64;
        let schedule = Schedule {
            group: u64::from(group),
            period,
            calls: groups(self.warm_up + self.duration) * u64::from(group),
            warm_up_calls: groups(self.warm_up) * u64::from(group),
        };
        if schedule.calls == schedule.warm_up_calls {
            return Err("the duration is too short for a single call".to_owned());
        }
        Ok(schedule)
    }
}

impl Schedule {
    /// When call `index` is due.
    pub fn due(&self, index: u64) -> Duration {
        // In nanoseconds of 64 bits: 584 years.
        Duration::from_nanos(index / self.group * self.period.as_nanos() as u64)
    }

    /// Calls per second.
    pub fn rate(&self) -> f64 {
        self.group as f64 / self.period.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn schedule(line: &str) -> Result<Schedule, String> {
        let line = std::iter::once("load").chain(line.split_whitespace());
        Line::try_parse_from(line).map_err(|error| error.to_string())?.options.schedule()
    }

    #[test]
    fn durations_have_short_and_long_units() {
        let duration = value::duration;
        let ms = Duration::from_millis;
        assert_eq!(duration("90s"), Ok(ms(90_000)));
        assert_eq!(duration("10m"), Ok(ms(600_000)));
        assert_eq!(duration("50ms"), Ok(ms(50)));
        assert_eq!(duration("5mins"), Ok(ms(300_000)));
        assert_eq!(duration("2"), Ok(ms(2_000)));
        assert!(duration("5 parsecs").is_err());
        assert!(duration("s").is_err());
    }

    #[test]
    fn an_even_pace_has_equal_distances() {
        let schedule = schedule("--rate 1000 --warm-up 1s --duration 2s").expect("a schedule");
        assert_eq!((schedule.calls, schedule.warm_up_calls), (3000, 1000));
        assert_eq!(schedule.due(0), Duration::ZERO);
        assert_eq!(schedule.due(1500), Duration::from_millis(1500));
    }

    #[test]
    fn calls_of_a_burst_are_due_together() {
        let line = "--pattern bursts --burst 200 --every 50ms --warm-up 0 --duration 1s";
        let bursts = schedule(line.replace("--warm-up 0", "--warm-up 50ms").as_str());
        let bursts = bursts.expect("a schedule");
        assert_eq!((bursts.calls, bursts.warm_up_calls), (4200, 200));
        assert_eq!(bursts.due(199), Duration::ZERO);
        assert_eq!(bursts.due(200), Duration::from_millis(50));
        assert!((bursts.rate() - 4000.0).abs() < 1e-9);
        let same = schedule("--pattern bursts --rate 4000 --warm-up 50ms --duration 1s");
        assert_eq!(same.expect("a schedule"), bursts);
    }

    #[test]
    fn contradictions_are_refused() {
        assert!(schedule("--every 50ms").is_err());
        assert!(schedule("--pattern bursts --every 50ms --rate 100").is_err());
        assert!(schedule("--rate 0").is_err());
        assert!(schedule("--rate 1 --duration 100ms --warm-up 0").is_err());
    }
}
