//! The modules file that `--modules` of a Mesos agent or master names, read as Mesos reads it.
//!
//! Shape: Mesos 1.11.0 `include/mesos/module/module.proto`. Rules: stout's conversion of JSON to
//! protobuf: a single object stands for a list of one, lists in lists are flattened, `null` is as
//! if the key were absent, unknown keys are ignored, the last of equal keys counts, a string is
//! needed where a string is needed.

mod objects;

use std::path::Path;

pub use super::json::Text;
use super::json::{self, Json, Node, Span};
use super::problem::FileError;
use crate::event::ModuleKind;
use objects::At;

/// What the symbols of our modules start with; numbered ones follow (`…Hook2`).
pub const HOOK: &str = "com_criteo_mesos_CommandHook";
/// The same for isolators.
pub const ISOLATOR: &str = "com_criteo_mesos_CommandIsolator";
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

/// A library of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Library {
    /// The line on which it begins.
    pub line: u32,
    /// Its bytes.
    pub span: Span,
    /// The path, or the name for the dynamic linker if it has no slash.
    pub file: Option<Text>,
    /// The name without `lib` and `.so`, used when there is no `file`.
    pub name: Option<Text>,
    /// Its modules.
    pub modules: Vec<Module>,
}

/// A module of a library, ours or another's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Module {
    /// The line on which it begins.
    pub line: u32,
    /// Its bytes.
    pub span: Span,
    /// The symbol.
    pub name: Option<Text>,
    /// Its parameters, in their order.
    pub parameters: Vec<Parameter>,
}

/// A parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The bytes of its object.
    pub span: Span,
    /// The key.
    pub key: Text,
    /// The value.
    pub value: Text,
}

/// Something worth a word although Mesos takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// A key that Mesos does not know and ignores.
    UnknownKey,
    /// A key that stands in its object more than once; the last counts.
    RepeatedKey,
    /// `null`, which is as if the key were absent.
    Null,
    /// A single object where a list belongs.
    NoList,
    /// A list within a list, which Mesos flattens.
    ListInList,
}

/// An oddity or a problem, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark<T> {
    /// The line.
    pub line: u32,
    /// The bytes that it is about: empty where something is missing.
    pub span: Span,
    /// Where in the structure: `libraries[0].modules[1].name`.
    pub path: String,
    /// What it is.
    pub what: T,
}

/// A modules file, as far as it can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModulesFile {
    /// Its libraries.
    pub libraries: Vec<Library>,
    /// Why Mesos refuses the file: in words, with what is accepted.
    pub problems: Vec<Remark<String>>,
    /// What Mesos takes in silence.
    pub oddities: Vec<Remark<Oddity>>,
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

/// Reads our modules out of the file at `path`; one that is listed twice alike counts once.
///
/// # Errors
/// When it cannot be read, Mesos would refuse it, or it has no module of ours.
pub fn read(path: &Path) -> Result<Vec<ModuleEntry>, FileError> {
    let shown = path.display();
    let text = std::fs::read(path)
        .map_err(|error| FileError(format!("'{shown}' cannot be read: {error}")))?;
    entries(&ModulesFile::parse(&text))
        .map_err(|problem| FileError(format!("'{shown}': {problem}")))
}

/// Our modules in a file; one that is listed twice alike counts once.
///
/// # Errors
/// In words, when Mesos would refuse it, or it has no module of ours.
pub fn entries(file: &ModulesFile) -> Result<Vec<ModuleEntry>, String> {
    if let Some(problem) = file.problems.first() {
        return Err(format!("line {}: {}{}", problem.line, at(&problem.path), problem.what));
    }
    let mut ours: Vec<ModuleEntry> = Vec::new();
    for module in file.libraries.iter().flat_map(|library| &library.modules) {
        ours.extend(module.entry().filter(|entry| !ours.contains(entry)));
    }
    if ours.is_empty() {
        return Err(format!(
            "it names no module of ours ({HOOK}, {ISOLATOR}, or with 2 to {MAX_SUFFIX} at the end)"
        ));
    }
    Ok(ours)
}

fn at(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path}: ") }
}

impl Module {
    /// What the host gives an instance, if the module is one of ours.
    pub fn entry(&self) -> Option<ModuleEntry> {
        let symbol = self.name.as_ref()?.text.clone();
        let kind = symbol_kind(&symbol)?;
        let pair = |one: &Parameter| (one.key.text.clone(), one.value.text.clone());
        Some(ModuleEntry { symbol, kind, parameters: self.parameters.iter().map(pair).collect() })
    }
}

