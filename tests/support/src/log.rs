//! What this process logs.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tracing_subscriber::filter::LevelFilter;

/// Collects what all threads log.
#[derive(Clone, Debug, Default)]
struct Collector(Arc<Mutex<Vec<u8>>>);

impl Write for Collector {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn collector() -> &'static Collector {
    static COLLECTOR: OnceLock<Collector> = OnceLock::new();
    COLLECTOR.get_or_init(|| {
        let collector = Collector::default();
        let writer = collector.clone();
        let log = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(LevelFilter::INFO)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::set_global_default(log).expect("nobody else collects");
        collector
    })
}

/// Collects from now on what this process logs, from level INFO on.
///
/// # Panics
///
/// When the process has a subscriber already.
pub fn collect_log() {
    collector();
}

/// The lines that contain `part`, of those since the first call of [`collect_log`]. All tests of a
/// program share the log, so `part` should name what no other test has: a module, a directory.
#[must_use]
pub fn logged(part: &str) -> Vec<String> {
    let bytes = collector().0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let text = String::from_utf8_lossy(&bytes);
    text.lines().filter(|line| line.contains(part)).map(str::to_owned).collect()
}
