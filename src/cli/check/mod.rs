//! `mesos-command check`: looks for mistakes in a modules file and in what it names.
//!
//! * `finding`: what is found. `text`: the file's bytes. `modules`: libraries, symbols, instances.
//!   `parameters`: keys and values, by the engine's own parser. `places`: directories.
//! * `command`: what a command's text names. `script`: text files and their interpreters.
//!   `program`: ELF files. `permissions`: who can change what runs.
//!
//! It reads and changes nothing.

mod command;
mod finding;
mod modules;
mod parameters;
mod permissions;
mod places;
mod program;
mod script;
mod text;

use std::path::PathBuf;

use anyhow::Context;
use mesos_command::config::modules_file::ModulesFile;

use finding::{Finding, Severity};

#[derive(clap::Args)]
#[command(
    after_help = "Each finding has a severity, a kind in brackets, its place, and what to do. An error keeps the agent \
                  from starting or the command from working; a warning is a doubt: a value that was hardly meant, \
                  something unsafe. Both are problems. An info is good to know.\n\
                  Exit status: 0 no problem; 1 problems; 2 the command line or the modules file could not be used."
)]
pub(crate) struct Arguments {
    /// The modules file that `--modules` of the agent or master names
    modules: PathBuf,
    /// Do not look at the files and directories that it names: for a check on another machine
    #[arg(long)]
    without_files: bool,
    /// Nor print what is only good to know
    #[arg(long)]
    quiet: bool,
}

/// Prints what is found; whether that is no problem.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let text = std::fs::read(&arguments.modules)
        .with_context(|| format!("'{}' cannot be read", arguments.modules.display()))?;
    let mut findings = text::look_at(&text);
    // An encoding that Mesos cannot read is told once, not as a syntax error as well.
    if !findings.iter().any(|finding| finding.severity == Severity::Error) {
        let file = ModulesFile::parse(&text);
        findings.extend(text::remarks(&file));
        findings.extend(modules::look_at(&file, !arguments.without_files));
    }
    if !arguments.without_files {
        findings.extend(permissions::file(&arguments.modules));
    }
    let findings = once(findings);
    let count = |severity| findings.iter().filter(|found| found.severity == severity).count();
    for finding in &findings {
        if finding.is_problem() || !arguments.quiet {
            finding.print(&arguments.modules);
        }
    }
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if errors + warnings == 0 {
        println!("no problems");
    } else {
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        println!("{errors} error{}, {warnings} warning{}", plural(errors), plural(warnings));
    }
    Ok(errors + warnings == 0)
}

/// In the order of the file, each once.
fn once(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| finding.place.line);
    let mut kept: Vec<Finding> = Vec::new();
    for finding in findings {
        if !kept.iter().any(|known| known.repeats(&finding) || *known == finding) {
            kept.push(finding);
        }
    }
    kept
}
