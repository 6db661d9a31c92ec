//! Histograms that lose no sample and stay small.
//!
//! The exporter's own storage keeps raw samples in a lock-free list until it is drained. That
//! list may drop a whole block of samples when a drain meets a push (several hundred of four
//! million in a test with four threads), and it grows without bound while no scrape drains it. So
//! samples are staged here, under a short lock of their own, and reach the exporter only while
//! [`Drain`] holds its lock: pushes to the exporter and its drains never overlap.
//!
//! Staged samples are folded in by regular upkeep and by every rendering; should neither happen,
//! the recorder that fills a stage up does it, so memory is bounded in any case.

use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use parking_lot::Mutex;

/// Samples that a stage holds before its recorder folds them in (8 bytes each).
const STAGE_LIMIT: usize = 4096;

/// One histogram series: a cheap handle to record with.
#[derive(Clone, Debug)]
pub struct Histogram {
    stage: Arc<Stage>,
    drain: Arc<Drain>,
}

#[derive(Debug)]
struct Stage {
    samples: Mutex<Vec<f64>>,
    sink: metrics::Histogram,
}

/// Owner of the exporter's histograms.
#[derive(Debug)]
pub(super) struct Drain {
    exporter: PrometheusHandle,
    /// Held during every use of a sink and every drain of the exporter.
    stages: Mutex<Vec<Arc<Stage>>>,
}

impl Histogram {
    /// Records one duration.
    pub fn record(&self, duration: Duration) {
        let full = {
            let mut samples = self.stage.samples.lock();
            samples.push(duration.as_secs_f64());
            samples.len().is_multiple_of(STAGE_LIMIT)
        };
        if full {
            self.drain.try_upkeep();
        }
    }
}

impl Drain {
    pub(super) fn new(exporter: PrometheusHandle) -> Arc<Drain> {
        Arc::new(Drain { exporter, stages: Mutex::new(Vec::new()) })
    }

    /// Puts a stage before `sink`.
    pub(super) fn histogram(self: &Arc<Drain>, sink: metrics::Histogram) -> Histogram {
        let stage = Arc::new(Stage { samples: Mutex::default(), sink });
        self.stages.lock().push(Arc::clone(&stage));
        Histogram { stage, drain: Arc::clone(self) }
    }

    /// Folds all staged samples into the exporter's buckets.
    pub(super) fn upkeep(&self) {
        let stages = self.stages.lock();
        fold(&stages);
        self.exporter.run_upkeep();
    }

    /// The same, unless it is being done: then the thread that does it takes our samples too, or
    /// the next one will.
    fn try_upkeep(&self) {
        if let Some(stages) = self.stages.try_lock() {
            fold(&stages);
            self.exporter.run_upkeep();
        }
    }

    /// Samples that wait to be folded in.
    #[cfg(test)]
    pub(super) fn staged(&self) -> usize {
        self.stages.lock().iter().map(|stage| stage.samples.lock().len()).sum()
    }

    /// The exposition, with everything recorded before this call.
    pub(super) fn render(&self) -> String {
        let stages = self.stages.lock();
        fold(&stages);
        self.exporter.render()
    }
}

fn fold(stages: &[Arc<Stage>]) {
    for stage in stages {
        let samples = std::mem::take(&mut *stage.samples.lock());
        for sample in samples {
            stage.sink.record(sample);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use metrics::{Key, Level, Metadata, Recorder};
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    fn histogram() -> (Arc<Drain>, Histogram) {
        let recorder = PrometheusBuilder::new()
            .set_buckets(&[1.0])
            .expect("one bound is given")
            .build_recorder();
        let sink = recorder
            .register_histogram(&Key::from_name("h"), &Metadata::new("", Level::INFO, None));
        let drain = Drain::new(recorder.handle());
        let histogram = drain.histogram(sink);
        (drain, histogram)
    }

    /// Fails within seconds when samples go straight to the exporter.
    #[test]
    fn no_sample_is_lost_while_upkeep_renderings_and_records_overlap() {
        const EACH: usize = 200_000;
        let (drain, histogram) = histogram();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let recorders: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        (0..EACH).for_each(|_| histogram.record(Duration::from_millis(500)));
                    })
                })
                .collect();
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    drain.upkeep();
                    drain.render();
                }
            });
            for recorder in recorders {
                recorder.join().expect("recording does not panic");
            }
            done.store(true, Ordering::Relaxed);
        });
        let text = drain.render();
        assert!(text.contains(&format!("h_count {}\n", 4 * EACH)), "{text}");
        assert!(text.contains(&format!("h_sum {}\n", 2 * EACH)), "{text}");
    }

    #[test]
    fn a_stage_empties_itself_when_nobody_does() {
        let (drain, histogram) = histogram();
        for _ in 0..10 * STAGE_LIMIT + 5 {
            histogram.record(Duration::from_millis(500));
        }
        let samples = histogram.stage.samples.lock();
        assert_eq!(samples.len(), 5);
        assert!(samples.capacity() <= STAGE_LIMIT);
        drop(samples);
        assert!(drain.render().contains(&format!("h_count {}\n", 10 * STAGE_LIMIT + 5)));
    }
}
