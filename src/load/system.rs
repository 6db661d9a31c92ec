//! What this process has while the load runs.

use std::time::Duration;

/// Memory, descriptors and threads at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sample {
    /// Since the start of the run.
    pub(super) at: Duration,
    /// Resident memory, shared memory among it, in bytes.
    pub(super) rss: u64,
    pub(super) fds: usize,
    pub(super) threads: usize,
}

/// What samples say about growth.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Growth {
    /// Of the resident memory over the last 80 % of the run, in percent of it per hour.
    pub(super) rss_percent_per_hour: f64,
    pub(super) rss: [u64; 2],
    /// Least number of descriptors in the first and the last tenth of that time: runs under way
    /// have some for a moment.
    pub(super) fds: [usize; 2],
    pub(super) threads: [usize; 2],
}

impl Sample {
    /// Of this process, now.
    pub(super) fn take(at: Duration) -> Sample {
        let count = |path| std::fs::read_dir(path).map_or(0, Iterator::count);
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages = statm.split(' ').nth(1).and_then(|text| text.parse::<u64>().ok());
        Sample {
            at,
            rss: pages.unwrap_or(0) * page_size(),
            // One of them is the directory that is being read.
            fds: count("/proc/self/fd").saturating_sub(1),
            threads: count("/proc/self/task"),
        }
    }
}

fn page_size() -> u64 {
    let size = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten();
    size.and_then(|size| u64::try_from(size).ok()).unwrap_or(4096)
}

impl Growth {
    /// Over the last 80 % of `samples`, which are in their order; nothing for less than two.
    pub(super) fn of(samples: &[Sample]) -> Option<Growth> {
        let window = &samples[samples.len() / 5..];
        let (first, last) = (window.first()?, window.last()?);
        if first.at == last.at {
            return None;
        }
        let tenth = window.len().div_ceil(10);
        let ends = [&window[..tenth], &window[window.len() - tenth..]];
        let least =
            |of: fn(&Sample) -> usize| ends.map(|end| end.iter().map(of).min().unwrap_or_default());
        Some(Growth {
            rss_percent_per_hour: slope(window),
            rss: [first.rss, last.rss],
            fds: least(|sample| sample.fds),
            threads: least(|sample| sample.threads),
        })
    }
}

/// The slope of the line of least squares through the memory, relative to its mean.
fn slope(window: &[Sample]) -> f64 {
    let count = window.len() as f64;
    let hours = |sample: &Sample| sample.at.as_secs_f64() / 3600.0;
    let mean_at = window.iter().map(hours).sum::<f64>() / count;
    let mean_rss = window.iter().map(|sample| sample.rss as f64).sum::<f64>() / count;
    let (mut above, mut below) = (0.0, 0.0);
    for sample in window {
        let at = hours(sample) - mean_at;
        above += at * (sample.rss as f64 - mean_rss);
        below += at * at;
    }
    if below == 0.0 || mean_rss == 0.0 { 0.0 } else { above / below / mean_rss * 100.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(second: u64, rss: u64, fds: usize) -> Sample {
        Sample { at: Duration::from_secs(second), rss, fds, threads: 9 }
    }

    #[test]
    fn this_process_has_something() {
        let none = Sample::take(Duration::ZERO);
        let files: Vec<_> =
            (0..200).map(|_| std::fs::File::open("/dev/null").expect("it opens")).collect();
        let block = vec![1u8; 100 << 20];
        let held = std::sync::Mutex::new(());
        let more = std::thread::scope(|scope| {
            let _guard = held.lock();
            for _ in 0..100 {
                scope.spawn(|| drop(held.lock()));
            }
            Sample::take(Duration::ZERO)
        });
        drop((files, std::hint::black_box(block)));
        // Other tests of this program come and go meanwhile, but not that many.
        assert!(more.fds >= none.fds + 100, "{} after {}", more.fds, none.fds);
        assert!(more.threads >= none.threads + 50, "{} after {}", more.threads, none.threads);
        assert!(more.rss >= none.rss + (50 << 20), "{} after {}", more.rss, none.rss);
    }

    #[test]
    fn growth_is_per_hour_and_leaves_out_the_beginning() {
        // 1 % of a million per hour after a jump in the first fifth.
        let samples: Vec<Sample> = (0..100)
            .map(|n| sample(n * 36, if n < 20 { 500 } else { 1_000_000 + n * 100 }, 30))
            .collect();
        let growth = Growth::of(&samples).expect("enough samples");
        assert!((growth.rss_percent_per_hour - 1.0).abs() < 0.02, "{growth:?}");
        assert_eq!(growth.threads, [9, 9]);
        assert!(Growth::of(&samples[..1]).is_none());
        assert!(Growth::of(&[]).is_none());
    }

    #[test]
    fn runs_under_way_are_not_taken_for_a_leak() {
        let fds = |n: u64| if n.is_multiple_of(3) { 50 } else { 90 };
        let samples: Vec<Sample> = (0..100).map(|n| sample(n, 1, fds(n))).collect();
        assert_eq!(Growth::of(&samples).expect("enough").fds, [50, 50]);
    }
}
