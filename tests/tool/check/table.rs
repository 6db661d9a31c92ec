//! A table of faulty configurations and scripts: the code of the finding, where it points, and what
//! it advises. `«…»` marks the text that has to be underlined.

use serde_json::Value;

use super::{ISOLATOR, check_json, library, raw, write};
use crate::support::Place;

/// A text without its marks; the line and the column at which they begin, and what they enclose.
struct Marked {
    text: String,
    line: u64,
    column: u64,
    meant: String,
}

impl Marked {
    fn new(text: &str) -> Marked {
        let (before, rest) = text.split_once('«').unwrap_or_else(|| panic!("no mark in {text}"));
        let (meant, after) = rest.split_once('»').expect("the second mark");
        let last = before.rsplit('\n').next().unwrap_or_default();
        Marked {
            text: format!("{before}{meant}{after}"),
            line: before.matches('\n').count() as u64 + 1,
            column: last.chars().count() as u64 + 1,
            meant: meant.to_owned(),
        }
    }

    /// Demands a finding of this code at this place.
    fn expect(&self, found: &Value, code: &str, advice: &str) {
        let of_code: Vec<&Value> = found["findings"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|finding| finding["code"] == code)
            .collect();
        let is_here = |finding: &&&Value| {
            let place = &finding["place"];
            (place["line"].as_u64(), place["column"].as_u64(), place["text"].as_str())
                == (Some(self.line), Some(self.column), Some(self.meant.as_str()))
        };
        let wanted = format!("{code} at {}:{} '{}'", self.line, self.column, self.meant);
        let finding = of_code.iter().find(is_here);
        let finding = finding.unwrap_or_else(|| panic!("no {wanted} in {found:#}"));
        let told = finding["advice"].as_str().unwrap_or_default();
        assert!(told.contains(advice), "{wanted} advises '{told}' and not '{advice}'");
    }
}

