//! `mesos-command check`: a table of mistakes, each with the finding that names it, and of what is
//! right, with none.

mod commands;
mod files;

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::Place;

pub(super) const TOOL: &str = env!("CARGO_BIN_EXE_mesos-command");
pub(super) const ISOLATOR: &str = "com_criteo_mesos_CommandIsolator";
pub(super) const HOOK: &str = "com_criteo_mesos_CommandHook";
pub(super) const SCRIPT: &str = "#!/bin/sh\nexit 0\n";

/// What is given, how the finding begins, and words that are in it.
pub(super) type Case<T> = (T, &'static str, &'static [&'static str]);

/// What `check` prints for the file `modules.json` of a place, and its exit status.
pub(super) fn check(place: &Place, more: &[&str]) -> (String, Option<i32>) {
    let mut command = Command::new(TOOL);
    command.arg("check").arg(place.path("modules.json")).args(more);
    let done = command.env("PATH", "/usr/bin:/bin").output().expect("it runs");
    assert!(done.stderr.is_empty(), "{}", String::from_utf8_lossy(&done.stderr));
    (String::from_utf8_lossy(&done.stdout).into_owned(), done.status.code())
}

pub(super) fn module(symbol: &str, parameters: &[(&str, &str)]) -> Value {
    let pair = |(key, value): &(&str, &str)| json!({"key": key, "value": value});
    let parameters: Vec<Value> = parameters.iter().map(pair).collect();
    json!({"name": symbol, "parameters": parameters})
}

/// A library that only root can change: the C library. Any shared object will do.
pub(super) fn library() -> String {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("/proc");
    let path = maps.split_whitespace().find(|word| word.contains("/libc.so"));
    path.expect("the C library").to_owned()
}

/// Writes a modules file with these modules.
pub(super) fn modules(place: &Place, modules: &[Value]) {
    let file = json!({"libraries": [{"file": library(), "modules": modules}]});
    raw(place, serde_json::to_string_pretty(&file).expect("text").as_bytes());
}

pub(super) fn raw(place: &Place, text: &[u8]) {
    write(place, "modules.json", text, 0o644);
}

/// One isolator with these parameters; `$D` in a value is the place.
pub(super) fn isolator(place: &Place, parameters: &[(&str, &str)]) {
    let root = place.text("");
    let root = root.trim_end_matches('/');
    let filled: Vec<(String, String)> = parameters
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.replace("$D", root)))
        .collect();
    let mut all = vec![("module_name", "m")];
    all.extend((!filled.iter().any(|(key, _)| key == "state_dir")).then_some(("state_dir", root)));
    all.extend(filled.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    modules(place, &[module(ISOLATOR, &all)]);
}

/// `SEVERITY[KIND]: ` begins a finding; the rest of its lines follow.
fn finding<'a>(text: &'a str, head: &str) -> Option<&'a str> {
    let start = text.find(&format!("{head}: "))?;
    let rest = &text[start..];
    let is_start = |(index, _): &(usize, &str)| *index > 0 && !rest[*index + 1..].starts_with("  ");
    let end = rest.match_indices('\n').find(is_start).map_or(rest.len(), |(index, _)| index);
    Some(&rest[..end])
}

/// Demands a finding with these words, an exit status that fits, and advice if it is a problem.
pub(super) fn expect(what: &str, place: &Place, head: &str, words: &[&str]) {
    let (text, status) = check(place, &[]);
    let Some(found) = finding(&text, head) else { panic!("{what}: no {head} in:\n{text}") };
    for word in words {
        assert!(found.contains(word), "{what}: no '{word}' in:\n{found}");
    }
    let info = head.starts_with("info");
    let problems = text.contains("error[") || text.contains("warning[");
    assert_eq!(status, Some(i32::from(problems)), "{what}: {text}");
    assert!(info || problems, "{what}");
    assert!(
        info || found.contains("what to do: ")
            || head.contains("modules-file")
            || head.contains("doubtful"),
        "{what}: no advice in:\n{found}"
    );
}

pub(super) fn write(place: &Place, name: &str, content: &[u8], mode: u32) {
    std::fs::write(place.path(name), content).expect("the file");
    std::fs::set_permissions(place.path(name), PermissionsExt::from_mode(mode)).expect("its mode");
}
