//! What the inspection found, as text for people and as JSON.

use std::path::PathBuf;

use serde::Serialize;

/// The answer, which is also the exit code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// The module works in this library.
    Fits,
    /// It does not.
    DoesNotFit,
    /// It could not be told.
    #[default]
    Unknown,
    /// A file is not what it should be.
    Unusable,
}

impl Outcome {
    pub(super) fn exit_code(self) -> u8 {
        match self {
            Outcome::Fits => crate::SUCCESS,
            Outcome::DoesNotFit => crate::PROBLEMS,
            Outcome::Unusable => crate::UNUSABLE,
            Outcome::Unknown => crate::UNKNOWN,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Outcome::Fits => "The module fits this library.",
            Outcome::DoesNotFit => "The module does not fit this library.",
            Outcome::Unknown => "Whether the module fits this library is unknown.",
            Outcome::Unusable => "There is nothing to compare.",
        }
    }
}

/// Which `std::string` the library is built with. The module works with both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StringAbi {
    /// The one since GCC 5.
    Cxx11,
    /// The one before, which some still build with.
    Old,
}

/// One message type.
#[derive(Debug, Serialize)]
pub(super) struct Size {
    #[serde(rename = "type")]
    pub(super) name: String,
    /// What the library reports; `None` if it does not have the type.
    pub(super) size: Option<u64>,
    /// What the module knows.
    pub(super) known: Vec<u64>,
    /// The size does not come from the library but from a variable for tests.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) simulated: bool,
}

/// Symbols that the module leaves to its host.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Symbols {
    pub(super) required: usize,
    /// Exported neither by the library nor by those that it is loaded with.
    pub(super) missing: Vec<String>,
    /// Not found; but not all of those libraries were found either.
    pub(super) unknown: Vec<String>,
    /// Exported, but weak: another build of the same release may lack them.
    pub(super) weak: Vec<String>,
}

/// The whole inspection.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) library: PathBuf,
    pub(super) module: PathBuf,
    pub(super) outcome: Outcome,
    /// Why it is not [`Outcome::Fits`]; a line each.
    pub(super) problems: Vec<String>,
    pub(super) release: Option<String>,
    /// Whether the module has been tested with that release.
    pub(super) tested: bool,
    pub(super) string_abi: Option<StringAbi>,
    pub(super) symbols: Option<Symbols>,
    /// Sonames of the libraries that it needs, or that these need, and that were not found.
    pub(super) missing_libraries: Vec<String>,
    /// Where they were looked for.
    pub(super) searched: Option<String>,
    pub(super) sizes: Vec<Size>,
    /// Whether the module's own check at load accepts the library.
    pub(super) accepted: Option<bool>,
}

impl Report {
    pub(super) fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            println!("{}", serde_json::to_string_pretty(self)?);
            return Ok(());
        }
        println!("library:      {}", self.library.display());
        println!("module:       {}", self.module.display());
        if let Some(release) = &self.release {
            let tested = if self.tested { "tested" } else { "not tested" };
            println!("release:      {release} ({tested})");
        }
        if let Some(abi) = self.string_abi {
            let text = match abi {
                StringAbi::Cxx11 => "C++11",
                StringAbi::Old => "old, as before GCC 5",
            };
            println!("string ABI:   {text}");
        }
        if let Some(symbols) = &self.symbols {
            self.print_symbols(symbols);
        }
        if !self.sizes.is_empty() {
            println!("sizes:        (in bytes, with what the module knows)");
            for size in &self.sizes {
                let found = size.size.map_or("none".to_owned(), |size| size.to_string());
                let simulated = if size.simulated { " simulated" } else { "" };
                println!("  {:<37} {found:>5}  {}{simulated}", size.name, list(&size.known));
            }
        }
        if let Some(accepted) = self.accepted {
            println!("own check:    {}", if accepted { "accepts it" } else { "refuses it" });
        }
        for problem in &self.problems {
            println!("problem:      {problem}");
        }
        println!("{}", self.outcome.words());
        Ok(())
    }

    fn print_symbols(&self, symbols: &Symbols) {
        let bad = symbols.missing.len() + symbols.weak.len() + symbols.unknown.len();
        let (good, required) = (symbols.required - bad, symbols.required);
        println!("symbols:      {good} of {required} that the module needs");
        if !symbols.unknown.is_empty() {
            println!("  {} may be in the libraries that were not found", symbols.unknown.len());
        }
        for (names, what) in [(&symbols.missing, "missing"), (&symbols.weak, "weak only")] {
            for name in names {
                println!("  {what}: {name}");
            }
        }
    }
}

/// `1, 2 or 3`.
pub(super) fn list(sizes: &[u64]) -> String {
    let texts: Vec<_> = sizes.iter().map(u64::to_string).collect();
    match texts.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => texts.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_listed_in_words() {
        assert_eq!(list(&[]), "");
        assert_eq!(list(&[1]), "1");
        assert_eq!(list(&[1, 2, 3]), "1, 2 or 3");
    }
}