impl ModulesFile {
    /// Reads a text as Mesos does; what it would refuse is among the problems.
    pub fn parse(text: &[u8]) -> ModulesFile {
        let mut file = ModulesFile::default();
        match json::parse(text) {
            Err(error) => {
                let what = format!("column {}: {}", error.column, error.what);
                let span = Span { start: error.at, end: error.at };
                file.problem(At { line: error.line, span }, "", &what);
            }
            Ok(Node { value: Json::Object(entries), .. }) => {
                let mut fields = file.fields("", entries, &["libraries"]);
                let libraries = fields.remove(0);
                file.libraries = file.list(libraries, "libraries", ModulesFile::library);
            }
            Ok(node) => {
                let what = format!(
                    "{} where an object is needed: {{\"libraries\":[{{\"file\":…,\"modules\":[{{\"name\":…,\
                     \"parameters\":[{{\"key\":…,\"value\":…}}]}}]}}]}}",
                    node.value.kind()
                );
                file.problem(At::of(&node), "", &what);
            }
        }
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<ModuleEntry>, String> {
        entries(&ModulesFile::parse(text.as_bytes()))
    }

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
        assert!(parse("{").expect_err("broken").starts_with("line 1: column 2: "));
        assert!(parse("[]").expect_err("no object").contains("an object is needed"));
        assert!(parse("{}").expect_err("empty").contains("names no module of ours"));
        let number = r#"{"libraries":[{"modules":[{"name":"com_criteo_mesos_CommandHook",
            "parameters":[{"key":"a","value":1}]}]}]}"#;
        let error = parse(number).expect_err("a number");
        let place = "line 2: libraries[0].modules[0].parameters[0].value: ";
        assert_eq!(error, format!("{place}a number where a string is needed: write \"1\""));
    }

    /// The same answers as stout's conversion gives (facts of Mesos 1.11.0).
    #[test]
    fn it_is_read_as_mesos_reads_it() {
        let module = |parameters: &str| {
            format!(r#"{{"name":"com_criteo_mesos_CommandHook","parameters":{parameters}}}"#)
        };
        let pairs = |text: &str| parse(text).map(|entries| entries[0].parameters.len());
        let one = r#"{"key":"a","value":"b"}"#;
        for (count, parameters) in [
            (1, one.to_owned()),
            (1, format!("[{one}]")),
            (2, format!("[{one},null,[[{one}]]]")),
            (0, "null".to_owned()),
            (0, "[]".to_owned()),
            (1, r#"{"key":"a","value":null,"value":"b","more":[]}"#.to_owned()),
        ] {
            let modules = module(&parameters);
            for modules in [modules.clone(), format!("[{modules}]")] {
                let library = format!(r#"{{"file":null,"name":"x","modules":{modules}}}"#);
                assert_eq!(pairs(&format!(r#"{{"libraries":{library}}}"#)), Ok(count));
                assert_eq!(pairs(&format!(r#"{{"libraries":[null,{library}]}}"#)), Ok(count));
            }
        }
        for parameters in [
            r#"[{"key":"a"}]"#,
            r#"[{"key":"a","value":null}]"#,
            r#"[{"key":"a","value":true}]"#,
            r#"[{"key":"a","value":["b"]}]"#,
            r#"["a"]"#,
            r#""a""#,
        ] {
            let text = format!(r#"{{"libraries":[{{"modules":[{}]}}]}}"#, module(parameters));
            assert!(pairs(&text).is_err(), "{parameters}");
        }
    }

    #[test]
    fn oddities_are_told_with_their_places() {
        let text =
            "{\"libraries\":\n{\"Name\":1,\n\"file\":null,\"file\":\"x\",\n\"modules\":[[]]}}";
        let file = ModulesFile::parse(text.as_bytes());
        assert_eq!(file.problems, []);
        let told: Vec<_> =
            file.oddities.iter().map(|odd| (odd.line, odd.path.as_str(), odd.what)).collect();
        let expected = [
            (2, "libraries", Oddity::NoList),
            (2, "libraries.Name", Oddity::UnknownKey),
            (3, "libraries.file", Oddity::Null),
            (4, "libraries.modules[0]", Oddity::ListInList),
        ];
        assert_eq!(told, expected);
    }
}
