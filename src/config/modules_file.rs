//! The modules file that `--modules` of a Mesos agent or master names.
//!
//! Shape: Mesos 1.11.0 `include/mesos/module/module.proto`; keys that it does not have are ignored,
//! as Mesos ignores them.

use std::path::Path;

use serde::Deserialize;

use super::ConfigError;
use crate::event::ModuleKind;

/// What the symbols of our modules start with; numbered ones follow (`…Hook2`).
const HOOK: &str = "com_criteo_mesos_CommandHook";
const ISOLATOR: &str = "com_criteo_mesos_CommandIsolator";
/// The highest number that a symbol has.
pub const MAX_SUFFIX: u32 = 32;

/// One of our modules in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleEntry {
    /// The symbol, for example `com_criteo_mesos_CommandHook2`.
    pub symbol: String,
    /// Its kind.
    pub kind: ModuleKind,
    /// Its parameters, in their order.
    pub parameters: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    libraries: Vec<Library>,
}

#[derive(Deserialize)]
struct Library {
    #[serde(default)]
    modules: Vec<Module>,
}

#[derive(Deserialize)]
struct Module {
    #[serde(default)]
    name: String,
    #[serde(default)]
    parameters: Vec<Parameter>,
}

#[derive(Deserialize)]
struct Parameter {
    key: String,
    value: String,
}

/// The kind of a symbol of ours; `None` for other modules' symbols.
pub fn symbol_kind(symbol: &str) -> Option<ModuleKind> {
    let numbered = |base: &str| {
        let suffix = symbol.strip_prefix(base)?;
        let number = suffix.parse::<u32>().ok().filter(|_| !suffix.starts_with(['0', '+']));
        (suffix.is_empty() || number.is_some_and(|n| (2..=MAX_SUFFIX).contains(&n))).then_some(())
    };
    numbered(HOOK)
        .map(|()| ModuleKind::Hook)
        .or_else(|| numbered(ISOLATOR).map(|()| ModuleKind::Isolator))
}

/// Reads our modules out of the file at `path`.
///
/// # Errors
/// When it cannot be read, is no modules file, or has no module of ours.
pub fn read(path: &Path) -> Result<Vec<ModuleEntry>, ConfigError> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError(format!("'{shown}' cannot be read: {error}")))?;
    parse(&text).map_err(|problem| ConfigError(format!("'{shown}': {problem}")))
}

fn parse(text: &str) -> Result<Vec<ModuleEntry>, String> {
    let file: File = serde_json::from_str(text).map_err(|error| {
        format!(
            "{error}; accepted is {{\"libraries\":[{{\"file\":…,\"modules\":[{{\"name\":…,\
             \"parameters\":[{{\"key\":…,\"value\":…}}]}}]}}]}}, keys and values being strings"
        )
    })?;
    let modules = file.libraries.into_iter().flat_map(|library| library.modules);
    let ours: Vec<ModuleEntry> = modules
        .filter_map(|module| {
            let kind = symbol_kind(&module.name)?;
            let pair = |parameter: Parameter| (parameter.key, parameter.value);
            let parameters = module.parameters.into_iter().map(pair).collect();
            Some(ModuleEntry { symbol: module.name, kind, parameters })
        })
        .collect();
    if ours.is_empty() {
        return Err(format!(
            "it names no module of ours ({HOOK}, {ISOLATOR}, or with 2 to {MAX_SUFFIX} at the end)"
        ));
    }
    Ok(ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_of_ours_are_known() {
        assert_eq!(symbol_kind("com_criteo_mesos_CommandHook"), Some(ModuleKind::Hook));
        assert_eq!(symbol_kind("com_criteo_mesos_CommandIsolator32"), Some(ModuleKind::Isolator));
        for other in [
            "com_criteo_mesos_CommandHook1",
            "com_criteo_mesos_CommandHook02",
            "x",
            "com_criteo_mesos_CommandHook33",
            "com_criteo_mesos_CommandIsolatorX",
        ] {
            assert_eq!(symbol_kind(other), None, "{other}");
        }
    }

    #[test]
    fn our_modules_are_found_among_others() {
        let text = r#"{"comment":1,"libraries":[{"file":"/x.so","modules":[{"name":"other"},
            {"name":"com_criteo_mesos_CommandHook","parameters":[{"key":"a","value":"b"}]}]}]}"#;
        let modules = parse(text).expect("parsed");
        assert_eq!(modules.len(), 1);
        assert_eq!(modules[0].parameters, [("a".to_owned(), "b".to_owned())]);
    }

    #[test]
    fn what_is_no_modules_file_is_explained() {
        assert!(parse("{").expect_err("broken").contains("accepted is"));
        assert!(parse("{}").expect_err("empty").contains("names no module of ours"));
        let number = r#"{"libraries":[{"modules":[{"name":"com_criteo_mesos_CommandHook",
            "parameters":[{"key":"a","value":1}]}]}]}"#;
        assert!(parse(number).expect_err("a number").contains("strings"));
    }
}
