//! Forwards the engine's `tracing` events to the host's glog.
//!
//! ERROR, WARN and INFO go to the severities of the same name; lower levels are off. Everything
//! here works from any thread and takes no lock of ours (glog has its own). A line is made of
//! visible characters here, whoever wrote it: a line feed would begin a line that nobody can tell
//! from glog's.

use std::fmt::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use mesos_command::escape::one_line;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::bridge::ffi;

/// Longest file name that is passed on, with its closing zero byte.
const FILE_NAME_BYTES: usize = 128;

/// Installs the forwarder for this library's own copy of `tracing`, at the first call.
pub(crate) fn install() {
    // An error says that it is installed already.
    let _already = tracing::subscriber::set_global_default(HostLog);
}

/// Writes no line any more.
pub(crate) fn silence() {
    SILENT.store(true, Ordering::Relaxed);
}

static SILENT: AtomicBool = AtomicBool::new(false);

struct HostLog;

impl Subscriber for HostLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }

    fn event(&self, event: &Event<'_>) {
        // The answer of `enabled` is remembered where an event is made.
        if SILENT.load(Ordering::Relaxed) {
            return;
        }
        let mut line = Line::default();
        event.record(&mut line);
        let metadata = event.metadata();
        let file = file_name(metadata.file().unwrap_or(metadata.target()));
        ffi::log_line(
            severity(*metadata.level()),
            &file,
            metadata.line().unwrap_or(0),
            one_line(&line.finish()).as_bytes(),
        );
    }

    // Spans are not kept: a log line carries its container and method in its text.
    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

/// glog's number of a level's severity.
fn severity(level: Level) -> u8 {
    match level {
        Level::ERROR => 2,
        Level::WARN => 1,
        _ => 0,
    }
}

/// The last part of a path, cut to size, as a C string.
fn file_name(path: &str) -> [u8; FILE_NAME_BYTES] {
    let name = path.rsplit('/').next().unwrap_or(path).as_bytes();
    let mut file = [0; FILE_NAME_BYTES];
    let length = name.len().min(FILE_NAME_BYTES - 1);
    file[..length].copy_from_slice(&name[..length]);
    file
}

/// The message, then the other fields as ` key=value`.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Line {
    fn finish(mut self) -> String {
        self.message.push_str(&self.fields);
        self.message
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String cannot fail; a Debug implementation that fails loses its own field.
        let _written = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }
}
