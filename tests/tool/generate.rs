//! Manual pages, completions and `--version`.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use test_support::repository;

use crate::support::Place;

fn tool(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mesos-command"));
    command.args(arguments).output().expect("it runs")
}

fn printed(arguments: &[&str]) -> String {
    let done = tool(arguments);
    assert!(done.status.success(), "{arguments:?}");
    String::from_utf8(done.stdout).expect("UTF-8")
}

/// The subcommands that `--help` lists.
fn subcommands() -> Vec<String> {
    let help = printed(&["--help"]);
    let list =
        help.split("Commands:\n").nth(1).and_then(|it| it.split("\n\n").next()).expect("a list");
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn each_subcommand_has_a_page() {
    let place = Place::new();
    let directory = place.text("man");
    let written = printed(&["generate", "man", "--output", &directory]);
    let names = subcommands();
    assert!(names.len() >= 11, "{names:?}");
    assert_eq!(written.lines().count(), names.len() + 1);
    for name in names {
        let page = place.read(&format!("man/mesos-command-{name}.1"));
        assert!(page.contains(".SH SYNOPSIS") && page.contains("Exit status"), "{name}: {page}");
        assert_eq!(printed(&["generate", "man", &name]), page);
    }
    assert!(place.read("man/mesos-command.1").contains("mesos\\-command"));
    assert_eq!(tool(&["generate", "man", "nothing"]).status.code(), Some(2));
}

/// Every page is read without a complaint.
#[test]
fn pages_render() {
    for name in subcommands() {
        let page = printed(&["generate", "man", &name]);
        let Some(done) = fed("groff", &["-man", "-Tutf8", "-ww", "-z"], &page) else {
            return test_support::skip_offline("pages_render", "groff is not installed");
        };
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success() && told.is_empty(), "{name}: {told}");
    }
}

/// What a program makes of a text on its standard input; `None` when there is no such program.
fn fed(program: &str, arguments: &[&str], text: &str) -> Option<Output> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().ok()?;
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
    Some(child.wait_with_output().expect("it ends"))
}

#[test]
fn completions_complete() {
    let script = printed(&["generate", "completions", "bash"]);
    let ask = r#"
COMP_WORDS=(mesos-command check --for); COMP_CWORD=2
_mesos__command mesos-command --for check
echo "${COMPREPLY[*]}"
COMP_WORDS=(mesos-command wor); COMP_CWORD=1
_mesos__command mesos-command wor mesos-command
echo "${COMPREPLY[*]}""#;
    let done = Command::new("bash").args(["--norc", "-c", &format!("{script}\n{ask}")]).output();
    let done = done.expect("bash");
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    assert_eq!(text, "--format\nworker-test\n", "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn other_shells_take_their_completions() {
    for shell in ["zsh", "fish"] {
        let script = printed(&["generate", "completions", shell]);
        for name in subcommands() {
            assert!(script.contains(&name), "{shell}: {name}");
        }
        let Some(done) = fed(shell, &["-n", "/dev/stdin"], &script) else {
            let reason = format!("{shell} is not installed");
            return test_support::skip_offline("other_shells_take_their_completions", &reason);
        };
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success() && told.is_empty(), "{shell}: {told}");
    }
    let script = printed(&["generate", "completions", "fish"]);
    let asked = format!("{script}\ncomplete -C 'mesos-command wor'\n");
    let done = fed("fish", &["--no-config"], &asked).expect("it was there just now");
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(text.starts_with("worker-test\t"), "{text}{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn the_version_says_what_belongs_to_it() {
    let short = printed(&["-V"]);
    assert_eq!(short, format!("mesos-command {}\n", env!("CARGO_PKG_VERSION")));
    let long = printed(&["--version"]);
    assert_eq!(long, printed(&["version"]));
    assert!(long.starts_with(short.trim_end()), "{long}");
    let data: Value = serde_json::from_str(&printed(&["version", "--json"])).expect("JSON");
    let releases: Vec<&str> = data["mesos_releases"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let known = std::fs::read_to_string(repository("cpp/abi/known.def")).expect("the table");
    assert_eq!(
        releases.len(),
        known.lines().filter(|it| it.starts_with("MESOS_COMMAND_RELEASE(")).count()
    );
    assert!(releases.iter().all(|release| long.contains(release)), "{long}");
    for key in ["revision", "target", "rustc"] {
        let value = data[key].as_str().expect("a text");
        assert!(value != "unknown" && long.contains(value), "{key}: {value}");
    }
    // The oldest system that the library is tested for has the glibc that is named.
    let interface =
        std::fs::read_to_string(repository("cpp/tests/interface.py")).expect("the test");
    let floor =
        format!("\"RHEL and CentOS 7\", \"{}\"", data["module"]["glibc"].as_str().expect("a text"));
    assert!(interface.contains(&floor), "{floor}");
}
