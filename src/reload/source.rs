//! Where the parameters of an agent's modules stand: what its command line and its environment say.
//!
//! Mesos 1.11.0 `src/module/manager.cpp`, `src/slave/flags.cpp`, stout `flags/parse.hpp`: the value
//! of `--modules` is JSON, or a path that begins with `/`, or `file://` and a path; the files of
//! `--modules_dir` are read in the order of their names.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::config::modules_file::{self, ModuleEntry};
use crate::event::ModuleKind;

/// Where parameters stand.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// In this file.
    File(PathBuf),
    /// In the files of this directory.
    Directory(PathBuf),
}

const INLINE: &str = "the agent was started with its modules in `--modules` itself, so there is no file that could be read anew: name one in reload_from";
const NOWHERE: &str = "neither --modules and --modules_dir nor MESOS_MODULES and MESOS_MODULES_DIR name a modules file of this process: name one in reload_from";

/// Where the parameters of the modules of this process stand, or those of an instance with this
/// `reload_from`.
///
/// # Errors
/// In words, when they stand in no file.
pub(super) fn of_this_process(from: Option<&Path>) -> Result<Source, String> {
    if let Some(path) = from {
        return Ok(Source::File(path.to_owned()));
    }
    let read = |file: &str| std::fs::read(file).unwrap_or_default();
    let source = given(&read("/proc/self/cmdline"), &read("/proc/self/environ"))?;
    let here = std::env::current_dir().unwrap_or_default();
    Ok(match source {
        Source::File(path) => Source::File(here.join(path)),
        Source::Directory(path) => Source::Directory(here.join(path)),
    })
}

/// A flag goes before the variable, as in Mesos.
fn given(command_line: &[u8], environment: &[u8]) -> Result<Source, String> {
    let last = |text: &[u8], name: &[u8]| -> Option<Vec<u8>> {
        let mut all = text.split(|byte| *byte == 0).filter_map(|one| one.strip_prefix(name));
        all.next_back().map(<[u8]>::to_vec)
    };
    let modules =
        last(command_line, b"--modules=").or_else(|| last(environment, b"MESOS_MODULES="));
    let directory =
        last(command_line, b"--modules_dir=").or_else(|| last(environment, b"MESOS_MODULES_DIR="));
    let path = |text: &[u8]| PathBuf::from(OsStr::from_bytes(text));
    match (modules, directory) {
        (Some(text), _) => match text.strip_prefix(b"file://") {
            Some(file) => Ok(Source::File(path(file))),
            None if text.first() == Some(&b'/') => Ok(Source::File(path(&text))),
            None => Err(INLINE.to_owned()),
        },
        (None, Some(text)) => {
            let directory = text.strip_prefix(b"file://").unwrap_or(&text);
            Ok(Source::Directory(path(directory)))
        }
        (None, None) => Err(NOWHERE.to_owned()),
    }
}

impl Source {
    /// The path, for people.
    pub(super) fn shown(&self) -> String {
        let (Source::File(path) | Source::Directory(path)) = self;
        path.display().to_string()
    }

    /// Reads our modules. Blocks for the file system.
    ///
    /// # Errors
    /// In words: what cannot be read, and where.
    pub(super) fn read(&self) -> Result<Vec<ModuleEntry>, String> {
        let directory = match self {
            Source::File(path) => return modules_file::read(path).map_err(|it| it.to_string()),
            Source::Directory(path) => path,
        };
        let unreadable = |error| format!("'{}' cannot be read: {error}", directory.display());
        let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)
            .map_err(unreadable)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()
            .map_err(unreadable)?;
        paths.sort();
        let mut all = Vec::new();
        for path in paths {
            let text = std::fs::read(&path)
                .map_err(|error| format!("'{}' cannot be read: {error}", path.display()))?;
            let file = modules_file::ModulesFile::parse(&text);
            // A file of the directory may be about others' modules alone.
            let is_ours = file
                .libraries
                .iter()
                .flat_map(|it| &it.modules)
                .any(|module| module.entry().is_some());
            if is_ours || !file.problems.is_empty() {
                let read = modules_file::entries(&file);
                all.extend(read.map_err(|why| format!("'{}': {why}", path.display()))?);
            }
        }
        Ok(all)
    }
}

