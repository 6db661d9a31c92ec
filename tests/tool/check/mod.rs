//! `mesos-command check`: a table of mistakes, each with the finding that names it, and of what is
//! right, with none.

mod commands;
mod files;
mod flags;
mod forms;
mod table;

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

/// What `check` finds in the file `modules.json` of a place, and its exit status.
pub(super) fn check_json(place: &Place, more: &[&str]) -> (Value, Option<i32>) {
    let mut command = Command::new(TOOL);
    command.arg("check").arg(place.path("modules.json")).args(["--json", "--deny", "warnings"]);
    let done = command.args(more).env("PATH", "/usr/bin:/bin").output().expect("it runs");
    assert!(done.stderr.is_empty(), "{}", String::from_utf8_lossy(&done.stderr));
    (serde_json::from_slice(&done.stdout).expect("JSON"), done.status.code())
}

/// The same as text, in which tests look for words.
pub(super) fn check(place: &Place, more: &[&str]) -> (String, Option<i32>) {
    let (found, status) = check_json(place, more);
    let mut text: String =
        found["findings"].as_array().expect("a list").iter().map(as_text).collect();
    text += &match (found["errors"].as_u64(), found["warnings"].as_u64()) {
        (Some(0), Some(0)) => "no problems\n".to_owned(),
        (errors, warnings) => {
            let count = |it: Option<u64>, what: &str| {
                let it = it.expect("a number");
                format!("{it} {what}{}", if it == 1 { "" } else { "s" })
            };
            format!("{}, {}\n", count(errors, "error"), count(warnings, "warning"))
        }
    };
    (text, status)
}

/// `SEVERITY[NAME]: PLACE: MESSAGE`, by what it is named, and what to do.
fn as_text(finding: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let names = [&finding["module"], &finding["parameter"]].map(word).join(" ");
    let place = |place: &Value, names: &str| {
        let line = place["line"].as_u64().map_or_else(String::new, |line| format!(":{line}"));
        format!("{}{line} {names}", word(&place["file"])).trim_end().to_owned()
    };
    let is_named = !finding["named_by"].is_null();
    let head = format!("{}[{}]", word(&finding["severity"]), word(&finding["name"]));
    let at = place(&finding["place"], if is_named { "" } else { &names });
    let mut text = format!("{head}: {at}: {}\n", word(&finding["message"]));
    if is_named {
        text += &format!("  named by: {}\n", place(&finding["named_by"], &names));
    }
    if !word(&finding["advice"]).is_empty() {
        text += &format!("  what to do: {}\n", word(&finding["advice"]));
    }
    text
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
