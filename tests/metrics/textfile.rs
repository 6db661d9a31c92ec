//! The file for the textfile collector.

use mesos_command::event::ModuleKind;
use mesos_command::exporter;
use mesos_command::exporter::TextfilePath;
use mesos_command::metrics::ModuleMetrics;

use crate::support::wait_for;

#[test]
fn the_file_holds_the_exposition_and_is_the_only_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("mesos-command.prom");
    let text = path.to_str().expect("UTF-8");
    let target: TextfilePath = text.parse().expect("accepted");
    ModuleMetrics::new("textfile", ModuleKind::Isolator).containers_add(7);
    exporter::textfile(&target);
    exporter::textfile(&target);
    let written = wait_for("the file", || std::fs::read_to_string(&path).ok());
    assert!(written.contains("mesos_command_containers{module=\"textfile\"} 7\n"), "{written}");
    assert!(written.ends_with('\n'));
    assert_eq!(std::fs::read_dir(&directory).expect("listed").count(), 1);
}
