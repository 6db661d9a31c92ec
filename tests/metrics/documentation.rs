//! The committed table of metrics is the catalogue's.

use mesos_command::metrics::catalogue;

use crate::support::repository;

#[test]
fn the_documented_table_is_the_catalogue() {
    const FILE: &str = "dashboards/README.md";
    let text = std::fs::read_to_string(repository(FILE)).expect(FILE);
    let after = text.split_once("<!-- metrics:begin -->").expect("the marker of its begin").1;
    let table = after.split_once("<!-- metrics:end -->").expect("the marker of its end").0;
    assert_eq!(
        table.trim(),
        catalogue::markdown().trim(),
        "{FILE}: replace what is between the metrics markers"
    );
}
