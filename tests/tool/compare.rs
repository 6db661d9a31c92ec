//! `mesos-command call` many times, and with two commands.

use serde_json::Value;

use crate::support::{Place, stderr};

fn usage(place: &Place, name: &str, answer: &str) -> String {
    place.script(name, &format!("echo x >>\"$D/{name}.runs\"\n{answer}"))
}

#[test]
fn repeated_calls_are_not_answered_from_the_cache() {
    let place = Place::new();
    let command = usage(&place, "one", "printf '{\"mem_rss_bytes\":1}' >\"$2\"");
    place.modules(&[("isolator_usage_command", &command), ("isolator_usage_cache_ttl", "1hrs")]);
    let shown = place.shown(&["--repeat", "7", "isolator_usage"]);
    assert_eq!(place.read("one.runs").lines().count(), 7, "{shown}");
    assert!(shown.contains("isolator_usage  7 calls: 7 ok; ms: min "), "{shown}");
    let (calls, done) = place.call(&["--repeat", "3", "isolator_usage"]);
    assert!(done.status.success(), "{}", stderr(&done));
    assert_eq!((calls.len(), &calls[3]["outcomes"]["ok"]), (4, &Value::from(3)));
}

#[test]
fn an_outcome_that_comes_now_and_then_is_shown() {
    let place = Place::new();
    let often = r#"[ "$(wc -l <"$D/one.runs")" -ne 3 ] || { echo 'the third' >"$3"; exit 1; }
printf '{"mem_rss_bytes":1}' >"$2""#;
    let command = usage(&place, "one", often);
    place.modules(&[("isolator_usage_command", &command)]);
    let shown = place.shown(&["--repeat", "5", "isolator_usage"]);
    assert!(shown.contains("the third") && shown.contains("1 exit, 4 ok"), "{shown}");
}

#[test]
fn two_commands_are_compared() {
    let place = Place::new();
    let one = usage(&place, "one", "printf '{\"mem_rss_bytes\":1,\"processes\":2}' >\"$2\"");
    let same = usage(&place, "same", "printf '{ \"processes\": 2, \"mem_rss_bytes\": 1 }' >\"$2\"");
    let other = usage(&place, "other", "printf '{\"mem_rss_bytes\":3}' >\"$2\"");
    let fails = usage(&place, "fails", "echo no >\"$3\"; exit 1");
    place.modules(&[("isolator_usage_command", &one)]);
    let compare = |with: &str| {
        let (calls, done) = place.call(&["--diff", with, "isolator_usage"]);
        (calls[0].clone(), done.status.code())
    };
    let (call, status) = compare(&same);
    assert_eq!((&call["same"], status), (&Value::from(true), Some(0)), "{call:#}");
    let (call, status) = compare(&other);
    assert_eq!(status, Some(1));
    let lines: Vec<_> = call["differences"].as_array().expect("a list").iter().collect();
    assert_eq!(lines, ["answer.mem_rss_bytes: 3, not 1", "answer.processes: missing, not 2"]);
    let (call, status) = compare(&fails);
    assert_eq!(status, Some(1));
    assert!(call["differences"].to_string().contains("outcome: "), "{call:#}");
    let shown = place.shown(&["--diff", &other, "--repeat", "2", "isolator_usage"]);
    assert_eq!(shown.matches("  different  ").count(), 2, "{shown}");
    assert!(shown.contains("differs   answer.mem_rss_bytes: 3, not 1"), "{shown}");
}

#[test]
fn parameters_can_be_set_beside_a_configuration() {
    let place = Place::new();
    let command = place.script("slow", "exec sleep 600");
    place.modules(&[("isolator_usage_command", &command), ("kill_grace", "0")]);
    let (calls, _) = place.call(&["--set", "isolator_usage_timeout=1", "isolator_usage"]);
    assert_eq!(calls[0]["outcome"], "timeout");
    let done = place
        .command("call", &["--set", "colour=red", "isolator_usage"])
        .output()
        .expect("it runs");
    assert_eq!(done.status.code(), Some(2));
    assert!(stderr(&done).contains("no parameter 'colour'"), "{}", stderr(&done));
}
