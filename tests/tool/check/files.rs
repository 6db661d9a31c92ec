//! Modules files, parameters, several modules, directories; and what is right.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::{
    HOOK, ISOLATOR, SCRIPT, TOOL, check, expect, isolator, library, module, modules, raw, write,
};
use crate::support::Place;

#[test]
fn modules_files() {
    let library = library();
    let ours = |more: &str| {
        format!(
            "{{\"libraries\":[{{\"file\":\"{library}\",\"modules\":[{{\"name\":\"{ISOLATOR}\",\"parameters\":[\n\
             {{\"key\":\"module_name\",\"value\":\"m\"}},\n{{\"key\":\"state_dir\",\"value\":\"/nowhere\"}},\n\
             {{\"key\":\"isolator_prepare_command\",\"value\":\"/bin/true\"}}{more}"
        )
    };
    let end = "]}]}]}";
    let full = ours(end);
    let cases: Vec<(Vec<u8>, &str, &[&str])> = vec![
        ([b"\xef\xbb\xbf", full.as_bytes()].concat(), "error[modules-bom]", &["modules.json:1", "byte order mark"]),
        (full.replace('\n', "\r\n").into_bytes(), "info[modules-crlf]", &["no harm"]),
        (ours(",]}]}]}").into_bytes(), "error[modules-file]", &["modules.json:4", "column"]),
        (ours(",\n// x\n]}]}]}").into_bytes(), "error[modules-file]", &["modules.json:5", "comments"]),
        (ours(",\n{\"key\":\"max_parallel\",\"value\":4}]}]}]}").into_bytes(), "error[modules-file]",
            &["modules.json:5", "parameters[3].value", "write \"4\""]),
        (ours(",\n{\"key\":\"max_parallel\"}]}]}]}").into_bytes(), "error[modules-file]", &["'value' is missing"]),
        (b"[]".to_vec(), "error[modules-file]", &["an object is needed"]),
        (b"".to_vec(), "error[modules-file]", &["a value is missing"]),
        (b"{\"libraries\":[]}".to_vec(), "error[modules-none]", &[ISOLATOR]),
        (ours(",null]}]}]}").into_bytes(), "info[modules-null]", &["parameters[3]"]),
        (full.replace("\"parameters\":[", "\"parameters\":[[").replace(end, "]]}]}]}").into_bytes(),
            "info[modules-list-in-list]", &["flattens"]),
        (ours("],\"parameter\":[]}]}]}").into_bytes(), "warning[modules-unknown-key]", &["modules[0].parameter'", "spelt"]),
        (ours("],\"_comment\":\"x\"}]}]}").into_bytes(), "info[modules-comment]", &["ignored"]),
        (ours("],\"name\":\"com_criteo_mesos_CommandIsolator2\"}]}]}").into_bytes(), "warning[modules-repeated-key]", &["last one counts"]),
        (full.replace(&library, "/no/such.so").into_bytes(), "error[library-missing]", &["/no/such.so: "]),
        (full.replace(&library, "/etc/passwd").into_bytes(), "error[library-no-library]", &["/etc/passwd: "]),
        (full.replace(&library, "lib/x.so").into_bytes(), "warning[library-relative]", &["'lib/x.so'"]),
        (full.replace(&library, "x.so").into_bytes(), "info[library-searched]", &["'x.so'"]),
        (full.replace(&format!("\"file\":\"{library}\","), "").into_bytes(), "error[library-unnamed]", &["absolute path"]),
        (full.replace(ISOLATOR, "com_criteo_mesos_CommandIsolator33").into_bytes(), "error[symbol-unknown]", &["Isolator2 to"]),
        (full.replace(ISOLATOR, "com_criteo_mesos_CommandIsolater").into_bytes(), "error[symbol-unknown]", &[ISOLATOR]),
        (full.replace(&format!("\"name\":\"{ISOLATOR}\","), "").into_bytes(), "error[symbol-missing]", &["no 'name'"]),
        (ours(",\n{\"key\":\"isolator_prepare_command\",\"value\":\"/bin/false\"}]}]}]}").into_bytes(),
            "warning[parameter-repeated]", &["modules.json:5", "line 4", "this one counts"]),
        (b"{\"libraries\":{\"name\":\"x\",\"modules\":{\"name\":\"com_criteo_mesos_CommandHook\"}}}".to_vec(),
            "info[modules-no-list]", &["'libraries'", "list of one"]),
    ];
    for (text, head, words) in cases {
        let place = Place::new();
        raw(&place, &text);
        expect(&String::from_utf8_lossy(&text), &place, head, words);
    }
}

#[test]
fn parameters() {
    let cases: Vec<(Vec<(&str, &str)>, &str, &[&str])> = vec![
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
        // What the original took, or died of without a word, and the agent refuses now.
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
    ];
    for (given, head, words) in cases {
        let place = Place::new();
        let mut all = given.clone();
        if !head.contains("no-command") && !head.contains("parameter-") {
            all.insert(0, ("isolator_prepare_command", "/bin/true"));
        }
        isolator(&place, &all);
        expect(&format!("{given:?}"), &place, head, words);
    }
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
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/modules.json");
    let place = Place::new();
    raw(&place, &std::fs::read(example).expect("the example"));
    assert_eq!(check(&place, &["--without-files"]), ("no problems\n".to_owned(), Some(0)));
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
