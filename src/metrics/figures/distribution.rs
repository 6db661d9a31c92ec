//! A histogram that was read back, and its percentiles.

use std::collections::BTreeMap;

use super::difference;
use super::text::Sample;

/// How durations are distributed: how many were at most so long.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution {
    /// By the bits of the upper bound, which have the order of the bounds: these are positive.
    buckets: BTreeMap<u64, f64>,
    sum: f64,
    count: f64,
}

impl Distribution {
    /// Takes a line of the histogram; `part` is the suffix of its name.
    pub(super) fn add(&mut self, part: &str, sample: &Sample<'_>) {
        match part {
            "_sum" => self.sum += sample.value,
            "_count" => self.count += sample.value,
            "_bucket" => {
                let bound = sample.label("le").and_then(|bound| bound.parse::<f64>().ok());
                if let Some(bound) = bound.filter(|bound| *bound > 0.0) {
                    *self.buckets.entry(bound.to_bits()).or_default() += sample.value;
                }
            }
            _ => {}
        }
    }

    pub(super) fn since(&self, earlier: &Distribution) -> Distribution {
        let before = |bound: &u64| earlier.buckets.get(bound).copied().unwrap_or_default();
        let bucket = |(bound, now): (&u64, &f64)| (*bound, difference(*now, before(bound)));
        Distribution {
            buckets: self.buckets.iter().map(bucket).collect(),
            sum: difference(self.sum, earlier.sum),
            count: difference(self.count, earlier.count),
        }
    }

    /// How many there are.
    pub fn count(&self) -> f64 {
        self.count
    }

    /// The mean in seconds; `None` when there are none.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0.0).then(|| self.sum / self.count)
    }

    /// The duration in seconds that a part of them, between 0 and 1, does not exceed, as
    /// `histogram_quantile` of Prometheus estimates it: within a bucket they are taken to be spread
    /// evenly, and one that is longer than the longest bound is that. `None` when there are none.
    pub fn quantile(&self, part: f64) -> Option<f64> {
        if self.count <= 0.0 {
            return None;
        }
        let rank = part * self.count;
        let (mut low, mut below) = (0.0, 0.0);
        for (bound, count) in &self.buckets {
            let bound = f64::from_bits(*bound);
            if bound.is_infinite() {
                break;
            }
            if *count >= rank && *count > below {
                return Some(low + (bound - low) * (rank - below).max(0.0) / (count - below));
            }
            (low, below) = (bound, *count);
        }
        Some(low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distribution(text: &str) -> Distribution {
        let mut distribution = Distribution::default();
        for sample in text.lines().filter_map(Sample::read) {
            distribution.add(sample.name.strip_prefix('h').unwrap(), &sample);
        }
        distribution
    }

    #[test]
    fn percentiles_are_those_of_prometheus() {
        let text = "h_bucket{le=\"1\"} 50\nh_bucket{le=\"2\"} 90\nh_bucket{le=\"5\"} 99\n\
                    h_bucket{le=\"+Inf\"} 100\nh_sum 130\nh_count 100\n";
        let all = distribution(text);
        let close = |part, expected: f64| {
            let found = all.quantile(part).unwrap();
            assert!((found - expected).abs() < 1e-9, "{part}: {found}");
        };
        close(0.25, 0.5);
        close(0.5, 1.0);
        close(0.7, 1.5);
        close(0.99, 5.0);
        close(0.999, 5.0);
        assert_eq!((all.count(), all.mean()), (100.0, Some(1.3)));
        assert_eq!(Distribution::default().quantile(0.5), None);
        assert_eq!(all.since(&all).quantile(0.5), None, "nothing has happened since");
    }
}
