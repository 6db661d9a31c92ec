//! What else an agent takes: `file://`, directories, JSON, lists of names, files as flags.

use std::process::{Command, Output};

use serde_json::Value;

use super::{HOOK, ISOLATOR, TOOL, module, modules, raw, write};
use crate::support::Place;

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(TOOL);
    command.args(["check", "--json", "--quiet"]).args(arguments);
    command.env("PATH", "/usr/bin:/bin").output().expect("it runs")
}

/// Codes of what is found, and where.
fn found(arguments: &[&str]) -> (Vec<(String, String)>, Option<i32>) {
    let done = run(arguments);
    let shown = String::from_utf8_lossy(&done.stderr).into_owned();
    let all: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{shown}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let each = all["findings"].as_array().expect("a list").iter();
    let each = each.map(|it| (text(&it["code"]), text(&it["place"]["text"])));
    (each.collect(), done.status.code())
}

fn hook_and_isolator(place: &Place) -> String {
    let state = place.text("state");
    let isolator =
        [("module_name", "m"), ("state_dir", &state), ("isolator_usage_command", "/bin/true")];
    let hook = [("module_name", "m"), ("hook_slave_remove_executor_hook_command", "/bin/true")];
    modules(place, &[module(ISOLATOR, &isolator), module(HOOK, &hook)]);
    place.text("modules.json")
}

#[test]
fn modules_are_named_as_the_flag_names_them() {
    let place = Place::new();
    let file = hook_and_isolator(&place);
    let none = (Vec::new(), Some(0));
    assert_eq!(found(&[&file]), none);
    assert_eq!(found(&[&format!("file://{file}")]), none);
    assert_eq!(found(&[&place.read("modules.json")]), none);
    let inline = format!("{{\"libraries\":[{{\"modules\":[{{\"name\":\"{HOOK}\"}}]}}]}}");
    let (codes, status) = found(&[&inline]);
    assert_eq!(status, Some(1));
    assert!(codes.iter().any(|it| it.0 == "MC020") && codes.iter().any(|it| it.0 == "MC060"));
}

#[test]
fn all_files_of_a_directory_count() {
    let place = Place::new();
    let file = hook_and_isolator(&place);
    let directory = place.path("modules.d");
    std::fs::create_dir(&directory).expect("a directory");
    std::fs::rename(&file, directory.join("a.json")).expect("it is moved");
    let shown = place.text("modules.d");
    assert_eq!(found(&[&shown]), (Vec::new(), Some(0)));
    // The same symbol again in another file, with other parameters.
    modules(&place, &[module(HOOK, &[("module_name", "other"), ("debug", "true")])]);
    std::fs::rename(&file, directory.join("b.json")).expect("it is moved");
    let (codes, status) = found(&[&shown]);
    assert_eq!((codes, status), (vec![("MC032".to_owned(), format!("\"{HOOK}\""))], Some(1)));
    // An editor's copy is read like the others.
    std::fs::write(directory.join("b.json"), "{").expect("a file");
    let (codes, _) = found(&[&shown]);
    assert_eq!(codes[0].0, "MC004");
    let done = run(&[&place.text("temp")]);
    assert_eq!(done.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&done.stderr).contains("no file in it"));
}

#[test]
fn lists_name_what_is_there() {
    let place = Place::new();
    let file = hook_and_isolator(&place);
    let check = |hooks: &str, isolation: &str| {
        let hooks = format!("--hooks={hooks}");
        let isolation = format!("--isolation={isolation}");
        found(&[&file, &hooks, &isolation]).0
    };
    let right = |code: &str, text: &str| vec![(code.to_owned(), text.to_owned())];
    let quoted = |text: &str| format!("\"{text}\"");
    assert_eq!(check(HOOK, ISOLATOR), []);
    assert_eq!(check(HOOK, &format!("cgroups/cpu,,{ISOLATOR}")), [], "empty ones are skipped");
    assert_eq!(check("", ISOLATOR), right("MC043", &quoted(HOOK)));
    assert_eq!(check(HOOK, "cgroups/cpu"), right("MC044", &quoted(ISOLATOR)));
    let second = format!("{HOOK}2");
    assert_eq!(check(&format!("{HOOK},{second}"), ISOLATOR), right("MC045", &second));
    assert_eq!(
        check(&format!("{HOOK},org_example_Hook"), ISOLATOR),
        right("MC045", "org_example_Hook")
    );
    assert_eq!(check(&format!("{HOOK},{ISOLATOR}"), ISOLATOR), right("MC046", ISOLATOR));
    assert_eq!(check(&format!("{HOOK},{HOOK}"), ISOLATOR), right("MC047", HOOK));
    let blank = format!(" {ISOLATOR}");
    assert_eq!(check(HOOK, &format!("cgroups/cpu,{blank}")), right("MC042", &blank));
    assert_eq!(check(&format!("{HOOK},"), ISOLATOR), right("MC042", ""));
}

