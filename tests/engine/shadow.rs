//! `<event>_shadow_command`: what it sees, how it is compared, and that nobody waits for it.

use std::time::{Duration, Instant};

use mesos_command::call::Answer;
use mesos_command::event::Event;
use serde_json::Value;
use test_support::{collect_log, logged, until};

use crate::control::{ask, socket};
use crate::support::{Instance, write_script};

/// An isolator with one command and its shadow.
fn instance(
    module: &str,
    event: &str,
    real: &str,
    shadow: &str,
    more: &[(&str, &str)],
) -> Instance {
    let place = tempfile::tempdir().unwrap().keep();
    let path = place.join("shadow");
    write_script(&path, &format!("echo run >>\"$0.runs\"\n{shadow}"));
    let (key, shown) = (format!("{event}_shadow_command"), path.display().to_string());
    let more = [&[(key.as_str(), shown.as_str())], more].concat();
    let bench = crate::control::instance(module, &[(event, real)], &more);
    std::os::unix::fs::symlink(&place, bench.path("beside")).unwrap();
    bench
}

fn count(bench: &Instance, result: &str) -> u64 {
    bench.metric("mesos_command_shadow_total", &format!("result=\"{result}\""))
}

fn compared(bench: &Instance) -> u64 {
    bench.metric("mesos_command_shadow_total", "")
}

#[test]
fn answers_are_compared_as_messages_and_the_commands_own_is_used() {
    const VALUE: &str =
        "printf '{\"environment\":{\"variables\":[{\"name\":\"A\",\"value\":\"1\"}]}}' >\"$2\"";
    // How the command ends, how the shadow ends, and what that is.
    let cases = [
        (
            VALUE,
            "printf ' {\"environment\": {\"variables\": [{\"value\":\"1\", \"type\":\"VALUE\", \"name\":\"A\"}]} }' >\"$2\"",
            "same",
        ),
        (
            VALUE,
            "printf '{\"environment\":{\"variables\":[{\"name\":\"A\",\"value\":\"2\"}]}}' >\"$2\"",
            "different",
        ),
        (VALUE, "", "different"),
        ("", "", "same"),
        (VALUE, "exit 3", "failed"),
        (VALUE, "echo '{' >\"$2\"", "failed"),
        (VALUE, "printf '{\"rootfs\":\"/\"}' >\"$2\"", "failed"),
        ("exit 3", "exit 4", "same"),
        ("exit 3", "kill -9 $$", "different"),
        ("exit 3", VALUE, "different"),
    ];
    for (number, (real, shadow, result)) in cases.into_iter().enumerate() {
        let module = format!("shadow-cases-{number}");
        let bench = instance(&module, "isolator_prepare", real, shadow, &[]);
        let answer = bench.call(Event::Prepare, "c");
        match real {
            VALUE => assert!(matches!(answer, Answer::Message(_)), "{number}: {answer:?}"),
            "" => assert_eq!(answer, Answer::Nothing, "{number}"),
            _ => assert!(matches!(answer, Answer::Failure(_)), "{number}: {answer:?}"),
        }
        until("the comparison", || compared(&bench) == 1);
        assert_eq!(count(&bench, result), 1, "{number}: {result}");
        let runs = bench.metric("mesos_command_runs_total", "");
        let calls = bench.metric("mesos_command_calls_total", "");
        assert_eq!((runs, calls), (1, 1), "{number}: a shadow is neither");
        let failures = bench.metric("mesos_command_failures_total", "");
        assert_eq!(failures, u64::from(real.starts_with("exit")), "{number}: nor a failure");
    }
}

#[test]
fn it_has_the_same_input_and_is_told_what_it_is() {
    let keep = "cat \"$1\" >\"$0.input\"; cat >\"$0.stdin\"
printf '%s %s %s' \"$MESOS_COMMAND_EVENT\" \"$MESOS_CONTAINER_ID\" \"$MESOS_COMMAND_SHADOW\" >\"$0.env\"";
    let bench = instance("shadow-input", "isolator_prepare", keep, keep, &[]);
    bench.call(Event::Prepare, "c1");
    until("the comparison", || count(&bench, "same") == 1);
    let read = |name: &str| std::fs::read_to_string(bench.path(name)).unwrap();
    assert_eq!(read("isolator_prepare.input"), read("beside/shadow.input"));
    assert_eq!(read("isolator_prepare.input"), read("beside/shadow.stdin"));
    assert_eq!(read("isolator_prepare.env"), "isolator_prepare c1 ");
    assert_eq!(read("beside/shadow.env"), "isolator_prepare c1 1");
}

