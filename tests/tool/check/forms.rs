//! How findings are printed, explained and corrected.

use std::process::{Command, Output};

use super::{HOOK, ISOLATOR, TOOL, check, library, module, modules, raw, write};
use crate::support::Place;

fn run(place: &Place, arguments: &[&str]) -> Output {
    let mut command = Command::new(TOOL);
    command.arg("check").args(arguments).current_dir(place.path(""));
    command.env("PATH", "/usr/bin:/bin").env_remove("NO_COLOR").output().expect("it runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A misspelt key, and a script that an editor of another system has saved.
fn two_mistakes(place: &Place) {
    let script = place.text("c");
    write(place, "c", b"#!/bin/sh\r\nexit 0\r\n", 0o755);
    let text = format!(
        r#"{{"libraries": [{{"file": "{}", "modules": [{{
  "name": "{ISOLATOR}",
  "parameters": [
    {{"key": "module_name", "value": "m"}},
    {{"key": "state_dir", "value": "{}"}},
    {{"key": "isolator_usage_command", "value": "{script}"}},
    {{"key": "isolator_usage_cache_tll", "value": "5s"}}
  ]
}}]}}]}}"#,
        library(),
        place.text("state"),
    );
    raw(place, text.as_bytes());
}

#[test]
fn text_points_into_the_files() {
    let place = Place::new();
    two_mistakes(&place);
    let done = run(&place, &["modules.json"]);
    assert_eq!(done.status.code(), Some(1));
    let script = place.text("c");
    let underlined = "^".repeat(script.len() + 2).replace('^', "-");
    let expected = format!(
        r#"error[MC101 script-crlf]: the lines end with CR LF, so the kernel looks for the interpreter '/bin/sh\r'
 --> {script}:1:1
  |
1 | #!/bin/sh
  | ^^^^^^^^^
  |
 ::: modules.json:6:48
  |
6 |     {{"key": "isolator_usage_command", "value": "{script}"}},
  |                                                {underlined} named here, by {ISOLATOR} isolator_usage_command
  |
  = help: sed -i 's/\r$//' {script}

error[MC061 parameter-unknown]: 'isolator_usage_cache_tll' is not known and ignored
 --> modules.json:7:13
  |
7 |     {{"key": "isolator_usage_cache_tll", "value": "5s"}}
  |             ^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: did you mean 'isolator_usage_cache_ttl'?

2 errors, 0 warnings
`mesos-command check --explain MC101` says more
"#
    );
    assert_eq!(stdout(&done), expected);
}

#[test]
fn colours_are_for_terminals_or_asked_for() {
    let place = Place::new();
    two_mistakes(&place);
    assert!(!stdout(&run(&place, &["modules.json"])).contains('\u{1b}'));
    assert!(stdout(&run(&place, &["modules.json", "--color=always"])).contains('\u{1b}'));
    assert!(!stdout(&run(&place, &["modules.json", "--color=never"])).contains('\u{1b}'));
}

#[test]
fn github_gets_its_annotations() {
    let place = Place::new();
    two_mistakes(&place);
    let text = stdout(&run(&place, &["modules.json", "--format", "github"]));
    let expected = "::error file=modules.json,line=7,col=13,endColumn=38,title=MC061 parameter-unknown::\
                    'isolator_usage_cache_tll' is not known and ignored%0Adid you mean \
                    'isolator_usage_cache_ttl'?";
    assert_eq!(text.lines().nth(1), Some(expected), "{text}");
    assert_eq!(text.lines().count(), 2, "{text}");
}

#[test]
fn warnings_are_problems_when_they_are_denied() {
    let place = Place::new();
    let state = place.text("state");
    let given = [
        ("module_name", "m"),
        ("state_dir", &state),
        ("isolator_usage_command", "/bin/true"),
        ("debug", "yes"),
    ];
    modules(&place, &[module(ISOLATOR, &given)]);
    let status = |more: &[&str]| run(&place, &[&["modules.json"], more].concat()).status.code();
    assert_eq!((status(&[]), status(&["--deny", "warnings"])), (Some(0), Some(1)));
}

#[test]
fn every_code_that_is_printed_is_explained() {
    let place = Place::new();
    let listed =
        Command::new(TOOL).args(["explain", "codes", "--markdown"]).output().expect("it runs");
    let listed = stdout(&listed);
    let codes: Vec<&str> =
        listed.lines().skip(2).filter_map(|line| line.split(' ').nth(1)).collect();
    assert!(codes.len() > 60, "{listed}");
    for code in codes {
        let text = stdout(&run(&place, &["--explain", code]));
        assert!(text.starts_with(code) && text.contains("What to do: "), "{text}");
    }
    let done = run(&place, &["--explain", "mc062", "--color", "never"]);
    assert!(stdout(&done).starts_with("MC062 parameter-without-suffix: "), "{}", stdout(&done));
    let done = run(&place, &["--explain", "MC999"]);
    assert_eq!(done.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&done.stderr).contains("explain codes"));
}