#[test]
fn files_are_flags() {
    let place = Place::new();
    let file = hook_and_isolator(&place);
    let flags = place.path("mesos-agent");
    std::fs::create_dir(&flags).expect("a directory");
    let from = format!("--from={}", flags.display());
    let set = |name: &str, value: &str| {
        write(&place, &format!("mesos-agent/{name}"), value.as_bytes(), 0o644)
    };
    let codes = || found(&[&from]).0.into_iter().map(|it| it.0).collect::<Vec<_>>();
    assert_eq!(codes(), ["MC041"]);
    set("modules", &format!("file://{file}\n"));
    assert_eq!(codes(), ["MC044", "MC043"], "neither list is given");
    set("hooks", &format!("{HOOK}\n"));
    set("isolation", &format!("cgroups/cpu,cgroups/mem,{ISOLATOR}\n"));
    assert_eq!(found(&[&from]), (Vec::new(), Some(0)));
    set("port", "9464\n");
    set("resources", "ports:[9000-9099]\n");
    let text = place.read("modules.json");
    let with = |port: &str| {
        let address = format!(
            "{{\"key\":\"metrics_address\",\"value\":\"{port}\"}},{{\"key\":\"module_name\""
        );
        raw(
            &place,
            text.replacen("{\n              \"key\": \"module_name\"", &address, 1).as_bytes(),
        );
        assert!(place.read("modules.json").contains(port), "{text}");
    };
    with("9464");
    assert_eq!(codes(), ["MC140"]);
    with("9050");
    assert_eq!(codes(), ["MC141"]);
    with("5051");
    assert_eq!(codes(), [""; 0]);
    set("modules_dir", &place.text("state"));
    write(&place, "state/x.json", b"{}", 0o644);
    assert!(codes().contains(&"MC040".to_owned()));
}

#[test]
fn a_library_is_tried_in_the_libmesos() {
    let place = Place::new();
    let file = hook_and_isolator(&place);
    // The C library is neither a libmesos nor the module library.
    let (codes, status) = found(&[&file, "--library", &super::library()]);
    assert_eq!(codes, [("MC027".to_owned(), format!("\"{}\"", super::library()))]);
    assert_eq!(status, Some(1));
}

#[test]
fn a_library_is_looked_at_before_it_is_put_in_place() {
    let place = Place::new();
    let file = hook_and_isolator(&place);
    let text = place.read("modules.json").replace(&super::library(), "/no/such/new.so");
    raw(&place, text.as_bytes());
    let codes = |given: &str| {
        let (all, status) = found(&[&file, "--replace", given]);
        (all.into_iter().map(|(code, _)| code).collect::<Vec<_>>(), status)
    };
    let library = super::library();
    assert_eq!(found(&[&file]).1, Some(1), "it is not there");
    assert_eq!(codes(&format!("/no/such/new.so={library}")), (Vec::new(), Some(0)));
    // Neither this library nor what is missing is what the agent would load.
    let (other, _) = codes(&format!("/no/such/other.so={library}"));
    assert_eq!(other, ["MC024", "MC029"]);
    for bad in ["new.so=x", "/new.so", "/new.so="] {
        assert_eq!(run(&[&file, "--replace", bad]).status.code(), Some(2), "{bad}");
    }
}
