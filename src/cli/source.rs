//! Where a configuration comes from: the values of an agent's or a master's flags, and the files
//! that they name.
//!
//! Rules: Mesos 1.11.0 `src/common/parse.hpp`, `src/slave/main.cpp` and
//! `src/module/manager.cpp`; files as flags: `mesos-init-wrapper` of the packages.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use mesos_command::config::modules_file::{self, ModuleEntry, ModulesFile};

/// A text that Mesos reads: a file, or the value of a flag.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// The path, or the flag.
    pub(crate) name: String,
    /// The path, where it is a file.
    pub(crate) path: Option<PathBuf>,
    /// Its bytes.
    pub(crate) text: Vec<u8>,
}

impl Source {
    /// The value of a flag on a command line.
    pub(crate) fn flag(name: &str, value: &str) -> Source {
        Source { name: name.to_owned(), path: None, text: value.as_bytes().to_vec() }
    }

    fn file(path: &Path) -> anyhow::Result<Source> {
        let text =
            std::fs::read(path).with_context(|| format!("'{}' cannot be read", path.display()))?;
        Ok(Source { name: path.display().to_string(), path: Some(path.to_owned()), text })
    }
}

/// The texts that a value means: JSON itself, `file://` and a path, or a path alone; a directory is
/// what `--modules_dir` names, all files of which count, in the order of their names.
///
/// # Errors
/// A file that cannot be read, or an empty directory.
pub(crate) fn modules(value: &str) -> anyhow::Result<Vec<Source>> {
    if value.trim_start().starts_with(['{', '[']) {
        return Ok(vec![Source::flag("--modules", value)]);
    }
    let path = Path::new(value.strip_prefix("file://").unwrap_or(value));
    if !path.is_dir() {
        return Ok(vec![Source::file(path)?]);
    }
    let shown = path.display();
    let entries = std::fs::read_dir(path).with_context(|| format!("'{shown}' cannot be read"))?;
    let mut names: Vec<PathBuf> =
        entries.map(|entry| entry.map(|it| it.path())).collect::<Result<_, _>>()?;
    names.sort();
    if names.is_empty() {
        bail!("'{shown}' has no file in it");
    }
    names.iter().map(|name| Source::file(name)).collect()
}

/// Our modules in what a value means; one that is listed twice alike counts once.
///
/// # Errors
/// When it cannot be read, Mesos would refuse it, or it has no module of ours.
pub(crate) fn entries(value: &str) -> anyhow::Result<Vec<ModuleEntry>> {
    let mut all: Vec<ModuleEntry> = Vec::new();
    let sources = modules(value)?;
    for source in &sources {
        let file = ModulesFile::parse(&source.text);
        let found = match modules_file::entries(&file) {
            // Of several files not each has a module of ours.
            Ok(found) => found,
            Err(problem) if file.problems.is_empty() && sources.len() > 1 => {
                tracing::debug!("'{}': {problem}", source.name);
                continue;
            }
            Err(problem) => bail!("'{}': {problem}", source.name),
        };
        for entry in found {
            if !all.contains(&entry) {
                all.push(entry);
            }
        }
    }
    if all.is_empty() {
        bail!("no file in '{value}' names a module of ours");
    }
    Ok(all)
}

/// The flags of an agent or a master, as far as they are known.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    /// Values of `modules` and `modules_dir`.
    pub(crate) modules: Vec<Source>,
    /// `hooks`; `None`: not known, an empty text: not given.
    pub(crate) hooks: Option<Source>,
    /// `isolation`, in the same way.
    pub(crate) isolation: Option<Source>,
    /// `port`.
    pub(crate) port: Option<Source>,
    /// `resources`.
    pub(crate) resources: Option<Source>,
}

impl Flags {
    /// The files of a directory whose names are flags and whose texts are values.
    ///
    /// # Errors
    /// A directory or a file that cannot be read.
    pub(crate) fn from_directory(directory: &Path) -> anyhow::Result<Flags> {
        let mut flags = Flags::default();
        if !directory.is_dir() {
            bail!("'{}' is no directory of flags", directory.display());
        }
        let value = |name: &str| -> anyhow::Result<Option<Source>> {
            let path = directory.join(name);
            if !path.exists() {
                return Ok(None);
            }
            let mut source = Source::file(&path)?;
            // As the shell's $(cat FILE).
            let kept = source.text.trim_ascii_end().len();
            source.text.truncate(kept);
            Ok(Some(source))
        };
        let absent = |name: &str| Source {
            name: directory.join(name).display().to_string(),
            path: None,
            text: Vec::new(),
        };
        for name in ["modules", "modules_dir"] {
            flags.modules.extend(value(name)?);
        }
        flags.hooks = Some(value("hooks")?.unwrap_or_else(|| absent("hooks")));
        flags.isolation = Some(value("isolation")?.unwrap_or_else(|| absent("isolation")));
        flags.port = value("port")?;
        flags.resources = value("resources")?;
        Ok(flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_as_mesos_reads_it() {
        let place = tempfile::tempdir().expect("a directory");
        let file = place.path().join("b.json");
        std::fs::write(&file, "{}").expect("a file");
        std::fs::write(place.path().join("a.json~"), "{ }").expect("a file");
        let names = |value: &str| -> Vec<String> {
            let sources = modules(value).expect("it is there");
            sources.iter().map(|it| String::from_utf8_lossy(&it.text).into_owned()).collect()
        };
        assert_eq!(names(&file.display().to_string()), ["{}"]);
        assert_eq!(names(&format!("file://{}", file.display())), ["{}"]);
        assert_eq!(names(r#" {"libraries":[]}"#), [r#" {"libraries":[]}"#]);
        assert_eq!(names(&place.path().display().to_string()), ["{ }", "{}"], "by their names");
        assert!(modules("/no/such").is_err() && modules("file:///no/such").is_err());
    }

    #[test]
    fn files_are_flags() {
        let place = tempfile::tempdir().expect("a directory");
        std::fs::write(place.path().join("hooks"), "a,b\n").expect("a file");
        let flags = Flags::from_directory(place.path()).expect("it is there");
        assert_eq!(flags.hooks.expect("given").text, b"a,b");
        assert_eq!(flags.isolation.expect("known").text, b"");
        assert!(flags.modules.is_empty() && flags.port.is_none());
        assert!(Flags::from_directory(&place.path().join("hooks")).is_err());
    }
}
