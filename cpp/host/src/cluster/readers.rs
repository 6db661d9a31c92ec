//! A cluster whose statistics are read at a pace, by one reader or several, as exporters do: how
//! long each read takes, and how old what it gets is.
//!
//! The usage command of such a run says when it ran, as the machine's uptime in seconds in
//! `cpus_user_time_secs`; without one there are no ages.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::Value;

use super::framework::{Framework, Task, Work};
use super::play::{Course, TIMEOUT, running};
use crate::http;
use crate::report::Line;

const LASTING: Work = Work::Executor { run_for: None };
const STATISTICS: &str = "/slave(1)/monitor/statistics";

/// Readers at the same time, as `2x15,10x3`: one that reads every 2 s, 15 times, and another.
#[derive(Clone, Debug)]
pub(crate) struct Readers(Vec<Reader>);

#[derive(Clone, Copy, Debug, PartialEq)]
struct Reader {
    /// In seconds.
    period: f64,
    reads: u32,
}

/// One read.
struct Read {
    took: Duration,
    containers: usize,
    /// Of the oldest value that says when it was made, in seconds.
    oldest: Option<f64>,
}

impl FromStr for Readers {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Readers> {
        let reader = |text: &str| {
            let wrong = || format!("{text:?} is not SECONDSxREADS, for example 2x15");
            let (period, reads) = text.split_once('x').with_context(wrong)?;
            let reader = Reader {
                period: period.parse().with_context(wrong)?,
                reads: reads.parse().with_context(wrong)?,
            };
            anyhow::ensure!(reader.period > 0.0, wrong());
            Ok(reader)
        };
        text.split(',').map(reader).collect::<anyhow::Result<_>>().map(Readers)
    }
}

impl Course<'_> {
    /// Launches tasks that run until they are killed, and reads their statistics.
    pub(super) fn run_readers(&mut self) -> anyhow::Result<()> {
        let process = self.start()?;
        let mut framework = Framework::subscribe(self.setup.address, None, TIMEOUT)?;
        let names = (0..self.options.tasks).map(|index| format!("read-{index}"));
        let tasks: Vec<_> = names.map(|name| Task { name, work: LASTING }).collect();
        self.launch(&mut framework, &tasks)?;
        for readers in &self.options.readers {
            self.read(readers)?;
        }
        for task in &tasks {
            framework.kill(&task.name)?;
        }
        framework.until("the end of all tasks", TIMEOUT, |it| running(it).is_empty())?;
        self.drain()?;
        self.end_process(process, self.options.end)?;
        self.leftovers();
        Ok(())
    }

    /// Reads until all readers are done, each from a thread of its own.
    fn read(&mut self, readers: &Readers) -> anyhow::Result<()> {
        let address = self.setup.address;
        let threads: Vec<_> = readers
            .0
            .iter()
            .enumerate()
            .map(|(number, reader)| {
                let reader = *reader;
                // Not all at the same time.
                let first = Duration::from_secs_f64(reader.period / 3.0) * number as u32;
                std::thread::spawn(move || read_all(address, reader, first))
            })
            .collect();
        for (thread, reader) in threads.into_iter().zip(&readers.0) {
            let reads = thread.join().ok().context("a reader panicked")??;
            for (number, read) in reads.into_iter().enumerate() {
                self.report_read(readers, *reader, number, &read);
            }
        }
        Ok(())
    }

    fn report_read(&mut self, readers: &Readers, reader: Reader, number: usize, read: &Read) {
        let together = readers.0.len();
        let mut line = Line::new(format!("statistics read every {} s", reader.period), "");
        line.answer = format!("{} containers", read.containers);
        if let Some(oldest) = read.oldest {
            line.answer += &format!(", the oldest value is {oldest:.2} s old");
            line.numbers.push(("oldest", oldest));
        }
        line.numbers.extend([
            ("period", reader.period),
            ("readers", together as f64),
            ("read", number as f64),
            ("seconds", read.took.as_secs_f64()),
        ]);
        line.times.push(read.took);
        if read.containers != self.options.tasks {
            line.complaints.push(format!("expected {} containers", self.options.tasks));
        }
        self.report.line(&line);
    }
}

fn read_all(address: SocketAddr, reader: Reader, first: Duration) -> anyhow::Result<Vec<Read>> {
    let begin = Instant::now() + first;
    let read = |number: u32| {
        let due = begin + Duration::from_secs_f64(reader.period * f64::from(number));
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let start = Instant::now();
        let text = http::get(address, STATISTICS)?.text()?;
        let took = start.elapsed();
        let (now, value) = (uptime()?, serde_json::from_str::<Value>(&text)?);
        let entries = value.as_array().map_or(&[][..], Vec::as_slice);
        Ok(Read { took, containers: entries.len(), oldest: oldest(entries, now) })
    };
    (0..reader.reads).map(read).collect()
}

/// The age of the oldest value at `now`.
fn oldest(entries: &[Value], now: f64) -> Option<f64> {
    let made = |entry: &Value| entry.pointer("/statistics/cpus_user_time_secs")?.as_f64();
    entries.iter().filter_map(made).map(|made| now - made).max_by(f64::total_cmp)
}

/// In seconds, to hundredths.
fn uptime() -> anyhow::Result<f64> {
    let text = std::fs::read_to_string("/proc/uptime")?;
    let first = text.split(' ').next().unwrap_or_default();
    first.parse().with_context(|| format!("/proc/uptime: {text:?}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn readers_are_read() {
        let readers: Readers = "2x15,0.5x3".parse().unwrap();
        let expected = [Reader { period: 2.0, reads: 15 }, Reader { period: 0.5, reads: 3 }];
        assert_eq!(readers.0, expected);
        for text in ["", "2", "2x", "x3", "0x3", "2x15;10x3"] {
            text.parse::<Readers>().expect_err(text);
        }
    }

    #[test]
    fn the_oldest_value_counts_and_those_without_a_time_do_not() {
        let entry = |time: f64| json!({"statistics": {"cpus_user_time_secs": time}});
        let entries = [entry(10.5), json!({"statistics": {}}), entry(10.25)];
        assert_eq!(oldest(&entries, 11.0), Some(0.75));
        assert_eq!(oldest(&entries[1..2], 11.0), None);
        assert!(uptime().unwrap() > 0.0);
    }
}