/// Whole modules files; `LIB` is a library that is there.
const FILES: &[(&str, &str, &str)] = &[
    ("MC004", r#"{"libraries":[«"x"»]}"#, ""),
    ("MC004", "{\"libraries\":[\n «»// comment\n]}", ""),
    ("MC004", "{\"libraries\":[{\"file\":\"LIB\"},\n«»]}", "take the comma before it away"),
    ("MC004", r#"{"libraries":[{"file":"LIB","modules":[{"name":«7»}]}]}"#, "write \"7\""),
    ("MC004", r#"{"libraries":«"LIB"»}"#, ""),
    ("MC004", "«[]»", ""),
    ("MC005", r#"{«"library"»:[],"libraries":[]}"#, "spelt exactly so"),
    ("MC005", r#"{"libraries":[{"file":"LIB",«"module"»:[]}]}"#, "spelt exactly so"),
    ("MC007", r#"{"libraries":[],«"libraries"»:[]}"#, "keep one"),
    ("MC020", r#"{"libraries":[«{"modules":[]}»]}"#, "absolute path"),
    ("MC023", r#"{"libraries":[{"file":«"./x.so"»}]}"#, "absolute path"),
    ("MC030", r#"{"libraries":[{"file":"LIB","modules":[«{"parameters":[]}»]}]}"#, "name a symbol"),
    (
        "MC031",
        r#"{"libraries":[{"file":"LIB","modules":[{"name":«"com_criteo_mesos_CommandHook1"»}]}]}"#,
        "CommandHook2 to",
    ),
    (
        "MC031",
        r#"{"libraries":[{"file":"LIB","modules":[{"name":«"com_criteo_mesos_CommandIsolater"»}]}]}"#,
        "CommandIsolator2 to",
    ),
    (
        "MC032",
        r#"{"libraries":[{"file":"LIB","modules":[{"name":"com_criteo_mesos_CommandHook"},
 {"name":«"com_criteo_mesos_CommandHook"»,"parameters":{"key":"module_name","value":"x"}}]}]}"#,
        "a symbol of its own",
    ),
    (
        "MC060",
        r#"{"libraries":[{"file":"LIB","modules":[{"name":«"com_criteo_mesos_CommandHook"»}]}]}"#,
        "add it",
    ),
];

/// Parameters of an isolator that has a `module_name`, a `state_dir` and a command; `$D` is the
/// place, with an executable script `c`.
const PARAMETERS: &[(&str, &str, &str)] = &[
    ("MC004", r#"{"key":"max_parallel","value":«4»}"#, "write \"4\""),
    ("MC004", r#"{"key":"nested","value":«true»}"#, ""),
    ("MC004", r#"«{"key":"nested"}»"#, ""),
    ("MC061", r#"{"key":«"isolator_usage_comand"»,"value":"$D/c"}"#, "'isolator_usage_command'"),
    ("MC061", r#"{"key":«"kil_grace"»,"value":"1s"}"#, "'kill_grace'"),
    ("MC061", r#"{"key":«"colour"»,"value":"red"}"#, "explain parameters"),
    ("MC062", r#"{"key":«"isolator_usage"»,"value":"$D/c"}"#, "'isolator_usage_command'"),
    ("MC063", r#"{"key":«"hook_slave_post_fetch_hook_command"»,"value":"$D/c"}"#, "kind Hook"),
    (
        "MC064",
        r#"{"key":"isolator_usage_command","value":"$D/c"},
 {"key":«"isolator_usage_command"»,"value":"/bin/true"}"#,
        "keep one",
    ),
    ("MC066", r#"{"key":"kill_grace","value":«"soon"»}"#, "change or remove"),
    ("MC066", r#"{"key":"max_parallel","value":«"0"»}"#, "change or remove"),
    ("MC066", r#"{"key":"max_parallel","value":«"1025"»}"#, "change or remove"),
    ("MC066", r#"{"key":"stdio","value":«"log"»}"#, "change or remove"),
    ("MC066", r#"{"key":"io","value":«"pipe"»}"#, "change or remove"),
    ("MC066", r#"{"key":"max_output_bytes","value":«"0"»}"#, "change or remove"),
    ("MC066", r#"{"key":"module_name","value":«"a/b"»}"#, "change or remove"),
    ("MC066", r#"{"key":"temp_dir","value":«"tmp"»}"#, "change or remove"),
    ("MC066", r#"{"key":"metrics_address","value":«"localhost:9464"»}"#, "change or remove"),
    ("MC066", r#"{"key":"isolator_prepare_timeout","value":«"0"»}"#, "change or remove"),
    ("MC066", r#"{"key":"isolator_prepare_mode","value":«"forever"»}"#, "change or remove"),
    ("MC066", r#"{"key":"isolator_prepare_mode","value":«"warm"»}"#, "change or remove"),
    ("MC066", r#"{"key":"isolator_prepare_workers","value":«"65"»}"#, "change or remove"),
    ("MC066", r#"{"key":"isolator_prepare_nice","value":«"20"»}"#, "change or remove"),
    ("MC150", r#"{"key":"isolator_prepare_when","value":"nested «=» x"}"#, "write '=='"),
    (
        "MC150",
        r#"{"key":"isolator_prepare_when","value":"label.\"a b\" «!=» x"}"#,
        "!(FIELD == TEXT)",
    ),
    (
        "MC150",
        r#"{"key":"isolator_prepare_when","value":"nested &&«»"}"#,
        "accepted are label.NAME",
    ),
    ("MC150", r#"{"key":"isolator_prepare_when","value":"image == «nginx*»"}"#, "^= BEGINNING"),
    ("MC151", r#"{"key":"isolator_usage_when","value":"«framework.name» == x"}"#, "framework.id"),
    ("MC151", r#"{"key":"isolator_recover_when","value":"«nested»"}"#, "no condition is possible"),
    ("MC152", r#"{"key":"isolator_usage_when","value":"executor == «docker»"}"#, "command, custom"),
    ("MC152", r#"{"key":"isolator_usage_when","value":"«nested == true»"}"#, "accepted are nested"),
    ("MC067", r#"{"key":"isolator_prepare_timeout","value":«"5m"»}"#, ""),
    ("MC067", r#"{"key":"debug","value":«"True"»}"#, ""),
    ("MC067", r#"{"key":"isolator_prepare_workers","value":«"4"»}"#, ""),
    ("MC067", r#"{"key":"isolator_cleanup_timeout","value":«"soon"»}"#, ""),
    ("MC071", r#"{"key":"isolator_usage_command","value":«"no-such-program"»}"#, "absolute path"),
    ("MC072", r#"{"key":"isolator_usage_command","value":«" $D/c"»}"#, "write \""),
    ("MC073", r#"{"key":"isolator_usage_command","value":«"'$D/c'"»}"#, "write \""),
    ("MC074", r#"{"key":"isolator_usage_command","value":«"bin/usage"»}"#, "absolute path"),
    (
        "MC075",
        r#"{"key":"isolator_usage_command","value":«"python3 /opt/u.py"»}"#,
        "'/opt/u.py' itself",
    ),
    ("MC075", r#"{"key":"isolator_usage_command","value":«"$D/c --all"»}"#, "#!/bin/sh"),
    ("MC077", r#"{"key":"isolator_usage_command","value":«"/opt/$NAME/c"»}"#, "write the path out"),
    ("MC140", r#"{"key":"metrics_address","value":«"127.0.0.1:5051"»}"#, "another port"),
    ("MC141", r#"{"key":"metrics_address","value":«"31500"»}"#, "outside of them"),
    ("MC146", r#"{"key":"reload_from","value":«"/no/such/modules.json"»}"#, "with this module"),
    (
        "MC145",
        r#"{"key":"status_page","value":"true"},{"key":"metrics_address","value":«"10.1.2.3:9464"»}"#,
        "127.0.0.1",
    ),
    ("MC142", r#"{"key":"metrics_address","value":«"127.0.0.1:45678"»}"#, "ip_local_port_range"),
];

/// Scripts, as the command of an event that gets a memfd as INPUT, with `io=memfd`.
const SCRIPTS: &[(&str, &str, &str)] = &[
    ("MC101", "«#!/bin/sh»\r\nexit 0\r\n", "sed -i"),
    ("MC101", "#!/bin/sh\n«echo a»\r\nexit 0\n", "sed -i"),
    ("MC103", "\n«#!/bin/sh»\n", "first line"),
    ("MC103", "«import os»\nprint(os)\n", "#!/usr/bin/env python"),
    ("MC110", "«#!/no/such/sh»\n", "write that, or install"),
    ("MC110", "«#!/usr/bin/env no-such-program»\n", "install no-such-program"),
    ("MC111", "«#!/etc/passwd»\n", "interpreter itself"),
    ("MC112", "«#!sh»\n", "#!/usr/bin/env sh"),
    ("MC113", "«#!/usr/bin/env sh -e»\n", "env -S sh -e"),
    ("MC115", "«#!/bin/sh»\nexit 0\n", "correct the first line"),
    ("MC120", "#!/bin/sh\nsed -i s/a/b/ \"«$1»\"\n", "copy it first"),
    ("MC120", "#!/bin/sh\nmv \"«$1»\" /tmp/x\n", "io=file"),
    ("MC121", "#!/bin/sh\ncd \"$(dirname \"«$1»\")\"\n", "mktemp -d"),
    ("MC122", "#!/bin/sh\nsudo -u nobody cat \"«$1»\"\n", "standard input"),
    ("MC123", "#!/bin/sh\ntrue &&\n  mv x \"«$2»\"\n", "io=file"),
    ("MC124", "#!/bin/sh\njq . >\"«$2».tmp\"\n", "mktemp"),
];

fn with_parameter(place: &Place, more: &str) -> String {
    let root = place.text("");
    let root = root.trim_end_matches('/');
    let more = more.replace("$D", root);
    format!(
        r#"{{"libraries":[{{"file":"{}","modules":[{{"name":"{ISOLATOR}","parameters":[
 {{"key":"module_name","value":"m"}},
 {{"key":"state_dir","value":"{root}"}},
 {{"key":"isolator_prepare_command","value":"{root}/c"}},
 {more}]}}]}}]}}"#,
        library()
    )
}

fn expect(place: &Place, file: &str, (code, advice): (&str, &str)) {
    let marked = Marked::new(file);
    raw(place, marked.text.as_bytes());
    let (found, _) = check_json(place, &[]);
    marked.expect(&found, code, advice);
}

#[test]
fn there_are_enough_cases() {
    assert!(FILES.len() + PARAMETERS.len() + SCRIPTS.len() >= 60);
}

#[test]
fn files() {
    for (code, file, advice) in FILES {
        expect(&Place::new(), &file.replace("LIB", &library()), (code, advice));
    }
}

#[test]
fn parameters() {
    for (code, parameter, advice) in PARAMETERS {
        let place = Place::new();
        write(&place, "c", b"#!/bin/sh\nexit 0\n", 0o755);
        expect(&place, &with_parameter(&place, parameter), (code, advice));
    }
}

#[test]
fn scripts() {
    for (code, script, advice) in SCRIPTS {
        let place = Place::new();
        let marked = Marked::new(script);
        write(&place, "c", b"#!/bin/sh\nexit 0\n", 0o755);
        write(&place, "status.py", marked.text.as_bytes(), 0o755);
        let is_python = ["MC103", "MC115"].contains(code);
        let name = if is_python { "status.py" } else { "status" };
        write(&place, "status", marked.text.as_bytes(), 0o755);
        let more = format!(
            r#"{{"key":"isolator_status_command","value":"$D/{name}"}},{{"key":"io","value":"memfd"}}"#
        );
        raw(&place, with_parameter(&place, &more).as_bytes());
        let (found, _) = check_json(&place, &[]);
        marked.expect(&found, code, advice);
        let named =
            found["findings"].as_array().expect("a list").iter().find(|it| it["code"] == *code);
        let text = named.map(|it| &it["named_by"]["text"]).and_then(Value::as_str);
        assert_eq!(text, Some(&*format!("\"{}\"", place.text(name))), "{code}");
    }
}

/// What may notice that it is run warm, and what does not.
#[test]
fn warm_scripts() {
    for (script, is_found) in [
        ("#!/usr/bin/python3\nimport inspect\nprint(«inspect.stack»())\n", true),
        ("#!/usr/bin/env python3\nimport sys\nx = «sys._getframe»(1)\n", true),
        ("#!/usr/bin/python3\nimport traceback as t\nt.«print_stack»()\n", true),
        ("#!/usr/bin/python3\nprint(«hash»('x'))\n", true),
        ("#!/usr/bin/python3\nprint(x.hash(1), rehash(2))  # hash(3)\n", false),
    ] {
        let place = Place::new();
        let text = script.replace(['«', '»'], "");
        write(&place, "c", b"#!/bin/sh\nexit 0\n", 0o755);
        write(&place, "usage", text.as_bytes(), 0o755);
        for (mode, expected) in [("warm", is_found), ("spawn", false)] {
            let more = format!(
                r#"{{"key":"isolator_usage_command","value":"$D/usage"}},{{"key":"isolator_usage_mode","value":"{mode}"}}"#
            );
            raw(&place, with_parameter(&place, &more).as_bytes());
            let (found, _) = check_json(&place, &[]);
            let list = found["findings"].as_array().expect("a list");
            let warm: Vec<_> = list.iter().filter(|it| it["code"] == "MC116").collect();
            assert_eq!(warm.len(), usize::from(expected), "{script} {mode}: {found:#}");
            if expected {
                Marked::new(script).expect(&found, "MC116", "set the mode to spawn");
            }
        }
    }
}

/// What a memfd does not serve is no fault where there is a file.
#[test]
fn files_serve_what_memfds_do_not() {
    let place = Place::new();
    let script = b"#!/bin/sh\nsed -i s/a/b/ \"$1\"\nmv x \"$2\"\n";
    write(&place, "c", script, 0o755);
    for (io, event, codes) in [
        ("file", "isolator_status", vec![]),
        ("auto", "isolator_usage", vec![]),
        ("auto", "isolator_status", vec!["MC120"]),
        ("memfd", "isolator_usage", vec!["MC120", "MC123"]),
    ] {
        let file = with_parameter(
            &place,
            &format!(r#"{{"key":"{event}_command","value":"$D/c"}},{{"key":"io","value":"{io}"}}"#),
        );
        let file = file.replace(
            &format!(
                "{{\"key\":\"isolator_prepare_command\",\"value\":\"{}\"}},\n",
                place.text("c")
            ),
            "",
        );
        raw(&place, file.as_bytes());
        let (found, _) = check_json(&place, &[]);
        let list = found["findings"].as_array().expect("a list");
        let of_io: Vec<&str> = list.iter().filter_map(|it| it["code"].as_str()).collect();
        assert_eq!(of_io, codes, "{io} {event}: {found:#}");
    }
}