#[test]
fn nobody_waits_for_a_shadow_that_hangs_and_more_of_them_are_dropped() {
    let more = [("isolator_usage_cache_ttl", "0"), ("isolator_usage_timeout", "600s")];
    let usage = "printf '{\"mem_rss_bytes\":1}' >\"$2\"";
    let bench = instance("shadow-hangs", "isolator_usage", usage, "exec sleep 600", &more);
    bench.call(Event::Prepare, "c");
    let begun = Instant::now();
    for _ in 0..100 {
        assert_eq!(bench.usage("c"), "{\"mem_rss_bytes\":1}");
    }
    assert!(begun.elapsed() < Duration::from_secs(300), "each took its own time only");
    until("what is too much", || count(&bench, "dropped") == 36);
    until("those that run", || {
        let runs = std::fs::read_to_string(bench.path("beside/shadow.runs")).unwrap_or_default();
        runs.lines().count() == 4
    });
    assert_eq!(compared(&bench), 36, "64 run or wait");
    assert_eq!(bench.metric("mesos_command_runs_total", "outcome=\"ok\""), 100);
    let begun = Instant::now();
    drop(bench);
    assert!(begun.elapsed() < Duration::from_secs(60), "they end with the instance");
}

#[test]
fn what_is_cached_skipped_or_refused_has_no_shadow() {
    let usage = "printf '{\"mem_rss_bytes\":1}' >\"$2\"";
    let more = [("isolator_usage_cache_ttl", "1hrs"), ("isolator_usage_when", "!nested")];
    let bench = instance("shadow-cached", "isolator_usage", usage, usage, &more);
    bench.call(Event::Prepare, "c");
    for _ in 0..5 {
        bench.usage("c");
        bench.usage("unknown");
    }
    until("the comparison", || count(&bench, "same") == 1);
    assert_eq!((compared(&bench), bench.runs("isolator_usage")), (1, 1));
}

#[test]
fn differences_are_shown_without_their_secrets() {
    collect_log();
    let answer = |value: &str| {
        let variable = format!("{{\"name\":\"DB_PASSWORD\",\"value\":\"{value}\"}}");
        let seen = format!("{{\"name\":\"SEEN\",\"value\":\"{value}-not-secret\"}}");
        let text = format!("{{\"environment\":{{\"variables\":[{variable},{seen}]}}}}");
        format!("printf '%s' '{}' >\"$2\"", text.replace("s3cr3t-not-secret", "plain"))
    };
    let (real, shadow) = (answer("s3cr3t"), answer("0ther"));
    let bench = instance("shadow-shown", "isolator_prepare", &real, &shadow, &[]);
    bench.call(Event::Prepare, "shadowed-1");
    until("the comparison", || count(&bench, "different") == 1);
    until("the line", || !logged("[TASK=shadowed-1, METHOD=prepare]").is_empty());
    let line = logged("[TASK=shadowed-1, METHOD=prepare]").join("\n");
    assert!(line.contains("answers otherwise") && line.contains("plain"), "{line}");
    let status = ask(&socket(&bench), "GET", "/v1/status?module=shadow-shown", 200);
    let shadow = &status["instances"][0]["shadows"][0];
    assert_eq!(shadow["event"], "isolator_prepare");
    let results = serde_json::json!({"same": 0, "different": 1, "failed": 0, "dropped": 0});
    assert_eq!(shadow["results"], results);
    let difference = &shadow["differences"][0];
    let of = |key: &str| difference[key].as_str().unwrap_or_default();
    assert_eq!((of("subject"), of("result")), ("shadowed-1", "different"));
    assert!(
        of("command").contains("plain") && of("shadow").contains("0ther-not-secret"),
        "{shadow}"
    );
    let all = format!("{line}{}", Value::clone(&status));
    assert!(!all.contains("s3cr3t") && !all.contains("\"0ther\""), "{all}");
}
