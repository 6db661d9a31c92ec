//! Files that cannot be used change nothing.

use mesos_command::event::Event;
use test_support::{collect_log, logged};

use super::{Rig, at, place};
use crate::control::{ask, exchange};

const ONE: &str = "printf '{\"mem_rss_bytes\":1}' >\"$2\"";

/// What `mesos_command_config_info` says of the instances.
fn config_info(module: &str) -> Vec<String> {
    let text = mesos_command::metrics::render();
    let module = format!("\"{module}\"");
    let all = text
        .lines()
        .filter(|line| line.starts_with("mesos_command_config_info{") && line.contains(&module));
    all.map(str::to_owned).collect()
}

/// Texts that are no modules file, or one of others.
fn unreadable(rig: &Rig) {
    for (text, why) in [
        ("{\"libraries\":[", "line 1: column "),
        ("{\"libraries\":[]}", "names no module of ours"),
        (
            "{\"libraries\":[{\"modules\":[{\"name\":\"com_criteo_mesos_CommandHook\"}]}]}",
            "it has no isolator of ours with module_name 'reload-bad'",
        ),
    ] {
        rig.write_text(text);
        let refusal = rig.refused();
        assert!(refusal.contains(why) && refusal.contains("modules.json"), "{refusal}");
        assert!(!logged(&format!("all parameters stay as they are: {refusal}")).is_empty());
    }
}

#[test]
fn a_file_with_a_mistake_changes_nothing_and_says_why() {
    collect_log();
    let scripts = place(&[("u", ONE), ("h", "true")]);
    let (usage, hook) = (at(scripts.path(), "u"), at(scripts.path(), "h"));
    let command = ("isolator_usage_command", usage.as_str());
    let good = [command, ("isolator_usage_timeout", "7")];
    let of_hook = ("hook_slave_attributes_decorator_command", hook.as_str());
    let rig = Rig::new("reload-bad", scripts, &good, &[of_hook]);
    rig.call(Event::Prepare, "c");
    let holds = || (rig.status()["parameters"].clone(), config_info("reload-bad"));
    let timestamp = || rig.metric("mesos_command_reload_success_timestamp_seconds", "");
    let (before, loaded) = (holds(), timestamp());
    assert!(loaded > 1_600_000_000.0, "the time of the load: {loaded}");
    unreadable(&rig);
    // The hook could be reloaded, but the isolator cannot: neither is.
    let timeout = ("hook_slave_attributes_decorator_timeout", "9");
    for (key, value, why) in [
        ("isolator_usage_timeout", "never", "accepted are"),
        ("isolator_usage_when", "label.", "parameter 'isolator_usage_when'"),
        ("state_dir", "relative", "parameter 'state_dir'"),
        ("isolator_usage_memory_max", "1", "parameter 'isolator_usage_memory_max'"),
    ] {
        rig.write(&[command, (key, value)], &[of_hook, timeout]);
        let refusal = rig.refused();
        assert!(refusal.contains(why), "{key}: {refusal}");
        assert!(refusal.starts_with("isolator module 'reload-bad': "), "{refusal}");
    }
    assert_eq!(before, holds());
    assert_eq!(rig.usage("c"), r#"{"mem_rss_bytes":1}"#);
    // Seven, of both instances.
    assert_eq!(rig.metric("mesos_command_reload_failures_total", ""), 14.0);
    assert_eq!(timestamp(), loaded);
    // And it goes on from there.
    rig.write(&good, &[of_hook, timeout]);
    let [isolator, hook] = rig.reload();
    assert_eq!(isolator["changed"].as_array().unwrap().len(), 0);
    assert_eq!(hook["changed"][0]["key"], timeout.0);
    assert_ne!(before.1, config_info("reload-bad"), "the hash is that of what holds");
    assert!(timestamp() > loaded);
}

#[test]
fn who_says_off_is_not_reloaded() {
    let off = ("reload", "off");
    let rig = Rig::new("reload-off", place(&[]), &[off], &[off]);
    let refusal = rig.refused();
    assert!(refusal.contains("isolator module 'reload-off' has reload=off"), "{refusal}");
    let socket = rig.socket();
    ask(&socket, "POST", "/v1/reload?module=nobody", 404);
    ask(&socket, "GET", "/v1/reload", 405);
    ask(&socket, "POST", "/v1/reload?colour=red", 400);
    let (status, _) = exchange(&socket, "POST /v1/reload HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}");
    assert_eq!(status, 413);
}
