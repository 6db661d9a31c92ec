//! `mesos-command reload`, of this process, whose modules file is in a place of its own.

use mesos_command::isolator::Isolator;
use serde_json::{Value, json};

use crate::live::tool;
use crate::support::{Place, stderr};

struct Agent {
    place: Place,
    module: &'static str,
    _isolator: Isolator,
}

fn parameters(module: &str, place: &Place, timeout: &str) -> Vec<(String, String)> {
    let all = [
        ("module_name", module.to_owned()),
        ("state_dir", place.text("state")),
        ("temp_dir", place.text("temp")),
        ("control_socket", place.text("c.sock")),
        ("keep_failures", "0".to_owned()),
        ("reload_from", place.text("modules.json")),
        ("isolator_prepare_command", "/bin/true".to_owned()),
        ("isolator_prepare_timeout", timeout.to_owned()),
    ];
    all.map(|(key, value)| (key.to_owned(), value)).to_vec()
}

fn write(place: &Place, parameters: &[(String, String)]) {
    let all = parameters.iter().map(|(key, value)| json!({"key": key, "value": value}));
    let module = json!({"name": "com_criteo_mesos_CommandIsolator",
                        "parameters": all.collect::<Vec<Value>>()});
    let file = json!({"libraries": [{"file": "/x.so", "modules": [module]}]});
    std::fs::write(place.path("modules.json"), file.to_string()).expect("written");
}

fn agent(module: &'static str) -> Agent {
    let place = Place::new();
    let given = parameters(module, &place, "7");
    write(&place, &given);
    let _isolator = Isolator::create(&given).expect("accepted");
    Agent { place, module, _isolator }
}

impl Agent {
    fn ask(&self, arguments: &[&str]) -> std::process::Output {
        let socket = self.place.text("c.sock");
        tool(&[arguments, &["--module", self.module, "--socket", &socket]].concat())
    }

    fn shown(&self, arguments: &[&str]) -> String {
        let output = self.ask(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).expect("UTF-8")
    }
}

#[test]
fn what_has_changed_and_what_needs_a_restart_is_shown() {
    let agent = agent("tool-reload");
    let own = "isolator 'tool-reload': ";
    assert_eq!(agent.shown(&["reload"]), format!("{own}no parameter has changed\n"));
    let mut given = parameters("tool-reload", &agent.place, "9");
    given.push(("nested".to_owned(), "false".to_owned()));
    write(&agent.place, &given);
    let expected = format!(
        "{own}1 parameter has changed\n  isolator_prepare_timeout = 9 (was 7)\n  nested needs a \
         restart to become false, and stays true: Mesos asks for it once\n"
    );
    assert_eq!(agent.shown(&["reload"]), expected);
    let status = agent.shown(&["status"]);
    for part in ["  reloaded ", " ago", "as in the file: nested", "isolator_prepare_timeout = 9"] {
        assert!(status.contains(part), "{part}: {status}");
    }
    let answer: Value = serde_json::from_str(&agent.shown(&["reload", "--json"])).expect("JSON");
    assert_eq!(answer["reloaded"][0]["needs_restart"][0]["key"], "nested", "{answer}");
}

#[test]
fn a_file_that_cannot_be_used_is_refused_with_the_reason() {
    let agent = agent("tool-reload-bad");
    write(&agent.place, &parameters("tool-reload-bad", &agent.place, "soon"));
    let refused = agent.ask(&["reload"]);
    assert_eq!(refused.status.code(), Some(1));
    let why = stderr(&refused);
    assert!(why.contains("parameter 'isolator_prepare_timeout' has the value 'soon'"), "{why}");
    std::fs::remove_file(agent.place.path("modules.json")).expect("removed");
    let why = stderr(&agent.ask(&["reload"]));
    assert!(why.contains("modules.json' cannot be read"), "{why}");
    let socket = agent.place.text("c.sock");
    let unknown = tool(&["reload", "--module", "nobody", "--socket", &socket]);
    assert_eq!(unknown.status.code(), Some(1));
}
