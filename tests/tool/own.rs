//! What belongs to an agent is left alone unless it is asked for by name.

use std::path::Path;

use test_support::PATIENCE;

use crate::support::{Place, is_empty, stderr};

/// Shows what it finds at the agent's places while it runs.
const LOOK: &str = r#"{ ls -A "$D/temp" "$D/state"; ls "$D" | grep '^metrics'; } >"$D/found"
dirname "$2" >"$D/private"
stat -c %a "$(dirname "$(dirname "$(dirname "$(dirname "$2")")")")" >"$D/mode"
printf '{"mem_rss_bytes":1}' >"$2""#;

fn production(place: &Place, script: &str) {
    let command = place.script("command", script);
    let socket = format!("unix:{}", place.text("metrics.sock"));
    place.modules(&[
        (
            "isolator_prepare_command",
            &place.script("prepare", &script.replace("mem_rss_bytes", "x")),
        ),
        ("isolator_usage_command", &command),
        ("isolator_usage_timeout", "600"),
        ("state_dir", &place.text("state")),
        ("temp_dir", &place.text("temp")),
        ("metrics_textfile", &place.text("metrics.prom")),
        ("metrics_address", &socket),
    ]);
}

fn assert_untouched(place: &Place) {
    assert!(is_empty(&place.path("temp")), "temp_dir");
    assert!(is_empty(&place.path("state")), "state_dir");
    let listing = format!("{}:\n\n{}:\n", place.text("temp"), place.text("state"));
    // `ls` sorts its arguments.
    let sorted = format!("{}:\n\n{}:\n", place.text("state"), place.text("temp"));
    let found = place.read("found");
    assert!(found == listing || found == sorted, "while a command ran: {found}");
    assert!(!place.path("metrics.prom").exists() && !place.path("metrics.sock").exists());
    let private = place.read("private");
    assert!(private.contains("mesos-command-tool."), "{private}");
    assert!(!Path::new(private.trim()).exists(), "the private directory is gone");
    assert_eq!(place.read("mode").trim(), "700");
}

#[test]
fn call_uses_nothing_of_the_agents() {
    let place = Place::new();
    production(&place, LOOK);
    for event in ["isolator_prepare", "isolator_usage"] {
        let (calls, done) = place.call(&[event]);
        assert!(done.status.success(), "{calls:?} {}", stderr(&done));
        assert_untouched(&place);
        assert!(!stderr(&done).contains("dead agent"), "{}", stderr(&done));
    }
}

#[test]
fn load_uses_nothing_of_the_agents() {
    let place = Place::new();
    production(&place, LOOK);
    let more = ["--rate", "50", "--containers", "5", "--duration", "300ms", "--warm-up", "100ms"];
    let done =
        place.command("load", &more).args(["--quiet", "--bare", "2"]).output().expect("it runs");
    assert!(done.status.success(), "{}", stderr(&done));
    // The bare starts are made in the private directory itself, one level up.
    place.script("command", LOOK);
    let (_, done) = place.call(&["isolator_usage"]);
    assert!(done.status.success(), "{}", stderr(&done));
    assert_untouched(&place);
}

/// That the textfile and the socket would be there, were they asked for: else the tests above
/// prove nothing.
#[test]
fn metrics_are_used_when_they_are_asked_for_by_name() {
    let place = Place::new();
    let seconds = PATIENCE.as_secs();
    let wait = format!(
        r#"n=0; until [ -e "$D/metrics.prom" ] && [ -S "$D/metrics.sock" ] || [ $n = {seconds}0 ]
do sleep 0.1; n=$((n+1)); done
{LOOK}"#
    );
    production(&place, &wait);
    let (_, done) = place.call(&["--with-metrics", "isolator_usage"]);
    assert!(done.status.success(), "{}", stderr(&done));
    let found = place.read("found");
    assert!(found.contains("metrics.prom") && found.contains("metrics.sock"), "{found}");
    assert!(is_empty(&place.path("state")) && is_empty(&place.path("temp")));
}

#[test]
fn contexts_are_kept_where_the_command_line_says() {
    let place = Place::new();
    production(&place, LOOK);
    let kept = place.text("kept");
    let (_, done) = place.call(&["--state-dir", &kept, "isolator_prepare"]);
    assert!(done.status.success(), "{}", stderr(&done));
    assert!(place.path("kept/test/c1").exists());
    assert!(is_empty(&place.path("state")));
}