/// As the example file that the original modules ship: the keys of commands lack their end.
const STALE: &str = r#"{
  "libraries": [
    {
      "file": "LIB",
      "modules": [
        {
          "name": "com_criteo_mesos_CommandHook",
          "parameters": [
            {"key": "module_name", "value": "test"},
            {"key": "hook_slave_run_task_label_decorator", "value": "D/c"},
            {"key": "hook_slave_executor_environment_decorator", "value": "D/c"},
            {"key": "hook_slave_remove_executor_hook", "value": "D/c"}
          ]
        },
        {
          "name": "com_criteo_mesos_CommandIsolator",
          "parameters": [
            {"key": "module_name", "value": "test"},
            {"key": "state_dir", "value": "D/state"},
            {"key": "isolator_prepare", "value": "D/c"},
            {"key": "isolator_cleanup", "value": "D/c"}
          ]
        }
      ]
    }
  ]
}
"#;

fn stale(place: &Place) -> String {
    write(place, "c", b"#!/bin/sh\nexit 0\n", 0o755);
    STALE
        .replace("LIB", &library())
        .replace("D/", &format!("{}/", place.path("").display()).replace("//", "/"))
}

#[test]
fn the_originals_stale_example_becomes_right() {
    let place = Place::new();
    let text = stale(&place);
    raw(&place, text.as_bytes());
    let done = run(&place, &["modules.json"]);
    assert_eq!(done.status.code(), Some(1));
    assert_eq!(stdout(&done).matches("error[MC062 parameter-without-suffix]").count(), 5);
    let done = run(&place, &["modules.json", "--fix"]);
    assert!(stdout(&done).contains("written: modules.json.fixed\n"), "{}", stdout(&done));
    assert_eq!(done.status.code(), Some(0), "it is that of the corrected file");
    assert_eq!(place.read("modules.json"), text, "the old file is as it was");
    let mut expected = text.replace(
        "\"hook_slave_remove_executor_hook\"",
        "\"hook_slave_remove_executor_hook_command\"",
    );
    for key in
        ["task_label_decorator", "environment_decorator", "isolator_prepare", "isolator_cleanup"]
    {
        expected = expected.replace(&format!("{key}\""), &format!("{key}_command\""));
    }
    assert_eq!(place.read("modules.json.fixed"), expected);
    std::fs::rename(place.path("modules.json.fixed"), place.path("modules.json"))
        .expect("it is moved");
    assert_eq!(check(&place, &[]), ("no problems\n".to_owned(), Some(0)));
}

#[test]
fn several_mistakes_are_corrected_one_behind_the_other() {
    let place = Place::new();
    let broken = stale(&place)
        .replace(
            "\"value\": \"test\"},\n            {\"key\": \"state_dir\"",
            "\"value\": 7},\n            {\"key\": \"state_dir\"",
        )
        .replace("c\"}\n          ]", "c \"},\n          ]");
    raw(&place, format!("\u{feff}{broken}").as_bytes());
    let done = run(&place, &["modules.json", "--fix"]);
    assert_eq!(done.status.code(), Some(0), "{}", stdout(&done));
    std::fs::rename(place.path("modules.json.fixed"), place.path("modules.json"))
        .expect("it is moved");
    assert_eq!(check(&place, &[]), ("no problems\n".to_owned(), Some(0)));
    let text = place.read("modules.json");
    assert!(text.contains("\"value\": \"7\"") && text.starts_with('{'), "{text}");
    assert!(text.contains(HOOK));
}

#[test]
fn nothing_is_written_where_nothing_can_be_corrected() {
    let place = Place::new();
    modules(&place, &[module(ISOLATOR, &[("module_name", "m")])]);
    let done = run(&place, &["modules.json", "--fix"]);
    assert!(!stdout(&done).contains("written") && !place.path("modules.json.fixed").exists());
    // Beside a file of a directory it would be loaded.
    std::fs::create_dir(place.path("modules.d")).expect("a directory");
    write(&place, "modules.d/a.json", stale(&place).as_bytes(), 0o644);
    let done = run(&place, &["modules.d", "--fix"]);
    assert!(place.path("modules.d.fixed/a.json").exists(), "{}", stdout(&done));
    let names = std::fs::read_dir(place.path("modules.d")).expect("a directory").count();
    assert_eq!(names, 1);
}
