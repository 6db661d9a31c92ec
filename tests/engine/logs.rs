//! What operators find in the agent's log.

use mesos_command::call::Answer;
use mesos_command::event::Event;
use test_support::{collect_log, logged};

use crate::support::{Instance, until};

/// The lines about the commands of a bench, whose directory no other test has.
fn lines_of(bench: &Instance) -> Vec<String> {
    logged(&bench.directory.path().display().to_string())
}

/// How many lines a line says were left out before it.
fn left_out(line: &str) -> u32 {
    let count = line.rsplit_once(" (").and_then(|(_, end)| end.split_once(" lines before this"));
    count.map_or(0, |(number, _)| number.parse().unwrap())
}

#[test]
fn a_failure_is_one_line_with_everything_that_is_known() {
    collect_log();
    let script = "echo 'the reason' >\"$3\"; echo 'more of it' >>\"$3\"\n\
                  echo 'on stdout'; echo 'on stderr' >&2; exit 3";
    let bench = Instance::new("log-failure", &[("isolator_isolate", script)], &[]);
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
    collect_log();
    let ends = [
        ("log-signal", "60", "kill -SEGV $$", "exited via signal 11", "outcome signal, after "),
        ("log-deadline", "500ms", "sleep 60", "took too long", "outcome timeout, after "),
    ];
    for (module, timeout, script, words, outcome) in ends {
        let timeout = [("isolator_isolate_timeout", timeout)];
        let bench = Instance::new(module, &[("isolator_isolate", script)], &timeout);
        bench.call(Event::Prepare, "c1");
        bench.call(Event::Isolate, "c1");
        let found = lines_of(&bench);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(words) && found[0].contains(outcome), "{found:?}");
    }
}

#[test]
fn a_command_that_always_fails_does_not_fill_the_log_and_no_line_goes_missing() {
    collect_log();
    let bench = Instance::new("log-limit", &[("isolator_isolate", "exit 1")], &[]);
    bench.call(Event::Prepare, "c1");
    let mut calls = 0;
    let mut fail = || {
        bench.call(Event::Isolate, "c1");
        calls += 1;
        lines_of(&bench)
    };
    // A few lines pass, then none for a while; on a slow machine some pass in between.
    let counts: Vec<_> = (0..30).map(|_| fail().len()).collect();
    let at_once = counts[29];
    assert!((10..30).contains(&at_once), "{at_once} of 30");
    let mut written = Vec::new();
    until("a line that tells how many were left out", || {
        written = fail();
        written.last().is_some_and(|line| left_out(line) > 0)
    });
    let told = u32::try_from(written.len()).unwrap()
        + written.iter().map(|line| left_out(line)).sum::<u32>();
    assert_eq!(told, calls, "{written:?}");
}

#[test]
fn what_a_successful_command_prints_is_logged() {
    collect_log();
    let bench = Instance::new("log-success", &[("isolator_isolate", "echo by the way >&2")], &[]);
    bench.call(Event::Prepare, "c1");
    assert_eq!(bench.call(Event::Isolate, "c1"), Answer::Nothing);
    let found = lines_of(&bench);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains(" INFO ") && found[0].ends_with("printed: by the way"), "{found:?}");

    let silent = Instance::new("log-silence", &[("isolator_isolate", "")], &[]);
    silent.call(Event::Prepare, "c1");
    silent.call(Event::Isolate, "c1");
    assert_eq!(lines_of(&silent), Vec::<String>::new());
}

#[test]
fn debug_logs_every_input_and_output() {
    collect_log();
    let script = "printf '{\"mem_rss_bytes\":77}' >\"$2\"";
    let scripts = [("isolator_prepare", "printf '{}' >\"$2\""), ("isolator_usage", script)];
    let bench = Instance::new("log-debug", &scripts, &[("debug", "true")]);
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
