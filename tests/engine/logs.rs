//! What operators find in the agent's log.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use mesos_command::call::Answer;
use mesos_command::event::Event;

use crate::support::Bench;

/// Collects what all threads log; tests find their own lines by the name of their module or
/// command.
#[derive(Clone, Debug, Default)]
struct Collector(Arc<Mutex<Vec<u8>>>);

impl Write for Collector {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The log of this process from the first call on.
fn collector() -> &'static Collector {
    static COLLECTOR: OnceLock<Collector> = OnceLock::new();
    COLLECTOR.get_or_init(|| {
        let collector = Collector::default();
        let writer = collector.clone();
        let log = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing_subscriber::filter::LevelFilter::INFO)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::set_global_default(log).unwrap();
        collector
    })
}

/// The lines that contain `part`.
fn lines(part: &str) -> Vec<String> {
    let text = String::from_utf8(collector().0.lock().unwrap().clone()).unwrap();
    text.lines().filter(|line| line.contains(part)).map(str::to_owned).collect()
}

/// The lines about the commands of a bench, whose directory no other test has.
fn lines_of(bench: &Bench) -> Vec<String> {
    lines(&bench.directory.path().display().to_string())
}

/// How many lines a line says were left out before it.
fn left_out(line: &str) -> u32 {
    let count = line.rsplit_once(" (").and_then(|(_, end)| end.split_once(" lines before this"));
    count.map_or(0, |(number, _)| number.parse().unwrap())
}

#[test]
fn a_failure_is_one_line_with_everything_that_is_known() {
    collector();
    let script = "echo 'the reason' >\"$3\"; echo 'more of it' >>\"$3\"\n\
                  echo 'on stdout'; echo 'on stderr' >&2; exit 3";
    let bench = Bench::new("log-failure", &[("isolator_isolate", script)], &[]);
    bench.call(Event::Prepare, "c1");
    let answer = bench.call(Event::Isolate, "c1");
    assert!(matches!(answer, Answer::Failure(_)), "{answer:?}");
    let found = lines_of(&bench);
    assert_eq!(found.len(), 1, "{found:?}");
    for part in [
        " WARN ",
        "[TASK=c1, METHOD=isolate] ",
        "exited with return code 3. Cause: the reason\\nmore of it (",
        "(module log-failure, event isolator_isolate, outcome exit, after ",
        " its stdout and stderr end with: on stdout\\non stderr",
    ] {
        assert!(found[0].contains(part), "no {part:?} in {}", found[0]);
    }
}

#[test]
fn a_failure_by_signal_or_deadline_names_it() {
    collector();
    let ends = [
        ("log-signal", "kill -SEGV $$", "exited via signal 11", "outcome signal, after "),
        ("log-deadline", "sleep 60", "took too long to execute", "outcome timeout, after "),
    ];
    for (module, script, words, outcome) in ends {
        let timeout = [("isolator_isolate_timeout", "500ms")];
        let bench = Bench::new(module, &[("isolator_isolate", script)], &timeout);
        bench.call(Event::Prepare, "c1");
        bench.call(Event::Isolate, "c1");
        let found = lines_of(&bench);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(words) && found[0].contains(outcome), "{found:?}");
    }
}

#[test]
fn a_command_that_always_fails_does_not_fill_the_log_and_no_line_goes_missing() {
    collector();
    let bench = Bench::new("log-limit", &[("isolator_isolate", "exit 1")], &[]);
    bench.call(Event::Prepare, "c1");
    let (mut calls, mut written) = (0, Vec::<String>::new());
    // A few lines pass, then none for a while; on a slow machine some pass in between.
    while calls < 30 {
        bench.call(Event::Isolate, "c1");
        calls += 1;
    }
    let at_once = lines_of(&bench).len();
    assert!((10..30).contains(&at_once), "{at_once} of 30");
    std::thread::sleep(Duration::from_millis(6500));
    while written.last().is_none_or(|line| left_out(line) == 0) {
        bench.call(Event::Isolate, "c1");
        calls += 1;
        written = lines_of(&bench);
        assert!(calls < 40, "no line tells how many were left out: {written:?}");
    }
    let told = u32::try_from(written.len()).unwrap()
        + written.iter().map(|line| left_out(line)).sum::<u32>();
    assert_eq!(told, calls, "{written:?}");
}

#[test]
fn what_a_successful_command_prints_is_logged() {
    collector();
    let bench = Bench::new("log-success", &[("isolator_isolate", "echo by the way >&2")], &[]);
    bench.call(Event::Prepare, "c1");
    assert_eq!(bench.call(Event::Isolate, "c1"), Answer::Nothing);
    let found = lines_of(&bench);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains(" INFO ") && found[0].ends_with("printed: by the way"), "{found:?}");

    let silent = Bench::new("log-silence", &[("isolator_isolate", "")], &[]);
    silent.call(Event::Prepare, "c1");
    silent.call(Event::Isolate, "c1");
    assert_eq!(lines_of(&silent), Vec::<String>::new());
}

#[test]
fn debug_logs_every_input_and_output() {
    collector();
    let script = "printf '{\"mem_rss_bytes\":77}' >\"$2\"";
    let scripts = [("isolator_prepare", "printf '{}' >\"$2\""), ("isolator_usage", script)];
    let bench = Bench::new("log-debug", &scripts, &[("debug", "true")]);
    bench.call(Event::Prepare, "c1");
    bench.usage("c1");
    let found = lines_of(&bench);
    assert_eq!(found.len(), 4, "{found:?}");
    for (pair, (method, output)) in
        found.chunks(2).zip([("prepare", "{}"), ("usage", "{\"mem_rss_bytes\":77}")])
    {
        let prefix = format!("[TASK=c1, METHOD={method}] ");
        assert!(pair.iter().all(|line| line.contains(&prefix)), "{pair:?}");
        assert!(pair[0].contains("with input {\"container_"), "{pair:?}");
        assert!(pair[0].contains("\"directory\":\"/x\""), "{pair:?}");
        assert!(pair[1].contains(" ended: ok after "), "{pair:?}");
        assert!(pair[1].ends_with(&format!(", output {output}")), "{pair:?}");
    }
}
