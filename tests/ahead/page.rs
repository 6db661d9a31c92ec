//! The table and the drawing of `docs/refresh-ahead.md` are what the simulation gives.
//!
//! `make ahead` writes them: it runs this test with `WRITE_PAGES=1`.

use std::fmt::Write;

use test_support::repository;

use crate::patterns::{made_up, recorded};
use crate::plot::{Row, draw};
use crate::simulation::simulate;

const PAGE: &str = "docs/refresh-ahead.md";
const DRAWING: &str = "docs/refresh-ahead.svg";
const BEGIN: &str = "<!-- simulation:begin -->\n";
const END: &str = "<!-- simulation:end -->\n";

fn rows() -> Vec<Row> {
    let patterns = made_up().into_iter().chain(recorded());
    let row = |pattern: crate::patterns::Pattern| {
        let (with, without) = (simulate(&pattern, true), simulate(&pattern, false));
        (pattern.name, with, without)
    };
    patterns.map(row).collect()
}

fn table(rows: &[Row]) -> String {
    let mut table = String::from(
        "| requests | number | waited for nothing, % | without | runs per container and request | \
         without | wasted | mean age of what is served, s |\n|---|---|---|---|---|---|---|---|\n",
    );
    for (name, with, without) in rows {
        // Writing to a String cannot fail.
        let _ = writeln!(
            table,
            "| {name} | {} | {:.1} | {:.1} | {:.2} | {:.2} | {:.2} | {:.2} |",
            with.requests.len(),
            100.0 * with.fresh_share(),
            100.0 * without.fresh_share(),
            with.runs_per_request(),
            without.runs_per_request(),
            with.wasted as f64 / with.asked as f64,
            with.mean_age(),
        );
    }
    table
}

#[test]
fn table_and_drawing_are_those_of_the_simulation() {
    let rows = rows();
    let page = std::fs::read_to_string(repository(PAGE)).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let expected = format!("{before}{BEGIN}{}{END}{after}", table(&rows));
    for (path, expected) in [(PAGE, expected), (DRAWING, draw(&rows))] {
        let path = repository(path);
        if std::env::var_os("WRITE_PAGES").is_some() {
            std::fs::write(&path, &expected).unwrap();
        }
        let is = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(is == expected, "{} is another: `make ahead` writes it", path.display());
    }
}
