//! The committed table of metrics is the catalogue's.

use mesos_command::metrics::catalogue;

use crate::support::repository;

#[test]
fn the_documented_table_is_the_catalogue() {
    for (file, required) in [("dashboards/README.md", true), ("README.md", false)] {
        let path = repository(file);
        let Ok(text) = std::fs::read_to_string(&path) else {
            assert!(!required, "{file} is missing");
            continue;
        };
        let inside = text.split_once("<!-- metrics:begin -->").and_then(|(_, rest)| {
            let (inside, _) = rest.split_once("<!-- metrics:end -->")?;
            Some(inside.trim())
        });
        match inside {
            Some(table) => assert_eq!(
                table,
                catalogue::markdown().trim(),
                "{file}: replace what is between the metrics markers"
            ),
            None => assert!(!required, "{file} has no metrics markers"),
        }
    }
}
