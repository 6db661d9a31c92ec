//! Message bytes to JSON text, rule by rule.

use crate::{builtin_message, json_of, sample, wire};

/// Text that becomes a message, and the text that the message becomes.
#[test]
fn golden_examples() {
    for (name, input, output) in [
        (
            "mesos.CommandInfo",
            r#"{"value":"sleep 1","uris":[{"value":"http://x"}]}"#,
            r#"{"shell":true,"uris":[{"extract":true,"value":"http://x"}],"value":"sleep 1"}"#,
        ),
        (
            "mesos.Environment.Variable",
            r#"{"name":"n","value":"v"}"#,
            r#"{"name":"n","type":"VALUE","value":"v"}"#,
        ),
        (
            "mesos.SlaveInfo",
            r#"{"hostname":"h"}"#,
            r#"{"checkpoint":false,"hostname":"h","port":5051}"#,
        ),
        (
            "mesos.FrameworkInfo",
            r#"{"user":"u","name":"n"}"#,
            r#"{"checkpoint":false,"failover_timeout":0.0,"name":"n","user":"u"}"#,
        ),
        (
            "mesos.slave.ContainerConfig",
            r#"{"limits":{"mem":{"value":5},"cpus":{"value":"Infinity"}},"directory":"d","command_info":{}}"#,
            r#"{"command_info":{"shell":true},"directory":"d","limits":{"cpus":{"value":"Infinity"},"mem":{"value":5.0}}}"#,
        ),
        (
            "mesos.Resource",
            r#"{"name":"cpus","scalar":{"value":0.1},"type":"SCALAR"}"#,
            r#"{"name":"cpus","scalar":{"value":0.1},"type":"SCALAR"}"#,
        ),
        (
            "mesos.HealthCheck",
            "{}",
            r#"{"consecutive_failures":3,"delay_seconds":15.0,"grace_period_seconds":10.0,"interval_seconds":10.0,"timeout_seconds":20.0}"#,
        ),
        ("mesos.ResourceStatistics", r#"{"timestamp":1}"#, r#"{"timestamp":1.0}"#),
        (
            "mesos.ResourceStatistics",
            r#"{"timestamp":12345,"net_snmp_statistics":{"tcp_stats":{"CurrEstab":5}}}"#,
            r#"{"net_snmp_statistics":{"tcp_stats":{"CurrEstab":5}},"timestamp":12345.0}"#,
        ),
        (
            "mesos.slave.ContainerConfig",
            r#"{"directory":"/tmp/x","command_info":{"value":"sleep"}}"#,
            r#"{"command_info":{"shell":true,"value":"sleep"},"directory":"/tmp/x"}"#,
        ),
        ("mesos.Labels", "{}", "{}"),
        ("mesos.Labels", r#"{"labels":[]}"#, "{}"),
    ] {
        let message = builtin_message(name);
        let parsed = message.read_json(input.as_bytes()).unwrap();
        assert_eq!(parsed.losses, [], "{input}");
        assert_eq!(json_of(&message, &parsed.bytes), output);
    }
}

/// Every type, unset fields with defaults, and keys in order.
#[test]
fn every_type_has_its_spelling() {
    let all = sample::message("t.All");
    let defaults = r#""z_d":1.5,"z_e":"B","z_inf":"Infinity","z_s":"a\"b""#;
    for (input, expected) in [
        (r#"{"d":0.1}"#, r#""d":0.1"#),
        (r#"{"f":0.1}"#, r#""f":0.10000000149011612"#),
        (r#"{"i32":-5}"#, r#""i32":-5"#),
        (r#"{"i64":-9223372036854775808}"#, r#""i64":-9223372036854775808"#),
        (r#"{"i64":9007199254740993}"#, r#""i64":9007199254740993"#),
        (r#"{"u32":4294967295}"#, r#""u32":4294967295"#),
        (r#"{"u64":9223372036854775808}"#, r#""u64":9223372036854775808"#),
        (r#"{"s32":-2147483648}"#, r#""s32":-2147483648"#),
        (r#"{"s64":-77}"#, r#""s64":-77"#),
        (r#"{"x32":7,"x64":8,"sx32":-7,"sx64":-8}"#, r#""sx32":-7,"sx64":-8,"x32":7,"x64":8"#),
        (r#"{"b":false}"#, r#""b":false"#),
        (r#"{"s":"\u00e9\u0000/"}"#, "\"s\":\"\u{e9}\\u0000/\""),
        (r#"{"by":"//79/A"}"#, r#""by":"//79/A==""#),
        (r#"{"e":"NEG"}"#, r#""e":"NEG""#),
        (r#"{"p_i32":[1,-2,3],"p_e":["A","B"]}"#, r#""p_e":["A","B"],"p_i32":[1,-2,3]"#),
        (r#"{"ms":{"b":"2","a":"1"}}"#, r#""ms":{"a":"1","b":"2"}"#),
        // Keys are sorted as texts, so 10 comes before 9.
        (
            r#"{"mi":{"9":{"req":"x"},"10":{"req":"y"}}}"#,
            r#""mi":{"10":{"req":"y"},"9":{"req":"x"}}"#,
        ),
        (r#"{"mb":{"true":"A","false":null}}"#, r#""mb":{"false":"A","true":"A"}"#),
    ] {
        let parsed = all.read_json(input.as_bytes()).unwrap();
        assert_eq!(parsed.losses, [], "{input}");
        assert_eq!(json_of(&all, &parsed.bytes), format!("{{{expected},{defaults}}}"), "{input}");
    }
    // A deprecated field is written when it is set, only not when it is not.
    let old = all.read_json(br#"{"z_old":7}"#).unwrap();
    assert!(json_of(&all, &old.bytes).contains(r#""z_old":7"#));
}

#[test]
fn infinite_and_undefined_doubles() {
    let scalar = builtin_message("mesos.Value.Scalar");
    for (value, text) in [
        (f64::NEG_INFINITY, r#"{"value":"-Infinity"}"#),
        (f64::NAN, r#"{"value":NaN}"#),
        (-0.0, r#"{"value":-0.0}"#),
        (1e21, r#"{"value":1e21}"#),
        (1.5e-7, r#"{"value":1.5e-7}"#),
    ] {
        let mut bytes = vec![0x09];
        bytes.extend_from_slice(&value.to_le_bytes());
        assert_eq!(json_of(&scalar, &bytes), text);
    }
}

#[test]
fn the_wire_may_be_in_any_order_and_form() {
    let inner = |bytes: &[u8]| wire::bytes(17, bytes);
    written(&[
        // The last occurrence of a scalar counts.
        ([wire::varint(3, 1), wire::varint(3, 2)].concat(), r#""i32":2"#),
        // Occurrences of a singular message are merged.
        (
            [inner(&wire::bytes(1, b"a")), wire::varint(13, 1), inner(&wire::varint(2, 9))]
                .concat(),
            r#""b":true,"m":{"opt":9,"req":"a"}"#,
        ),
        // A packed list may come unpacked, in pieces, and the other way round.
        (
            [wire::varint(200, 1), wire::bytes(200, &[2, 4]), wire::bytes(200, &[])].concat(),
            r#""p_i32":[-1,1,2]"#,
        ),
        ([wire::bytes(103, &[1, 2]), wire::varint(103, 3)].concat(), r#""r_i32":[1,2,3]"#),
        // Unknown fields, groups and values of another wire type are skipped.
        (
            [wire::varint(9999, 1), vec![0x9b, 0x06, 0x08, 0x01, 0x9c, 0x06], wire::varint(3, 5)]
                .concat(),
            r#""i32":5"#,
        ),
        ([wire::bytes(3, b"x"), wire::varint(13, 1)].concat(), r#""b":true"#),
        // Numbers that the enum does not have are as unknown fields.
        (
            [wire::varint(16, 2), wire::varint(16, 77), wire::bytes(202, &[1, 50, 2])].concat(),
            r#""e":"B","p_e":["A","B"]"#,
        ),
        ([wire::varint(116, 99), wire::varint(13, 0)].concat(), r#""b":false"#),
    ]);
    let all = sample::message("t.All");
    // An unknown number does not hide the default, and a map value of one takes its entry along.
    assert!(json_of(&all, &wire::varint(502, 99)).contains(r#""z_e":"B""#));
    let entry = [wire::varint(1, 1), wire::varint(2, 99)].concat();
    assert!(!json_of(&all, &wire::bytes(302, &entry)).contains("mb"));
}

/// What a message's bytes are written as, at its beginning.
fn written(cases: &[(Vec<u8>, &str)]) {
    let all = sample::message("t.All");
    for (bytes, expected) in cases {
        let text = json_of(&all, bytes);
        assert!(text.starts_with(&format!("{{{expected},\"z_d\"")), "{text}\n{expected}");
    }
}

#[test]
fn the_last_of_a_oneof_and_of_equal_map_keys_counts() {
    written(&[
        // Of a oneof the last member counts, and starts afresh.
        (
            [
                wire::bytes(401, &wire::bytes(1, b"old")),
                wire::varint(400, 1),
                wire::bytes(401, &wire::varint(2, 3)),
            ]
            .concat(),
            r#""ob":{"opt":3}"#,
        ),
        // Of equal map keys the last counts; an absent key or value is the zero of its type.
        (
            [
                wire::bytes(300, &[wire::bytes(1, b"k"), wire::bytes(2, b"1")].concat()),
                wire::bytes(300, &[wire::bytes(2, b"2"), wire::bytes(1, b"k")].concat()),
                wire::bytes(300, &[]),
                wire::bytes(302, &[]),
            ]
            .concat(),
            r#""mb":{"false":"A"},"ms":{"":"","k":"2"}"#,
        ),
    ]);
}

#[test]
fn without_presence_zero_is_unset() {
    let bare = sample::message("t3.Bare");
    let bytes = [wire::varint(1, 0), wire::bytes(2, b""), wire::bytes(3, b"")].concat();
    assert_eq!(json_of(&bare, &bytes), r#"{"m":{}}"#);
    assert_eq!(json_of(&bare, &wire::varint(1, 4)), r#"{"n":4}"#);
}

#[test]
fn malformed_bytes_are_refused_with_their_place() {
    let all = sample::message("t.All");
    for (bytes, offset, what) in [
        (vec![0x08], 1, "cut short"),
        (vec![0x0d, 1, 2], 1, "cut short"),
        (vec![0x09, 1, 2], 1, "cut short"),
        (vec![0x72, 5, b'a'], 2, "longer than what is left"),
        (vec![0x72, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], 11, "longer"),
        (vec![0x18, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1], 1, "too long"),
        (vec![0x00, 0x00], 0, "number 0"),
        (vec![0x0e, 0x00], 1, "wire type"),
        (vec![0x0c], 0, "did not start"),
        (vec![0x0b, 0x14], 1, "not the innermost"),
        (vec![0x0b], 1, "cut short"),
        (wire::bytes(200, &[0x80]), 3, "cut short"),
        ([wire::varint(13, 1), wire::bytes(17, &[0x0a, 9])].concat(), 7, "longer"),
        (vec![0xf8, 0xff, 0xff, 0xff, 0xff, 0x01, 0], 0, "too large"),
    ] {
        let mut out = b"kept".to_vec();
        let error = all.write_json(&bytes, &mut out).unwrap_err();
        assert_eq!(out, b"kept");
        assert!(error.to_string().contains(what), "{bytes:x?}: {error}");
        assert_eq!(error.offset, offset, "{bytes:x?}: {error}");
    }
    let groups = vec![0x0b; 100_000];
    let error = all.write_json(&groups, &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("groups lie too deep"), "{error}");
}

#[test]
fn deep_messages_end_in_an_error() {
    let id = builtin_message("mesos.ContainerID");
    assert_eq!(json_of(&id, &wire::nested(2, 3)), r#"{"parent":{"parent":{"parent":{}}}}"#);
    assert!(json_of(&id, &wire::nested(2, 200)).ends_with(&"}".repeat(201)));
    for depth in [201, 100_000] {
        let bytes = wire::nested(2, depth);
        let error = id.write_json(&bytes, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("too deep"), "{error}");
    }
}
