//! `mesos-command check`: looks for mistakes in a configuration and in what it names.
//!
//! * `given`: what the command line names. `finding`: what is found. `codes`: the kinds of
//!   findings. `render`: how they are printed. `fix`: the corrected file.
//! * `text`: a file's bytes. `modules`: libraries, symbols, instances. `flags`: the lists of hooks
//!   and isolators. `parameters`: keys and values, by the engine's own parser. `places`:
//!   directories. `ports`: where metrics are served.
//! * `command`: what a command's text names. `script`: text files and their interpreters. `io`:
//!   scripts that a memfd does not serve. `program`: ELF files. `permissions`: who can change what
//!   runs.
//!
//! It reads, and changes nothing; `--fix` writes a new file.

mod codes;
mod command;
mod condition;
mod finding;
mod fix;
mod flags;
mod found;
mod given;
mod io;
mod io_words;
mod modules;
mod parameters;
mod permissions;
mod places;
mod ports;
mod program;
mod render;
mod script;
mod text;
mod warm;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use mesos_command::config::modules_file::ModulesFile;

use crate::inspect;
use crate::table::plain;
use finding::{Finding, Place, Severity};
use given::Given;
use modules::Files;
use ports::Ports;
use render::{Findings, Format};

/// What is more than an error a reason to end with 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Denied {
    /// Warnings as well.
    Warnings,
}

#[derive(clap::Args)]
#[command(
    after_help = "MODULES is what the flag --modules has: file:///path, a path, or JSON itself; a directory is what \
                  --modules_dir has. `--from /etc/mesos-agent` (or /etc/mesos-slave, /etc/mesos-master) takes the \
                  flags from the files of that directory.\n\
                  Each finding has a severity, a code in brackets, its place, and what to do. An error keeps the agent \
                  from starting or the command from working; a warning is a doubt: a value that was hardly meant, \
                  something unsafe. An info is good to know.\n\
                  Exit status: 0 no error (with --deny warnings: and no warning); 1 errors; 2 the command line or a \
                  file could not be used. With --fix it is that of the corrected files."
)]
pub(crate) struct Arguments {
    /// What `--modules` or `--modules_dir` of the agent or master names
    #[arg(required_unless_present_any = ["from", "explain"], conflicts_with = "from")]
    modules: Option<String>,
    /// Take `modules`, `modules_dir`, `hooks`, `isolation`, `port` and `resources` from the files
    /// of this directory
    #[arg(long, value_name = "DIRECTORY")]
    from: Option<PathBuf>,
    /// The value of `--hooks`: each hook must be there, and be named
    #[arg(long, value_name = "NAMES")]
    hooks: Option<String>,
    /// The value of `--isolation`, in the same way
    #[arg(long, value_name = "NAMES")]
    isolation: Option<String>,
    /// Tell whether the module libraries work in this libmesos, as `inspect` does
    #[arg(long, value_name = "LIBMESOS", conflicts_with = "without_files")]
    library: Option<PathBuf>,
    /// Do not look at the files and directories that it names: for a check on another machine
    #[arg(long)]
    without_files: bool,
    /// Look at FILE where the configuration names the library PATH: for a library that is still to
    /// be put there
    #[arg(long, value_name = "PATH=FILE", value_parser = Replaced::parse, conflicts_with = "without_files")]
    replace: Option<Replaced>,
    /// Nor print what is only good to know
    #[arg(long)]
    quiet: bool,
    /// How findings are printed
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// End with 1 for warnings too
    #[arg(long, value_enum)]
    deny: Option<Denied>,
    /// Write a corrected file beside each that can be corrected: FILE.fixed, or for those of a
    /// directory DIRECTORY.fixed/FILE
    #[arg(long)]
    fix: bool,
    /// Say all that is known of a code (MC012), and do nothing else
    #[arg(long, value_name = "CODE")]
    explain: Option<String>,
}

/// A library that is looked at in place of another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Replaced {
    path: PathBuf,
    file: PathBuf,
}

impl Replaced {
    fn parse(text: &str) -> Result<Replaced, String> {
        let (path, file) = text.split_once('=').unwrap_or_default();
        if !path.starts_with('/') || file.is_empty() {
            return Err(
                "give an absolute path as the configuration has it, '=', and a file".to_owned()
            );
        }
        Ok(Replaced { path: path.into(), file: file.into() })
    }
}

/// How far is looked.
struct Look<'a> {
    /// At the files and directories that are named.
    files: bool,
    replaced: Option<&'a Replaced>,
    ports: &'a Ports,
}

