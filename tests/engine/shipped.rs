//! Every configuration that is shipped or shown is one that `mesos-command check` has nothing to
//! say about, but for the commands, which stand elsewhere.

use std::path::{Path, PathBuf};

use mesos_command::config::{Config, Warning, keys, modules_file};
use mesos_command::event::ModuleKind;

/// Those that are wrong on purpose, or not examples of ours.
const WRONG: [&str; 3] = ["bad-parameter.modules.json", "no-name.modules.json", "DIFFERENCES.md"];

fn files(directory: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !path.is_symlink() {
            if name != "target" && name != "node_modules" && !name.starts_with('.') {
                files(&path, ending, found);
            }
        } else if name.ends_with(ending) && !WRONG.contains(&name) {
            found.push(path);
        }
    }
}

fn shipped(ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(&test_support::repository(""), ending, &mut found);
    assert!(!found.is_empty());
    found
}

/// What is wrong with parameters, apart from where the commands are.
fn problems(kind: ModuleKind, parameters: &[(String, String)]) -> Vec<String> {
    match Config::parse(kind, parameters) {
        Err(error) => vec![error.to_string()],
        Ok((_, warnings)) => warnings
            .iter()
            .filter(|warning| !matches!(warning, Warning::Command { .. }))
            .map(Warning::to_string)
            .collect(),
    }
}

#[test]
fn modules_files_are_clean() {
    let mut modules = 0;
    for path in shipped("modules.json") {
        for entry in modules_file::read(&path).unwrap() {
            // Tests fill in a directory of theirs, and events.
            let parameters: Vec<_> = entry
                .parameters
                .iter()
                // A value that is nothing but a place for one.
                .filter(|(_, value)| !(value.starts_with("${") && value.ends_with('}')))
                .map(|(key, value)| {
                    let key = key.replace("${EVENT}", "isolator_prepare");
                    (key, value.replace("${SCRATCH}", "/run"))
                })
                .collect();
            let problems = problems(entry.kind, &parameters);
            assert!(problems.is_empty(), "{} in {}: {problems:?}", entry.symbol, path.display());
            modules += 1;
        }
    }
    assert!(modules >= 4, "{modules}");
}

/// The `key=value` in backquotes and the `{"key": …, "value": …}` of a text.
fn shown(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for quoted in text.split('`').skip(1).step_by(2) {
        if let Some((key, value)) = quoted.split_once('=') {
            found.push((key.replace("<event>", "isolator_usage"), value.to_owned()));
        }
    }
    for object in text.split('{').skip(1) {
        let object = format!("{{{}}}", object.split('}').next().unwrap());
        if let Ok(serde_json::Value::Object(object)) = serde_json::from_str(&object)
            && let (Some(key), Some(value)) = (object.get("key"), object.get("value"))
        {
            found.push((key.as_str().unwrap().to_owned(), value.as_str().unwrap().to_owned()));
        }
    }
    found
}

#[test]
fn parameters_in_the_pages_are_clean() {
    let mut checked = 0;
    for path in shipped(".md") {
        let text = std::fs::read_to_string(&path).unwrap();
        for (key, value) in shown(&text) {
            // Something else with an equals sign, or a place for a value.
            let Some(kind) = keys::find(&key) else {
                assert!(
                    !text.contains(&format!("\"key\": \"{key}\"")),
                    "{}: {key}",
                    path.display()
                );
                continue;
            };
            if value.contains(['<', '…']) || value.is_empty() {
                continue;
            }
            let mut parameters = vec![("module_name".to_owned(), "shown".to_owned())];
            if let Some(event) = key.strip_suffix("_workers").or(key.strip_suffix("_fallback")) {
                parameters.push((format!("{event}_mode"), "worker".to_owned()));
            }
            if let Some(event) = key.strip_suffix("_shadow_command") {
                parameters.push((format!("{event}_command"), "/bin/true".to_owned()));
            }
            if key == "status_page" {
                parameters.push(("metrics_address".to_owned(), "127.0.0.1:9464".to_owned()));
            }
            parameters.push((key.clone(), value.clone()));
            let problems = problems(kind.unwrap_or(ModuleKind::Isolator), &parameters);
            assert!(problems.is_empty(), "{}: {key}={value}: {problems:?}", path.display());
            checked += 1;
        }
    }
    assert!(checked >= 10, "{checked}");
}

/// The rows of the table between the markers `<!-- NAME:begin -->` and `<!-- NAME:end -->`.
fn rows<'a>(page: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let (_, rest) = page.split_once(&format!("<!-- {name}:begin -->")).unwrap();
    let (table, _) = rest.split_once(&format!("<!-- {name}:end -->")).unwrap();
    table.lines().filter(|line| line.starts_with("| `"))
}

/// Timeouts and other defaults that the tables show are spellings that are accepted.
#[test]
fn defaults_in_the_tables_are_accepted() {
    let events = rows(include_str!("../../docs/events.md"), "events");
    let parameters = rows(include_str!("../../docs/parameters.md"), "parameters");
    let mut checked = 0;
    for row in events.chain(parameters) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let key = cells[1].split('`').nth(1).unwrap();
        let (key, value) = match keys::find(key) {
            Some(_) => (key.to_owned(), cells[2]),
            None => (format!("{key}_timeout"), cells[2]),
        };
        let Some(kind) = keys::find(&key) else { continue };
        if ["required", "none", "by event", "automatic"].contains(&value) {
            continue;
        }
        let parameters = [
            ("module_name".to_owned(), "shown".to_owned()),
            (key.clone(), value.trim_matches('`').to_owned()),
        ];
        let problems = problems(kind.unwrap_or(ModuleKind::Isolator), &parameters);
        assert!(problems.is_empty(), "{key}: {value}: {problems:?}");
        checked += 1;
    }
    assert!(checked >= 30, "{checked}");
}
