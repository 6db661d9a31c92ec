//! Well-formed answers that must not reach Mesos: what is refused and mended on the way.
//!
//! The rules one by one are tested beside the table's checker; here it is that they apply to every
//! kind of call, and what is counted and logged.

use mesos_command::call::Answer;
use mesos_command::event::Event;
use mesos_command::schema::Schema;
use test_support::{collect_log, logged};

use crate::support::Instance;

const DISK: &str = r#"{"name":"disk","type":"SCALAR","scalar":{"value":1}}"#;

fn json(name: &str, answer: &Answer) -> String {
    let Answer::Message(bytes) = answer else { panic!("no message: {answer:?}") };
    let mut text = Vec::new();
    Schema::built_in().message(name).unwrap().write_json(bytes, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn a_limitation_without_a_reason_gets_one_which_is_counted_and_told() {
    collect_log();
    let script = format!("printf '%s' '{{\"message\":\"x\",\"resources\":[{DISK}]}}' >\"$2\"");
    let bench = Instance::new("answers-watch", &[("isolator_watch", &script)], &[]);
    bench.call(Event::Prepare, "c1");
    let limitation = json("mesos.slave.ContainerLimitation", &bench.call(Event::Watch, "c1"));
    assert!(limitation.contains(r#""reason":"REASON_CONTAINER_LIMITATION""#), "{limitation}");
    assert!(limitation.contains(r#""name":"disk""#), "{limitation}");
    assert_eq!(bench.metric("mesos_command_lossy_outputs_total", "isolator_watch"), 1);
    let lines = logged(&bench.directory.path().display().to_string());
    let told: Vec<_> = lines.iter().filter(|line| line.contains("'reason' is set to")).collect();
    assert!(told.len() == 1 && told[0].contains("[TASK=c1, METHOD=watch]"), "{lines:?}");
}

#[test]
fn a_status_keeps_the_containers_own_id() {
    let script = r#"printf '{"container_id":{"value":"another"},"executor_pid":7}' >"$2""#;
    let bench = Instance::new("answers-status", &[("isolator_status", script)], &[]);
    bench.call(Event::Prepare, "c1");
    let status = json("mesos.ContainerStatus", &bench.call(Event::Status, "c1"));
    assert_eq!(status, r#"{"executor_pid":7}"#);
    assert_eq!(bench.metric("mesos_command_lossy_outputs_total", "isolator_status"), 1);
}

#[test]
fn a_refusal_names_the_field_and_follows_the_events_failure_parameter() {
    let flags = r#"printf '{"clone_namespaces":[131072,256]}' >"$2""#;
    for (module, failure) in [("answers-fail", "fail"), ("answers-ignore", "ignore")] {
        let parameter = [("isolator_prepare_failure", failure)];
        let bench = Instance::new(module, &[("isolator_prepare", flags)], &parameter);
        match bench.call(Event::Prepare, "c1") {
            Answer::Failure(text) => {
                assert_eq!(failure, "fail");
                assert!(text.contains("'clone_namespaces' has a bit other than"), "{text}");
            }
            Answer::Nothing => assert_eq!(failure, "ignore"),
            answer @ Answer::Message(_) => panic!("it reached Mesos: {answer:?}"),
        }
        let refused = bench.metric("mesos_command_failures_total", "refused_output");
        assert_eq!(refused, 1);
    }
}
