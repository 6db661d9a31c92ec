//! The modules file: Mesos's own JSON, with `${NAME}` for what differs from run to run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::Value;

/// The environment variable by which recording commands find their file.
pub(crate) const RECORDS_VARIABLE: &str = "MESOS_HOST_RECORDS";
/// That file.
pub(crate) const RECORDS: &str = "${SCRATCH}/records";

/// Values of the placeholders.
#[derive(Clone, Debug, Default)]
pub(crate) struct Placeholders(BTreeMap<String, String>);

impl Placeholders {
    /// Those that are always there: `LIBRARY`, the module beside this program; `SCRATCH`, the
    /// run's own directory; `HOST`, this program; in a modules file also `HERE`, its directory.
    /// `given` are `NAME=VALUE` and may replace them.
    pub(crate) fn new(scratch: &Path, given: &[String]) -> anyhow::Result<Placeholders> {
        let program = std::env::current_exe()?;
        let mut values = BTreeMap::from([
            ("LIBRARY".to_owned(), library(&program).display().to_string()),
            ("SCRATCH".to_owned(), scratch.display().to_string()),
            ("HOST".to_owned(), program.display().to_string()),
        ]);
        for pair in given {
            let (name, value) =
                pair.split_once('=').with_context(|| format!("{pair:?} is not NAME=VALUE"))?;
            values.insert(name.to_owned(), value.to_owned());
        }
        Ok(Placeholders(values))
    }

    /// Replaces the placeholders in a text.
    pub(crate) fn fill(&self, text: &str) -> anyhow::Result<String> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, tail) = after.split_once('}').context("${ without }")?;
            let Some(value) = self.0.get(name) else {
                bail!("no value for ${{{name}}}; give it with --set {name}=VALUE");
            };
            filled.push_str(before);
            filled.push_str(value);
            rest = tail;
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

/// The module library in the directory of this program (tests run one directory deeper).
fn library(program: &Path) -> PathBuf {
    let name = "libmesos_command_modules.so";
    let beside = program.with_file_name(name);
    let above = program.parent().and_then(Path::parent).map(|it| it.join(name));
    match above {
        Some(above) if !beside.is_file() && above.is_file() => above,
        _ => beside,
    }
}

/// A modules file that is ready for Mesos.
#[derive(Clone, Debug)]
pub(crate) struct Modules {
    /// The file's content.
    pub(crate) json: Value,
    names: Vec<String>,
}

impl Modules {
    /// Reads a file and fills it in.
    pub(crate) fn read(path: &Path, placeholders: &Placeholders) -> anyhow::Result<Modules> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("failed to read {}", path.display()))?;
        let mut placeholders = placeholders.clone();
        let here = path.canonicalize()?.parent().map(|it| it.display().to_string());
        placeholders.0.insert("HERE".to_owned(), here.unwrap_or_default());
        Modules::parse(&placeholders.fill(&text)?)
            .with_context(|| format!("{} is no modules file", path.display()))
    }

    fn parse(text: &str) -> anyhow::Result<Modules> {
        let json: Value = serde_json::from_str(text)?;
        let libraries = json.get("libraries").and_then(Value::as_array);
        let modules = libraries.context("no list \"libraries\"")?.iter().flat_map(|library| {
            library.get("modules").and_then(Value::as_array).into_iter().flatten()
        });
        let names = modules
            .map(|module| module.get("name").and_then(Value::as_str).map(str::to_owned))
            .collect::<Option<Vec<_>>>()
            .context("a module without a name")?;
        Ok(Modules { json, names })
    }

    /// No module at all.
    pub(crate) fn none() -> Modules {
        Modules { json: serde_json::json!({ "libraries": [] }), names: Vec::new() }
    }

    /// Names for the `--hooks` flag: all that are called a hook.
    pub(crate) fn hooks(&self) -> Vec<&str> {
        self.named("Hook")
    }

    /// Names for the `--isolation` flag: all that are called an isolator.
    pub(crate) fn isolators(&self) -> Vec<&str> {
        self.named("Isolator")
    }

    fn named(&self, word: &str) -> Vec<&str> {
        self.names.iter().map(String::as_str).filter(|name| name.contains(word)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_and_unknown_ones_refused() {
        let values = Placeholders::new(Path::new("/s"), &["A=1".into(), "B=${C}".into()]).unwrap();
        assert_eq!(values.fill("x${A}y${SCRATCH}/z").unwrap(), "x1y/s/z");
        assert_eq!(values.fill("${B}").unwrap(), "${C}", "values are not filled again");
        assert!(values.fill("${C}").unwrap_err().to_string().contains("--set C="));
        assert!(values.fill("${A").is_err());
        assert!(Placeholders::new(Path::new("/s"), &["A".into()]).is_err());
    }

    #[test]
    fn hooks_and_isolators_are_told_apart_by_name() {
        let text = r#"{"libraries":[{"file":"f","modules":[
            {"name":"com_criteo_mesos_CommandHook"},
            {"name":"com_criteo_mesos_CommandIsolator2"}]}]}"#;
        let modules = Modules::parse(text).unwrap();
        assert_eq!(modules.hooks(), ["com_criteo_mesos_CommandHook"]);
        assert_eq!(modules.isolators(), ["com_criteo_mesos_CommandIsolator2"]);
        assert!(Modules::parse(r#"{"libraries":[{"modules":[{}]}]}"#).is_err());
        assert!(Modules::parse("{}").is_err());
    }
}