impl<'a> Look<'a> {
    /// The file that is looked at for a library.
    fn library(&self, named: &'a Path) -> &'a Path {
        self.replaced.filter(|it| it.path == named).map_or(named, |it| &it.file)
    }
}

impl Arguments {
    fn look<'a>(&'a self, given: &'a Given) -> Look<'a> {
        Look { files: !self.without_files, replaced: self.replace.as_ref(), ports: &given.ports }
    }
}

/// All codes as the table of the documentation.
pub(crate) fn codes_markdown() -> String {
    codes::markdown()
}

/// The same for people.
pub(crate) fn codes_text() -> String {
    codes::text()
}

/// The same for programs.
pub(crate) fn codes_data() -> serde_json::Value {
    codes::data()
}

/// All that is known of a code.
pub(crate) fn explain_code(code: &str) -> Option<String> {
    codes::find(code).map(codes::explain)
}

/// Prints what is found; whether that is no problem.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    if let Some(code) = &arguments.explain {
        let text = explain_code(code).ok_or_else(|| {
            anyhow!("'{code}' is no code; `mesos-command explain codes` lists them")
        })?;
        print!("{text}");
        return Ok(true);
    }
    let given = Given::new(arguments)?;
    let mut found = look_at(&given, arguments);
    found.extend(fits(&given, arguments)?);
    let mut findings = once(found);
    let format = if arguments.json { Format::Json } else { arguments.format };
    if arguments.quiet {
        findings.retain(Finding::is_problem);
    }
    let written = if arguments.fix { Some(write_fixed(&given, arguments)?) } else { None };
    let (paths, remaining) = match &written {
        Some((paths, remaining)) => (&paths[..], remaining),
        None => (&[][..], &findings),
    };
    Findings { sources: &given.sources, all: &findings, fixed: paths }.print(format);
    let is_denied = |finding: &Finding| match finding.severity {
        Severity::Error => true,
        Severity::Warning => arguments.deny.is_some(),
        Severity::Info => false,
    };
    Ok(!remaining.iter().any(is_denied))
}

/// All that is found without loading a library.
fn look_at(given: &Given, arguments: &Arguments) -> Vec<Finding> {
    let look = arguments.look(given);
    let mut found = given.early.clone();
    let sources = &given.sources[..given.modules];
    let mut files = Files {
        names: sources.iter().map(|source| source.name.as_str()).collect(),
        texts: sources.iter().map(|source| &source.text[..]).collect(),
        parsed: Vec::new(),
        is_whole: !sources.is_empty(),
    };
    for (index, source) in sources.iter().enumerate() {
        let mut own = text::look_at(&source.text);
        // An encoding that Mesos cannot read is told once, not as a syntax error as well.
        let is_readable = !own.iter().any(|finding| finding.severity == Severity::Error);
        let parsed =
            if is_readable { ModulesFile::parse(&source.text) } else { ModulesFile::default() };
        own.extend(text::remarks(&parsed, &source.text));
        files.is_whole &= is_readable && parsed.problems.is_empty();
        files.parsed.push(parsed);
        if let Some(path) = source.path.as_ref().filter(|_| look.files) {
            own.extend(permissions::file(path));
        }
        found.extend(own.into_iter().map(|finding| finding.of(index)));
    }
    found.extend(modules::look_at(&files, &look));
    // What is missing may be in a file that could not be read.
    for list in given.lists().filter(|_| files.is_whole) {
        found.extend(list.look_at(&files));
    }
    found
}

/// Whether the module libraries work in the libmesos that the command line names.
fn fits(given: &Given, arguments: &Arguments) -> anyhow::Result<Vec<Finding>> {
    let Some(library) = &arguments.library else { return Ok(Vec::new()) };
    let (look, mut found) = (arguments.look(given), Vec::new());
    for (index, source) in given.sources[..given.modules].iter().enumerate() {
        for listed in ModulesFile::parse(&source.text).libraries {
            let is_ours = listed.modules.iter().any(|module| module.entry().is_some());
            let Some(file) = listed.file.filter(|_| is_ours) else { continue };
            let path = look.library(Path::new(&file.text));
            if !path.exists() {
                continue;
            }
            if std::io::stderr().is_terminal() {
                // It takes seconds.
                let shown = path.display().to_string();
                eprintln!("loading {} into {}", plain(&shown), library.display());
            }
            let (fits, problems) = inspect::fits(library, path)?;
            let shown = library.display();
            let finding = match fits {
                Some(true) => continue,
                Some(false) => {
                    let message = format!("it does not fit {shown}: {}", problems.join("; "));
                    Finding::error(codes::LIBRARY_DOES_NOT_FIT, message)
                        .advice(codes::LIBRARY_DOES_NOT_FIT.advice)
                }
                None => {
                    let message =
                        format!("it is not known whether it fits {shown}: {}", problems.join("; "));
                    Finding::warning(codes::LIBRARY_FIT_UNKNOWN, message)
                        .advice(codes::LIBRARY_FIT_UNKNOWN.advice)
                }
            };
            found.push(finding.at(&Place::text(&file)).of(index));
        }
    }
    Ok(found)
}

/// Writes what can be corrected; the files that were written, and what is found in them.
fn write_fixed(
    given: &Given,
    arguments: &Arguments,
) -> anyhow::Result<(Vec<PathBuf>, Vec<Finding>)> {
    let mut fixed = given.clone();
    let mut found = once(look_at(&fixed, arguments));
    for _ in 0..fix::ROUNDS {
        let mut has_changed = false;
        for (index, source) in fixed.sources[..given.modules].iter_mut().enumerate() {
            if let Some(text) = fix::apply(&source.text, &found, index) {
                source.text = text;
                has_changed = true;
            }
        }
        if !has_changed {
            break;
        }
        found = once(look_at(&fixed, arguments));
    }
    let pairs = given.sources.iter().zip(&fixed.sources);
    let changed = pairs.filter(|(old, new)| old.text != new.text);
    let written = changed.map(|(old, new)| fix::write(old, &new.text, given.is_directory));
    Ok((written.collect::<anyhow::Result<_>>()?, found))
}

/// In the order of the files, each once.
fn once(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| (finding.place.source, finding.place.span));
    let mut kept: Vec<Finding> = Vec::new();
    for finding in findings {
        if !kept.iter().any(|known| known.repeats(&finding) || *known == finding) {
            kept.push(finding);
        }
    }
    kept
}
