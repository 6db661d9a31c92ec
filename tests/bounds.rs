//! The table of bounds, `docs/bounds.md`, names tests and parameters that exist.

#![expect(clippy::unwrap_used, reason = "tests")]

use mesos_command::config::keys;

fn repository(path: &str) -> Option<String> {
    std::fs::read_to_string(test_support::repository(path)).ok()
}

/// The cells of the rows, without heads and rules.
fn rows() -> Vec<Vec<String>> {
    let text = repository("docs/bounds.md").unwrap();
    let lines = text.lines().filter(|line| line.starts_with("| "));
    let cells = |line: &str| {
        let cells: Vec<_> = line.split('|').map(|cell| cell.trim().to_owned()).collect();
        cells[1..cells.len() - 1].to_vec()
    };
    lines.map(cells).filter(|cells| cells[0] != "what").collect()
}

/// What stands between backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// Whether the Rust file has a test of this name that is not left out.
fn has_test(text: &str, name: &str) -> bool {
    let Some(at) = text.find(&format!("fn {name}()")) else { return false };
    let before: Vec<_> = text[..at].lines().rev().map(str::trim).take(3).collect();
    before.contains(&"#[test]") && !before.iter().any(|line| line.starts_with("#[ignore"))
}

#[test]
fn every_bound_is_held_by_a_test_that_exists() {
    let rows = rows();
    assert!(rows.len() > 25, "the table was not found");
    for row in rows {
        assert_eq!(row.len(), 5, "{row:?}");
        let tests = quoted(&row[4]);
        assert!(!tests.is_empty(), "no test holds the bound of: {}", row[0]);
        for test in tests {
            let (path, name) = test.split_once("::").expect("path::function");
            let text = repository(path).unwrap_or_else(|| panic!("there is no file '{path}'"));
            assert!(has_test(&text, name), "'{path}' has no test '{name}'");
        }
    }
}

#[test]
fn the_parameters_exist() {
    for row in rows() {
        for name in quoted(&row[3]) {
            let known = keys::parameters().any(|row| row.name == name);
            assert!(known, "there is no parameter '{name}' (at: {})", row[0]);
        }
    }
}

#[test]
fn a_test_that_is_missing_or_left_out_is_noticed() {
    let text = "#[test]\nfn here() {}\n#[test]\n#[ignore = \"x\"]\nfn out() {}\nfn none() {}\n";
    assert!(has_test(text, "here"));
    assert!(!has_test(text, "out") && !has_test(text, "none") && !has_test(text, "her"));
}
