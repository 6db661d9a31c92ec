//! Modules files, parameters, several modules, directories; and what is right.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use serde_json::json;

use super::{
    Case, HOOK, ISOLATOR, SCRIPT, TOOL, check, expect, isolator, library, module, modules, raw,
    write,
};
use crate::support::Place;

/// A modules file with one isolator, whose last parameter begins on line 4; `more` follows it.
fn ours(more: &str) -> String {
    let library = library();
    format!(
        r#"{{"libraries":[{{"file":"{library}","modules":[{{"name":"{ISOLATOR}","parameters":[
{{"key":"module_name","value":"m"}},
{{"key":"state_dir","value":"/nowhere"}},
{{"key":"isolator_prepare_command","value":"/bin/true"}}{more}"#
    )
}

fn file(text: impl AsRef<[u8]>, head: &str, words: &[&str]) {
    let place = Place::new();
    raw(&place, text.as_ref());
    expect(&String::from_utf8_lossy(text.as_ref()), &place, head, words);
}

#[test]
fn modules_files() {
    let end = "]}]}]}";
    let full = ours(end);
    let with = |more: &str| ours(&format!(",\n{more}{end}"));
    let mut text = full.replace("\"parameters\":[", "\"parameters\":[[");
    text = text.replace(end, "]]}]}]}");
    file(text, "info[modules-list-in-list]", &["flattens"]);
    file(format!("\u{feff}{full}"), "error[modules-bom]", &["modules.json:1", "byte order mark"]);
    file(full.replace('\n', "\r\n"), "info[modules-crlf]", &["no harm"]);
    let head = "error[modules-file]";
    file(ours(",]}]}]}"), head, &["modules.json:4", "column"]);
    file(with("// x\n"), head, &["modules.json:5", "comments"]);
    let number = with(r#"{"key":"max_parallel","value":4}"#);
    file(number, head, &["modules.json:5", "parameters[3].value", "write \"4\""]);
    file(with(r#"{"key":"max_parallel"}"#), head, &["'value' is missing"]);
    file("[]", head, &["an object is needed"]);
    file("", head, &["a value is missing"]);
    file(r#"{"libraries":[]}"#, "error[modules-none]", &[ISOLATOR]);
    file(with("null"), "info[modules-null]", &["parameters[3]"]);
    let head = "warning[modules-unknown-key]";
    file(ours(r#"],"parameter":[]}]}]}"#), head, &["modules[0].parameter'", "spelt"]);
    file(ours(r#"],"_comment":"x"}]}]}"#), "info[modules-comment]", &["ignored"]);
    let again = ours(r#"],"name":"com_criteo_mesos_CommandIsolator2"}]}]}"#);
    file(again, "warning[modules-repeated-key]", &["last one counts"]);
    let again = with(r#"{"key":"isolator_prepare_command","value":"/bin/false"}"#);
    let words = ["modules.json:5", "line 4", "this one counts"];
    file(again, "warning[parameter-repeated]", &words);
    let hook = r#"{"libraries":{"name":"x","modules":{"name":"com_criteo_mesos_CommandHook"}}}"#;
    file(hook, "info[modules-no-list]", &["'libraries'", "list of one"]);
}

#[test]
fn libraries_and_symbols() {
    let library = library();
    let full = ours("]}]}]}");
    let replaced = |path: &str| full.replace(&library, path);
    file(replaced("/no/such.so"), "error[library-missing]", &["/no/such.so: "]);
    file(replaced("/etc/passwd"), "error[library-no-library]", &["/etc/passwd: "]);
    file(replaced("lib/x.so"), "warning[library-relative]", &["'lib/x.so'"]);
    file(replaced("x.so"), "info[library-searched]", &["'x.so'"]);
    let unnamed = full.replace(&format!("\"file\":\"{library}\","), "");
    file(unnamed, "error[library-unnamed]", &["absolute path"]);
    let head = "error[symbol-unknown]";
    file(full.replace("Isolator\"", "Isolator33\""), head, &["Isolator2 to"]);
    file(full.replace("Isolator\"", "Isolater\""), head, &[ISOLATOR]);
    let unnamed = full.replace(&format!("\"name\":\"{ISOLATOR}\","), "");
    file(unnamed, "error[symbol-missing]", &["no 'name'"]);
}

/// Parameters of an isolator, beside those that make it whole.
fn check_each(cases: Vec<Case<Vec<(&str, &str)>>>) {
    for (given, head, words) in cases {
        let place = Place::new();
        let mut all = given.clone();
        if !head.contains("no-command") && !head.contains("parameter-") {
            all.insert(0, ("isolator_prepare_command", "/bin/true"));
        }
        isolator(&place, &all);
        expect(&format!("{given:?}"), &place, head, words);
    }
}

#[test]
fn parameters() {
    check_each(vec![
        (
            vec![("isolator_prepare", "/bin/true")],
            "error[parameter-without-suffix]",
            &["'isolator_prepare' is an event", "'isolator_prepare_command'"],
        ),
        (
            vec![("isolator_prepare_comand", "/bin/true")],
            "error[parameter-unknown]",
            &["isolator_prepare_comand", "did you mean"],
        ),
        (
            vec![("hook_slave_remove_executor_hook_command", "/bin/true")],
            "warning[parameter-other-kind]",
            &["kind Hook"],
        ),
        (vec![], "warning[no-command]", &["does nothing"]),
        (
            vec![("isolator_prepare_timeout", "5m")],
            "warning[value-doubtful]",
            &["read as 5 seconds"],
        ),
        (vec![("debug", "True")], "warning[value-doubtful]", &["read as false"]),
        (vec![("kill_grace", "soon")], "error[value-refused]", &["kill_grace", "accepted are"]),
        (vec![("temp_dir", "/no/such")], "error[directory-missing]", &["/no/such: ", "temp_dir"]),
        (
            vec![("metrics_textfile", "/no/such/x.prom")],
            "warning[directory-missing]",
            &["/no/such: ", "metrics_textfile"],
        ),
        (vec![("metrics_address", "nowhere")], "error[value-refused]", &["metrics_address"]),
    ]);
    let place = Place::new();
    modules(&place, &[module(HOOK, &[("hook_slave_remove_executor_hook_command", "/bin/true")])]);
    expect(
        "no module_name",
        &place,
        "error[parameter-missing]",
        &["'module_name' is missing", "add it"],
    );
}

#[test]
fn values_that_the_original_took() {
    check_each(vec![
        // Or died of without a word; the agent refuses them now.
        (
            vec![("isolator_watch_command", "/bin/true"), ("isolator_watch_frequence", "0")],
            "error[value-refused]",
            &["above 0"],
        ),
        (vec![("module_name", "a/b")], "error[value-refused]", &["without '/'"]),
        (vec![("isolator_prepare_timeout", "0")], "error[value-refused]", &["above 0"]),
        (vec![("isolator_prepare_timeout", "+10")], "error[value-refused]", &["'+10'"]),
        (vec![("isolator_prepare_timeout", "-1")], "error[value-refused]", &["'-1'"]),
        (vec![("isolator_prepare_timeout", "4294967296")], "error[value-refused]", &["4294967295"]),
        (
            vec![("isolator_cleanup_timeout", "soon")],
            "warning[value-doubtful]",
            &["no effect without"],
        ),
    ]);
}

#[test]
fn all_refused_values_are_told_at_once() {
    let place = Place::new();
    let given = [
        ("isolator_prepare_command", "/bin/true"),
        ("kill_grace", "x"),
        ("stdio", "y"),
        ("module_name", ".."),
    ];
    isolator(&place, &given);
    let (text, _) = check(&place, &[]);
    assert_eq!(text.matches("error[value-refused]").count(), 3, "{text}");
    assert!(text.ends_with("3 errors, 1 warning\n"), "{text}");
}

#[test]
fn several_modules() {
    let place = Place::new();
    let state = place.text("state");
    let one = |symbol: &str, name: &str, command: &str| {
        module(
            symbol,
            &[("module_name", name), ("state_dir", &state), ("isolator_usage_command", command)],
        )
    };
    let hook = |symbol: &str, name: &str| {
        module(
            symbol,
            &[("module_name", name), ("hook_slave_remove_executor_hook_command", "/bin/true")],
        )
    };
    let second = format!("{ISOLATOR}2");
    modules(&place, &[one(ISOLATOR, "m", "/bin/true"), one(&second, "m", "/bin/true")]);
    expect("shared", &place, "warning[module-name-shared]", &["module_name 'm'", "of its own"]);
    modules(&place, &[one(ISOLATOR, "m", "/bin/true"), one(ISOLATOR, "m", "/bin/false")]);
    expect("twice", &place, "error[symbol-twice]", &["other parameters", "2 to 32"]);
    modules(&place, &[one(ISOLATOR, "m", "/bin/true"), one(ISOLATOR, "m", "/bin/true")]);
    expect("twice alike", &place, "info[symbol-twice]", &["one instance"]);
    modules(&place, &[hook(HOOK, "m"), hook("com_criteo_mesos_CommandHook2", "m")]);
    expect("hooks", &place, "info[module-name-shared]", &["metrics are added up"]);
    let files = json!({"libraries": [
        {"file": library(), "modules": [one(ISOLATOR, "m", "/bin/true")]},
        {"file": "other.so", "modules": [one(ISOLATOR, "m", "/bin/true")]}]});
    raw(&place, files.to_string().as_bytes());
    expect("two libraries", &place, "error[symbol-twice]", &["another library"]);
}

#[test]
fn a_state_directory_in_which_something_else_lives() {
    let place = Place::new();
    std::fs::create_dir(place.path("m")).expect("a directory");
    std::fs::write(place.path("m/c1"), r#"{"command_info":{},"directory":"/x"}"#)
        .expect("a context");
    isolator(&place, &[("isolator_prepare_command", "/bin/true")]);
    assert_eq!(check(&place, &[]), ("no problems\n".to_owned(), Some(0)));
    std::fs::write(place.path("m/notes.txt"), "notes").expect("a note");
    expect("notes", &place, "warning[state-directory-shared]", &["/m: ", "notes.txt", "state_dir"]);
}

/// Each of these is as it should be; nothing at all is found.
#[test]
fn what_is_right_has_no_findings() {
    let place = Place::new();
    for (name, content) in [
        ("plain", SCRIPT),
        ("blank", "#! /bin/sh -e\nexit 0\n"),
        ("env", "#!/usr/bin/env sh\nexit 0\n"),
        ("split", "#!/usr/bin/env -S A=1 sh -e\nexit 0\n"),
        ("python.py", "#!/usr/bin/env python3\n"),
        ("no-end", "#!/bin/sh"),
        ("with space", SCRIPT),
    ] {
        write(&place, name, content.as_bytes(), 0o755);
        isolator(&place, &[("isolator_prepare_command", &format!("$D/{name}"))]);
        assert_eq!(check(&place, &[]), ("no problems\n".to_owned(), Some(0)), "{name}");
    }
    symlink(place.path("plain"), place.path("link")).expect("a link");
    for given in [
        vec![("isolator_prepare_command", "$D/link")],
        vec![("isolator_prepare_command", "/bin/cat")],
        vec![("isolator_watch_command", "$D/plain && echo \"$0\"")],
        vec![("isolator_usage_batch_command", "/bin/true"), ("isolator_usage_cache_ttl", "0.5s")],
        vec![
            ("isolator_usage_command", "/bin/true"),
            ("strict_permissions", "true"),
            ("state_dir", "/var/run/mesos/isolators/command"),
            ("temp_dir", "$D/temp"),
        ],
        vec![
            ("isolator_usage_command", "/bin/true"),
            ("metrics_textfile", "$D/x.prom"),
            ("kill_grace", "500ms"),
        ],
    ] {
        isolator(&place, &given);
        assert_eq!(check(&place, &[]), ("no problems\n".to_owned(), Some(0)), "{given:?}");
    }
    // A hook and an isolator may share their name.
    let state = place.text("state");
    let isolator = module(
        ISOLATOR,
        &[("module_name", "m"), ("state_dir", &state), ("isolator_usage_command", "/bin/true")],
    );
    let hook = module(
        HOOK,
        &[("module_name", "m"), ("hook_slave_remove_executor_hook_command", "/bin/true")],
    );
    modules(&place, &[isolator, hook, module("org_apache_mesos_Other", &[("x", "y")])]);
    assert_eq!(check(&place, &[]), ("no problems\n".to_owned(), Some(0)));
}

/// With `--without-files` a configuration can be checked where it is not installed.
#[test]
fn the_example_is_right() {
    let example = test_support::repository("examples/modules.json");
    let place = Place::new();
    raw(&place, &std::fs::read(example).expect("the example"));
    assert_eq!(check(&place, &["--without-files"]), ("no problems\n".to_owned(), Some(0)));
}

/// Installed, each with all that it names.
#[test]
fn the_shipped_examples_are_right() {
    let place = Place::new();
    let examples = test_support::repository("examples");
    let mut names = vec!["json-value".to_owned()];
    for directory in ["", "cgroup-v2", "workers"] {
        for entry in std::fs::read_dir(examples.join(directory)).expect("a directory").flatten() {
            let path = entry.path();
            // A library of workers is no command.
            let is_library = path.file_name().is_some_and(|it| it == "mesos_worker.py");
            if path.extension().is_some_and(|it| it == "sh" || it == "py") && !is_library {
                let name = path.strip_prefix(&examples).expect("below").display().to_string();
                names.push(name);
            }
        }
    }
    for name in &names {
        let text = std::fs::read(examples.join(name)).expect("an example");
        write(&place, &name.replace('/', "-"), &text, 0o755);
    }
    assert!(names.len() > 10, "{names:?}");
    let file = std::fs::read_to_string(examples.join("modules.json")).expect("the example");
    let file = file
        .replace("/etc/mesos-command", place.text("").trim_end_matches('/'))
        .replace("/usr/lib/mesos/libmesos_command_modules.so", &library())
        .replace("{\"key\": \"isolator_usage_cache_ttl\"", &format!("{{\"key\": \"state_dir\", \"value\": \"{}\"}},\n{{\"key\": \"isolator_usage_cache_ttl\"", place.text("state")));
    raw(&place, file.as_bytes());
    assert_eq!(check(&place, &[]), ("no problems\n".to_owned(), Some(0)));
    // The others, each as the command of an event that gets a memfd too.
    for name in &names {
        let command = format!("$D/{}", name.replace('/', "-"));
        for event in ["isolator_usage", "isolator_update"] {
            isolator(&place, &[(&format!("{event}_command"), &command)]);
            assert_eq!(check(&place, &[]), ("no problems\n".to_owned(), Some(0)), "{name} {event}");
        }
    }
}

#[test]
fn a_doubtful_value_is_a_problem_for_check() {
    let checked = |parameter| {
        let place = Place::new();
        isolator(&place, &[("isolator_watch_command", "/x"), parameter]);
        check(&place, &["--without-files"])
    };
    let (text, status) = checked(("isolator_usage_cache_ttl", "0.5s"));
    assert_eq!(status, Some(0), "{text}");
    let (text, status) = checked(("isolator_watch_frequence", "5m"));
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("'5m', which is read as 5 seconds"), "{text}");
}

#[test]
fn a_file_that_cannot_be_read_is_told_with_exit_status_2() {
    let done = Command::new(TOOL).args(["check", "/no/such/file"]).output().expect("it runs");
    assert_eq!(done.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&done.stderr).contains("'/no/such/file' cannot be read"));
}

/// A directory that several commands are in is told once.
#[test]
fn nothing_is_told_twice() {
    let place = Place::new();
    std::fs::create_dir(place.path("open")).expect("a directory");
    write(&place, "open/c", SCRIPT.as_bytes(), 0o755);
    std::fs::set_permissions(place.path("open"), PermissionsExt::from_mode(0o777))
        .expect("its mode");
    isolator(
        &place,
        &[("isolator_prepare_command", "$D/open/c"), ("isolator_usage_command", "$D/open/c")],
    );
    let (text, status) = check(&place, &[]);
    assert_eq!((text.matches("writable-by-others").count(), status), (1, Some(1)), "{text}");
}

#[test]
fn files_that_the_agent_loads_and_others_can_change() {
    let place = Place::new();
    isolator(&place, &[("isolator_prepare_command", "/bin/true")]);
    write(&place, "modules.json", &std::fs::read(place.path("modules.json")).expect("it"), 0o666);
    expect("the file", &place, "warning[writable-by-others]", &["modules.json: ", "0666"]);
    write(&place, "x.so", &std::fs::read(library()).expect("a library"), 0o777);
    let text = place.read("modules.json").replace(&library(), &place.text("x.so"));
    raw(&place, text.as_bytes());
    expect("the library", &place, "warning[writable-by-others]", &["x.so: ", "0777"]);
}