/// The parameters of the instance `module` among `entries`. One that is the only one of its kind
/// and has another name is not meant: the process may have both.
///
/// # Errors
/// In words, when there is none, or more than one.
pub(super) fn parameters_of(
    entries: &[ModuleEntry],
    kind: ModuleKind,
    module: &str,
) -> Result<Vec<(String, String)>, String> {
    let name = |entry: &&ModuleEntry| {
        let named = entry.parameters.iter().rev().find(|(key, _)| key == "module_name");
        named.is_some_and(|(_, value)| value == module)
    };
    let of_kind = entries.iter().filter(|entry| entry.kind == kind);
    let named: Vec<&ModuleEntry> = of_kind.filter(name).collect();
    match named.as_slice() {
        [one] => Ok(one.parameters.clone()),
        [] => Err(format!(
            "it has no {} of ours with module_name '{module}'; one that was renamed or removed needs a \
             restart of the agent",
            kind.word()
        )),
        several => {
            let symbols: Vec<&str> = several.iter().map(|entry| entry.symbol.as_str()).collect();
            Err(format!(
                "several of its {}s have module_name '{module}': {}; give each a name of its own",
                kind.word(),
                symbols.join(", ")
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> Result<Source, String> {
        Ok(Source::File(path.into()))
    }

    #[test]
    fn flags_and_variables_are_read_as_mesos_reads_them() {
        let of = |line: &str, environment: &str| given(line.as_bytes(), environment.as_bytes());
        assert_eq!(of("mesos-agent\0--modules=/etc/m.json\0--x=y\0", ""), file("/etc/m.json"));
        assert_eq!(of("mesos-agent\0--modules=file:///etc/m.json\0", ""), file("/etc/m.json"));
        assert_eq!(of("mesos-agent\0--modules=file://m.json\0", ""), file("m.json"));
        assert_eq!(of("x\0--modules=/a\0", "A=B\0MESOS_MODULES=/b\0"), file("/a"));
        assert_eq!(of("x\0", "A=B\0MESOS_MODULES=/b\0"), file("/b"));
        let directory = Ok(Source::Directory("/etc/mesos.d".into()));
        assert_eq!(of("x\0--modules_dir=/etc/mesos.d\0", ""), directory);
        assert_eq!(of("x\0", "MESOS_MODULES_DIR=/etc/mesos.d\0"), directory);
        let inline = of("x\0--modules={\"libraries\":[]}\0", "").unwrap_err();
        assert!(inline.contains("name one in reload_from"), "{inline}");
        let nowhere = of("mesos-agent\0--module=/x\0", "X=1").unwrap_err();
        assert!(nowhere.contains("MESOS_MODULES"), "{nowhere}");
    }

    #[test]
    fn an_instance_is_found_by_its_kind_and_its_name() {
        let entry = |symbol: &str, kind, name: &str| ModuleEntry {
            symbol: symbol.to_owned(),
            kind,
            parameters: vec![("module_name".to_owned(), name.to_owned())],
        };
        let (hook, isolator) = (ModuleKind::Hook, ModuleKind::Isolator);
        let all = [
            entry("com_criteo_mesos_CommandHook", hook, "a"),
            entry("com_criteo_mesos_CommandHook2", hook, "b"),
            entry("com_criteo_mesos_CommandIsolator", isolator, "c"),
        ];
        let found = |kind, name| parameters_of(&all, kind, name);
        assert_eq!(found(hook, "b").unwrap(), all[1].parameters);
        assert_eq!(found(isolator, "c").unwrap(), all[2].parameters);
        assert!(found(isolator, "renamed").unwrap_err().contains("module_name 'renamed'"));
        assert!(found(hook, "c").unwrap_err().contains("no hook of ours with module_name 'c'"));
        let twice = [all[0].clone(), entry("com_criteo_mesos_CommandHook3", hook, "a")];
        assert!(parameters_of(&twice, hook, "a").unwrap_err().contains("several of its hooks"));
    }
}
