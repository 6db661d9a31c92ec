//! Tables and manual pages that the tool prints stand in the repository as it prints them.
//!
//! `make pages` writes them: it runs this test with `WRITE_PAGES=1`.

use std::process::Command;

use mesos_command::config::{PARAMETERS, Reload};
use test_support::repository;

/// File, name of the markers around the table (`<!-- NAME:begin -->`; empty: the whole file), and
/// the arguments of `mesos-command explain`.
const PAGES: [(&str, &str, &[&str]); 7] = [
    ("docs/events.md", "events", &["events", "--markdown"]),
    ("docs/parameters.md", "parameters", &["parameters", "--markdown"]),
    ("docs/parameters.md", "environment", &["environment", "--markdown"]),
    ("DIFFERENCES.md", "rules", &["rules", "--markdown"]),
    ("docs/check-codes.md", "codes", &["codes", "--markdown"]),
    ("dashboards/README.md", "metrics", &["metrics", "--markdown"]),
    ("docs/mesos-command-modules.7", "", &["parameters", "--man"]),
];

fn printed(arguments: &[&str]) -> String {
    let mut tool = Command::new(env!("CARGO_BIN_EXE_mesos-command"));
    let output = tool.arg("explain").args(arguments).output().expect("it runs");
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// `page` with `table` between the markers.
fn with_table(page: &str, name: &str, table: &str) -> Option<String> {
    if name.is_empty() {
        return Some(table.to_owned());
    }
    let (begin, end) = (format!("<!-- {name}:begin -->\n"), format!("<!-- {name}:end -->\n"));
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}{table}{end}{after}"))
}

#[test]
fn the_page_of_reloads_names_what_needs_a_restart() {
    let page = std::fs::read_to_string(test_support::repository("docs/reload.md")).expect("there");
    let section = page.split("## What needs a restart").nth(1).expect("the section");
    let text = section.split("\n## ").next().expect("its text");
    // The first column; the text below it is about others.
    let named: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix('|')).collect();
    let named = named.iter().filter_map(|line| line.split('|').next()).collect::<String>();
    for row in PARAMETERS {
        let is_named = named.contains(&format!("`{}`", row.name));
        assert_eq!(is_named, matches!(row.reload, Reload::Restart(_)), "{}", row.name);
    }
}

#[test]
fn pages_are_what_the_tool_prints() {
    let writes = std::env::var_os("WRITE_PAGES").is_some();
    for (file, name, arguments) in PAGES {
        let path = repository(file);
        let page = std::fs::read_to_string(&path).unwrap_or_default();
        let expected = with_table(&page, name, &printed(arguments));
        let expected = expected.unwrap_or_else(|| panic!("{file} has no markers of '{name}'"));
        if writes && page != expected {
            std::fs::write(&path, &expected).expect("it can be written");
        }
        let shown = expected.lines().find(|line| !page.lines().any(|other| other == *line));
        assert!(
            writes || page == expected,
            "{file}: the table '{name}' is not what the code says; `make pages` writes it. \
             Expected, for one: {shown:?}"
        );
    }
}

#[test]
fn only_what_stands_between_the_markers_is_replaced() {
    let page = "a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb\n";
    let expected = "a\n<!-- x:begin -->\nnew\n<!-- x:end -->\nb\n";
    assert_eq!(with_table(page, "x", "new\n").as_deref(), Some(expected));
    assert_eq!(with_table(page, "y", "new\n"), None);
}
