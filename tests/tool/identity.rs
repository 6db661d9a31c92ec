//! Commands of another user: what `call` and `check` say of them.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use test_support::skip;

use crate::support::{Place, stderr};

#[test]
fn call_runs_the_command_as_its_user_and_says_so() {
    if !nix::unistd::geteuid().is_root() {
        return skip("a command of another user", "only root may become another user");
    }
    let place = Place::new();
    let open = PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(place.path(""), open).expect("its mode");
    let usage = place.script("usage", r#"printf '{"mem_rss_bytes":%s}' "$(id -u)" >"$2""#);
    place.modules(&[
        ("isolator_usage_command", usage.as_str()),
        ("isolator_usage_user", "70001:70002"),
        ("isolator_usage_nice", "7"),
    ]);
    let (calls, done) = place.call(&["isolator_usage"]);
    assert!(done.status.success(), "{calls:?} {}", stderr(&done));
    assert_eq!(calls[0]["answer"], json!({"mem_rss_bytes": 70001}));
    let told = ["uid", "gid", "groups", "nice", "rlimit_nofile"].map(|key| calls[0][key].clone());
    assert_eq!(told, [json!(70001), json!(70002), json!([70002]), json!(7), json!(null)]);
    let shown = place.shown(&["isolator_usage"]);
    let line = "as        user '70001:70002' (uid 70001, gid 70002), niceness 7\n";
    assert!(shown.contains(line), "{shown}");
}

#[test]
fn check_tells_an_unknown_user_and_what_it_could_not_give_itself() {
    let place = Place::new();
    let usage = place.script("usage", "");
    let check = |user: &str, more: &[&str]| {
        place.modules(&[
            ("isolator_usage_command", usage.as_str()),
            ("isolator_usage_user", user),
            ("isolator_usage_rlimit_nofile", "1073741824"),
        ]);
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mesos-command"));
        let done = command.arg("check").arg(place.path("modules.json")).args(more).output();
        let done = done.expect("it runs");
        String::from_utf8_lossy(&done.stdout).into_owned()
    };
    let found = check("no-such-user", &[]);
    assert!(found.contains(" value-refused]"), "{found}");
    assert!(found.contains("there is no user 'no-such-user' on this machine"), "{found}");
    assert!(found.contains(" value-beyond-rights]"), "{found}");
    let elsewhere = check("no-such-user", &["--without-files"]);
    assert!(!elsewhere.contains(" value-"), "users are those of the agent's machine: {elsewhere}");
}
