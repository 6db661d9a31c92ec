//! Questions about message bytes.

use mesos_command::schema::FieldValue;

use crate::{builtin_message, sample, wire};

#[test]
fn fields_of_a_prepare_answer_are_found() {
    let launch = builtin_message("mesos.slave.ContainerLaunchInfo");
    let bytes = launch
        .read_json(
            br#"{"clone_namespaces":[131072,64],"command":{"shell":false,"value":"x",
            "uris":[{"value":"u"}]},"environment":{"variables":[{"name":"a"},{"name":"b"}]}}"#,
        )
        .unwrap()
        .bytes;
    for (path, found) in [
        ("rootfs", false),
        ("user", false),
        ("command", true),
        ("command.shell", true),
        ("command.uris", true),
        ("command.environment", false),
        ("command.user", false),
        ("clone_namespaces", true),
        ("enter_namespaces", false),
        ("command.nix", false),
        ("nix", false),
        ("command.shell.deeper", false),
        ("", false),
    ] {
        assert_eq!(launch.has_field(&bytes, path), Ok(found), "{path}");
    }
    let clone = launch.find_field(&bytes, "clone_namespaces").unwrap();
    assert_eq!(clone, [FieldValue::Bits(131_072), FieldValue::Bits(64)]);
    let names = launch.find_field(&bytes, "environment.variables.name").unwrap();
    assert_eq!(names, [FieldValue::Bytes(b"a"), FieldValue::Bytes(b"b")]);
    assert!(launch.has_field(b"\x0a", "rootfs").is_err());
}

#[test]
fn values_are_merged_unpacked_and_decoded() {
    let all = sample::message("t.All");
    let bytes = [
        wire::bytes(17, &wire::bytes(1, b"a")),
        wire::bytes(200, &[1, 4]),
        wire::bytes(17, &wire::varint(2, u64::MAX)),
        wire::varint(7, 3),
    ]
    .concat();
    assert_eq!(all.find_field(&bytes, "m.req").unwrap(), [FieldValue::Bytes(b"a")]);
    assert_eq!(all.find_field(&bytes, "m.opt").unwrap(), [FieldValue::Bits(u64::MAX)]);
    assert_eq!(all.find_field(&bytes, "m").unwrap().len(), 1);
    assert_eq!(all.find_field(&bytes, "s32").unwrap(), [FieldValue::Bits(-2i64 as u64)]);
    assert_eq!(
        all.find_field(&bytes, "p_i32").unwrap(),
        [FieldValue::Bits(u64::MAX), FieldValue::Bits(2)]
    );
}

#[test]
fn a_field_is_taken_out_wherever_it_lies() {
    let statistics = builtin_message("mesos.ResourceStatistics");
    let stamp = |seconds: f64| wire::fixed(1, &seconds.to_le_bytes());
    let limit = wire::fixed(4, &2.0f64.to_le_bytes());
    let mut bytes = [stamp(1.0), limit.clone(), stamp(2.0)].concat();
    assert_eq!(statistics.clear_field(&mut bytes, "timestamp"), Ok(true));
    assert_eq!(bytes, limit);
    assert_eq!(statistics.clear_field(&mut bytes, "timestamp"), Ok(false));
    assert_eq!(statistics.clear_field(&mut bytes, "nix"), Ok(false));
    bytes.push(0x09);
    let before = bytes.clone();
    assert!(statistics.clear_field(&mut bytes, "timestamp").is_err());
    assert_eq!(bytes, before);
}
