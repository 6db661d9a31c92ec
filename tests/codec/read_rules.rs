//! JSON text to message bytes: the tables of what the host accepts and refuses.

use mesos_command::schema::LossKind::{
    Fraction, OutOfRange, ThroughDouble, UnknownEnumName, UnknownKey,
};
use mesos_command::schema::{LossKind, ReadError};

use crate::{builtin_message, json_of, sample};

const CONVERSION: &str = "Error while converting JSON to protobuf. ";

/// Reads a sample message and gives it back as text, without the unset defaults at its end.
fn read(input: &[u8]) -> Result<(String, Vec<LossKind>), String> {
    let all = sample::message("t.All");
    let parsed = all.read_json(input).map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    all.write_json(&parsed.bytes, &mut out).unwrap();
    let text = String::from_utf8_lossy(&out).into_owned();
    let end = text.find("\"z_d\"").unwrap();
    let text = format!("{}}}", text[..end].trim_end_matches(','));
    Ok((text, parsed.losses.iter().map(|loss| loss.kind).collect()))
}

#[test]
fn texts_that_the_parser_accepts() {
    for (input, output) in [
        (&br#"{"d":01}"#[..], r#"{"d":1.0}"#),
        (br#"{"d":5.}"#, r#"{"d":5.0}"#),
        (br#"{"d":-.5}"#, r#"{"d":-0.5}"#),
        (br#"{"d":-0}"#, r#"{"d":0.0}"#),
        (br#"{"d":-0.0}"#, r#"{"d":-0.0}"#),
        (br#"{"d":1e3}"#, r#"{"d":1000.0}"#),
        (br#"{"d":1E+3}"#, r#"{"d":1000.0}"#),
        (br#"{"d":1e-400}"#, r#"{"d":0.0}"#),
        (br#"{"i32":1,"i32":2}"#, r#"{"i32":2}"#),
        // The last of equal keys counts even when it takes the value away.
        (br#"{"i32":1,"i32":null}"#, "{}"),
        (br#"{"m":{"req":"a","opt":1},"m":{"req":"b"}}"#, r#"{"m":{"req":"b"}}"#),
        (b" \t\r\n{ \"i32\" : 007 } \n\x0b\x0c", r#"{"i32":7}"#),
        (
            br#"{"s":"\ud83d\ude00\/\b\f\n\r\t\"\\"}"#,
            "{\"s\":\"\u{1f600}/\\b\\f\\n\\r\\t\\\"\\\\\"}",
        ),
        (b"{\"s\":\"\x7f\"}", "{\"s\":\"\x7f\"}"),
        (b"{\"s\":\"\xef\xbb\xbf\"}", "{\"s\":\"\u{feff}\"}"),
        (b"{}", "{}"),
    ] {
        let (text, losses) = read(input).unwrap();
        assert_eq!((text.as_str(), losses.len()), (output, 0), "{}", input.escape_ascii());
    }
}

#[test]
fn texts_that_the_parser_refuses() {
    for input in [
        &b""[..],
        b"  \n",
        b"{\"a\":1,}",
        b"[1,]",
        b"{'a':1}",
        b"{\"a\":1 // no\n}",
        b"{\"a\":+1}",
        b"\xef\xbb\xbf{}",
        b"{\"a\":.5}",
        b"{\"a\":NaN}",
        b"{\"a\":Infinity}",
        b"{\"a\":-Infinity}",
        b"{\"a\":0x10}",
        b"{\"a\":\"\t\"}",
        b"{\"a\":\"\n\"}",
        b"{\"a\":\"\\x\"}",
        b"{\"a\":\"\\ud800\"}",
        b"{\"a\":\"\\udc00\"}",
        b"{\"a\":\"\\ud800\\u0041\"}",
        b"{} x",
        b"{}{}",
        b"{\"a\":1e400}",
        b"{\"a\":-1e400}",
        b"{\"a\":1e}",
        b"{\"a\":-}",
        b"{\"a\":1-2}",
        b"{\"a\":\"\\u12g4\"}",
        b"{\"a\":tru}",
        b"{a:1}",
        b"{\"a\"}",
        b"{\"a\":",
        b"{\"a\":\"",
        b"{\"a\":\"\\UDBFF\\UDFFF\"}",
        b"{}\0",
        b"{\x0b}",
        b"{\"a\":\"\\\xff\"}",
    ] {
        let error = read(input).unwrap_err();
        assert!(error.starts_with("Malformed JSON. "), "{}: {error}", input.escape_ascii());
    }
}

#[test]
fn malformed_text_is_shown_where_it_is() {
    let of = |input: &[u8]| read(input).unwrap_err();
    assert_eq!(
        of(b"{\n \"a\": 007,\n \"b\": 0001, oops}"),
        "Malformed JSON. key must be a string at line 3 column 13, near \"oops}\""
    );
    assert_eq!(of(b" "), "Malformed JSON. The text is empty at line 1 column 1");
    let beyond = of(&[b"{\"a\":\"\xff\xff\xff\" ".as_slice(), &b"x".repeat(100)].concat());
    assert!(beyond.contains("line 1 column 12, near \"xxx"), "{beyond}");
    assert!(beyond.len() < 200, "{beyond}");
}

#[test]
fn anything_but_an_object_is_refused() {
    for (input, found) in [
        ("[]", "an array"),
        ("1", "a number"),
        ("\"a\"", "a string"),
        ("null", "null"),
        ("true", "a boolean"),
    ] {
        let start = format!("Malformed Protobuf. JSON object is expected. Found {found}");
        assert_eq!(read(input.as_bytes()), Err(start));
        let list = builtin_message("mesos.SlaveInfo").read_json_list("resources", input.as_bytes());
        assert_eq!(list, Err(ReadError::NotAnObject { found }));
    }
}

/// Field values that are accepted, what they become, and what is lost.
#[test]
fn values_that_fields_accept() {
    for (input, output, losses) in [
        (r#""d":1"#, r#""d":1.0"#, &[][..]),
        (r#""d":"1.5""#, r#""d":1.5"#, &[]),
        (r#""d":" 1.5""#, r#""d":1.5"#, &[]),
        (r#""d":"05.""#, r#""d":5.0"#, &[]),
        (r#""d":"Infinity""#, r#""d":"Infinity""#, &[]),
        (r#""f":"-Infinity""#, r#""f":"-Infinity""#, &[]),
        (r#""f":1e39"#, r#""f":"Infinity""#, &[OutOfRange]),
        (r#""d":18446744073709551615"#, r#""d":18446744073709552000.0"#, &[]),
        (r#""i32":"12""#, r#""i32":12"#, &[]),
        (r#""i32":3.0"#, r#""i32":3"#, &[]),
        (r#""i32":3.9"#, r#""i32":3"#, &[Fraction]),
        (r#""i32":-3.9"#, r#""i32":-3"#, &[Fraction]),
        (r#""i32":4294967296"#, r#""i32":0"#, &[OutOfRange]),
        (r#""i32":1e10"#, r#""i32":-2147483648"#, &[OutOfRange]),
        (r#""u32":-1"#, r#""u32":4294967295"#, &[OutOfRange]),
        (r#""u64":-1"#, r#""u64":18446744073709551615"#, &[OutOfRange]),
        (r#""u64":18446744073709551615"#, r#""u64":0"#, &[ThroughDouble]),
        (r#""u64":9223372036854775809"#, r#""u64":9223372036854775808"#, &[ThroughDouble]),
        (r#""u64":9223372036854775808"#, r#""u64":9223372036854775808"#, &[]),
        (r#""u64":9223372036854775808"#, r#""u64":9223372036854775808"#, &[]),
        (r#""i64":9223372036854775807"#, r#""i64":9223372036854775807"#, &[]),
        (r#""x32":"-1""#, r#""x32":4294967295"#, &[OutOfRange]),
        (r#""sx64":-1.0"#, r#""sx64":-1"#, &[]),
        (r#""b":true"#, r#""b":true"#, &[]),
        (r#""b":"false""#, r#""b":false"#, &[]),
        (r#""b":" true ""#, r#""b":true"#, &[]),
        (r#""by":"YWI""#, r#""by":"YWI=""#, &[]),
        (r#""by":"Y W\nI=""#, r#""by":"YWI=""#, &[]),
        (r#""e":"B""#, r#""e":"B""#, &[]),
        (r#""e":"C""#, "", &[UnknownEnumName]),
        (r#""e":"2""#, "", &[UnknownEnumName]),
        (r#""r_e":["A","C","B"]"#, r#""r_e":["A","B"]"#, &[UnknownEnumName]),
        (r#""i32":null"#, "", &[]),
        (r#""m":null"#, "", &[]),
        (r#""r_i32":[1,null,2]"#, r#""r_i32":[1,2]"#, &[]),
        (r#""r_i32":7"#, r#""r_i32":[7]"#, &[]),
        (r#""r_i32":"7""#, r#""r_i32":[7]"#, &[]),
        (r#""r_i32":[[1,[2]],[],[3]]"#, r#""r_i32":[1,2,3]"#, &[]),
        (r#""p_i32":[[1],2]"#, r#""p_i32":[1,2]"#, &[]),
        (r#""r_m":{"req":"x"}"#, r#""r_m":[{"req":"x"}]"#, &[]),
        (r#""r_s":[]"#, "", &[]),
        (r#""ms":{"k":null,"l":"v"}"#, r#""ms":{"k":"","l":"v"}"#, &[]),
        (r#""mi":{"010":{"req":"x"}}"#, r#""mi":{"10":{"req":"x"}}"#, &[]),
        (r#""mb":{"true":"C"}"#, r#""mb":{"true":"A"}"#, &[UnknownEnumName]),
        // An array of entries is taken for a list of maps.
        (r#""ms":[{"key":"a"},{"value":"b"}]"#, r#""ms":{"key":"a","value":"b"}"#, &[]),
        (r#""nix":{"a":[1]},"I32":5,"i32":1"#, r#""i32":1"#, &[UnknownKey, UnknownKey]),
        (r#""m":{"req":"x","nix":1}"#, r#""m":{"req":"x"}"#, &[UnknownKey]),
        // Of a oneof the last key in sorted order counts, whatever the order in the text.
        (r#""oc":"x","oa":1"#, r#""oc":"x""#, &[]),
        (r#""ob":{},"oc":"x""#, r#""oc":"x""#, &[]),
        (r#""oa":1,"ob":{"req":"y"},"oc":null"#, r#""ob":{"req":"y"}"#, &[]),
    ] {
        let (text, lost) = read(format!("{{{input}}}").as_bytes()).expect(input);
        assert_eq!((text.as_str(), &*lost), (&*format!("{{{output}}}"), losses), "{input}");
    }
}

/// Field values that are refused: the words of the original, then the place.
#[test]
fn values_that_fields_refuse() {
    for (input, message) in [
        (
            r#""d":"NaN""#,
            "Failed to parse 'NaN' as a JSON number for field 'd': It is not a number (at d, ",
        ),
        (r#""d":"""#, "Failed to parse '' as a JSON number for field 'd': "),
        (r#""d":"abc""#, "Failed to parse 'abc' as a JSON number for field 'd': "),
        (r#""d":"1 ""#, "Failed to parse '1 ' as a JSON number for field 'd': "),
        (
            r#""d":"1e400""#,
            "Failed to parse '1e400' as a JSON number for field 'd': Value out of range",
        ),
        (r#""i32":"Infinity""#, "Failed to parse 'Infinity' as a JSON number for field 'i32': "),
        (r#""d":true"#, "Not expecting a JSON boolean for field 'd'"),
        (r#""i32":false"#, "Not expecting a JSON boolean for field 'i32'"),
        (r#""i32":{}"#, "Not expecting a JSON object for field 'i32'"),
        (r#""b":1"#, "Not expecting a JSON number for field 'b' (at b, expected true or false)"),
        (r#""b":0"#, "Not expecting a JSON number for field 'b'"),
        (r#""b":"1""#, "Failed to parse '1' as a JSON boolean for field 'b': "),
        (r#""b":"TRUE""#, "Failed to parse 'TRUE' as a JSON boolean for field 'b': "),
        (r#""b":"yes""#, "Failed to parse 'yes' as a JSON boolean for field 'b': "),
        (r#""s":4"#, "Not expecting a JSON number for field 's' (at s, expected a string)"),
        (r#""s":true"#, "Not expecting a JSON boolean for field 's'"),
        (r#""s":{}"#, "Not expecting a JSON object for field 's'"),
        (r#""by":"YW-_""#, "Failed to base64 decode bytes field 'by': Invalid character '-'"),
        (r#""by":5"#, "Not expecting a JSON number for field 'by'"),
        (r#""e":2"#, "Not expecting a JSON number for field 'e' (at e, expected one of A, B, NEG)"),
        (
            r#""need":{"e":"C"}"#,
            "Failed to find enum for 'C' (at need.e, expected one of A, B, NEG)",
        ),
        (r#""m":"x""#, "Not expecting a JSON string for field 'm' (at m, expected an object)"),
        (r#""m":5"#, "Not expecting a JSON number for field 'm'"),
        (r#""m":[]"#, "Not expecting a JSON array for field 'm'"),
        (r#""i32":[1]"#, "Not expecting a JSON array for field 'i32'"),
        (
            r#""r_i32":[1,true]"#,
            "Not expecting a JSON boolean for field 'r_i32' (at r_i32[1], expected an integer or a numeric string, or an array of such)",
        ),
        (r#""r_m":["x"]"#, "Not expecting a JSON string for field 'r_m' (at r_m[0], "),
        (r#""ms":"x""#, "Not expecting a JSON string for field 'ms'"),
        (
            r#""ms":{"k":5}"#,
            "Not expecting a JSON number for field 'value' (at ms.k, expected a string)",
        ),
        (r#""ms":{"k":["a"]}"#, "Not expecting a JSON array for field 'value'"),
        (r#""mi":{"x":{"req":"a"}}"#, "Failed to parse 'x' as a JSON number for field 'key': "),
        (r#""mb":{"1":"A"}"#, "Failed to parse '1' as a JSON boolean for field 'key': "),
        (
            r#""r_m":[{"req":"a"},{"req":"b","opt":{}}]"#,
            "Not expecting a JSON object for field 'opt' (at r_m[1].opt, ",
        ),
    ] {
        let error = read(format!("{{{input}}}").as_bytes()).expect_err(input);
        assert!(error.starts_with(&format!("{CONVERSION}{message}")), "{input}: {error}");
    }
}

#[test]
fn required_fields_are_checked_over_the_whole_tree() {
    for (name, input, missing) in [
        ("mesos.ResourceStatistics", r#"{"cpus_limit":1}"#, "timestamp"),
        (
            "mesos.Environment",
            r#"{"variables":[{"bad_name":"x","value":"y"}]}"#,
            "variables[0].name",
        ),
        (
            "mesos.TaskInfo",
            r#"{"name":"n","slave_id":{"value":"s"},"resources":[{"type":"SCALAR"}]}"#,
            "task_id, resources[0].name",
        ),
        (
            "mesos.TaskInfo",
            r#"{"limits":{"cpus":{}}}"#,
            "name, task_id, slave_id, limits[0].value.value",
        ),
        (
            "t.All",
            r#"{"m":{},"rec":{"r_m":[{"req":"a"},{}]},"need":{}}"#,
            "m.req, rec.r_m[1].req, need.e",
        ),
        ("t.All", r#"{"m":{"req":null}}"#, "m.req"),
        ("t.All", r#"{"ob":{}}"#, "ob.req"),
        ("t.All", r#"{"mi":{"1":null}}"#, "mi[0].value.req"),
        // Of equal keys only the last entry counts.
        ("t.All", r#"{"mi":[{"1":{}},{"2":{}},{"1":{}}]}"#, "mi[0].value.req, mi[1].value.req"),
    ] {
        let message = sample::schema().message(name).unwrap_or_else(|| builtin_message(name));
        let error = message.read_json(input.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), format!("{CONVERSION}Missing required fields: {missing}"));
    }
    let many = format!("{{\"r_m\":[{}{{}}]}}", "{},".repeat(99_999));
    let error = read(many.as_bytes()).unwrap_err();
    assert!(error.ends_with("more") && error.len() < 2000, "{error}");
}

#[test]
fn wrong_shape_of_a_prepare_answer() {
    let message = builtin_message("mesos.slave.ContainerLaunchInfo");
    let error = message.read_json(br#"{"rootfs":4}"#).unwrap_err().to_string();
    let start = format!("{CONVERSION}Not expecting a JSON number for field 'rootfs'");
    assert!(error.starts_with(&start), "{error}");
}

#[test]
fn losses_say_where_and_what() {
    let all = sample::message("t.All");
    let input = br#"{"rec":{"r_m":[{"req":"a","nix":1}],"r_e":["A","C"]},
        "u32":-1,"i32":1.5,"u64":18446744073709551615}"#;
    let shown: Vec<_> =
        all.read_json(input).unwrap().losses.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "i32: 1.5 is not an integer, fraction cut off",
            "rec.r_e[1]: unknown enum name 'C', ignored",
            "rec.r_m[0].nix: unknown key, ignored",
            "u32: -1 is out of range, stored as 4294967295",
            "u64: 18446744073709551615 does not fit a signed integer of 64 bits and is read as a \
             double, as in the original: stored as 0",
        ]
    );
    let long = format!("{{\"{}\":1}}", "k".repeat(100_000));
    assert!(all.read_json(long.as_bytes()).unwrap().losses[0].path.len() < 100);
    let keys: Vec<_> = (0..5000).map(|key| format!("\"k{key}\":0")).collect();
    let many = all.read_json(format!("{{{}}}", keys.join(",")).as_bytes()).unwrap();
    assert_eq!(many.losses.len(), 100);
}

#[test]
fn stray_bytes_survive_to_the_wire() {
    let label = builtin_message("mesos.Parameter");
    let text =
        b"{\"key\":\"a\xff\xed\xa0\x80\xf4\x8f\xbf\xbf\xc3\",\"value\":\"\\udbff\\udfff\\u0000\"}";
    let parsed = label.read_json(text).unwrap();
    let mut expected = crate::wire::bytes(1, b"a\xff\xed\xa0\x80\xf4\x8f\xbf\xbf\xc3");
    expected.extend(crate::wire::bytes(2, b"\xf4\x8f\xbf\xbf\0"));
    assert_eq!(parsed.bytes, expected);
    let ids =
        sample::message("t.All").read_json(b"{\"ms\":{\"\xff\":\"\xfe\"},\"\xff\":1}").unwrap();
    assert_eq!(ids.bytes, [&[0xe2, 0x12, 6, 0x0a, 1, 0xff, 0x12, 1, 0xfe][..]].concat());
    assert_eq!(ids.losses.len(), 1);
}

#[test]
fn a_list_answer_sets_one_field() {
    let slave = builtin_message("mesos.SlaveInfo");
    let read = |text: &str| slave.read_json_list("resources", text.as_bytes());
    for empty in ["{}", r#"{"resources":[]}"#, r#"{"resources":null}"#] {
        let parsed = read(empty).unwrap();
        assert_eq!((parsed.bytes.len(), parsed.losses.len()), (0, 0), "{empty}");
    }
    let parsed =
        read(r#"{"resources":[{"name":"a","type":"SCALAR"}],"hostname":"h","x":1}"#).unwrap();
    assert_eq!(
        json_of(&slave, &parsed.bytes),
        r#"{"checkpoint":false,"port":5051,"resources":[{"name":"a","type":"SCALAR"}]}"#
    );
    let lost: Vec<_> = parsed.losses.iter().map(|loss| (loss.kind, &*loss.path)).collect();
    assert_eq!(lost, [(UnknownKey, "hostname"), (UnknownKey, "x")]);
    let error = read(r#"{"resources":[{"name":"a"}]}"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{CONVERSION}Missing required fields: resources[0].type")
    );
    assert!(read(r#"{"resources":5}"#).is_err());
    for field in ["hostname", "nix"] {
        let error = slave.read_json_list(field, b"{}").unwrap_err();
        assert!(matches!(error, ReadError::NoSuchList { .. }), "{error}");
    }
}

#[test]
fn depth_is_limited_as_in_the_host() {
    let labels = builtin_message("mesos.Labels");
    let nested = |depth: usize| format!("{{\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(labels.read_json(nested(199).as_bytes()).is_ok());
    let error = labels.read_json(nested(200).as_bytes()).unwrap_err();
    assert!(error.to_string().starts_with("Malformed JSON. nested deeper than 200"), "{error}");
    for piece in ["[", "{\"parent\":", "[{\"x\":"] {
        assert!(labels.read_json(piece.repeat(100_000).as_bytes()).is_err());
    }
    // Messages that the host's parser would refuse for their depth are refused here, by name.
    let id = builtin_message("mesos.ContainerID");
    let deep = |depth: usize| {
        format!("{}{}", "{\"value\":\"v\",\"parent\":".repeat(depth), "{\"value\":\"v\"}")
            + &"}".repeat(depth)
    };
    assert!(id.read_json(deep(100).as_bytes()).is_ok());
    let error = id.read_json(deep(101).as_bytes()).unwrap_err();
    assert!(error.to_string().starts_with(CONVERSION), "{error}");
}
