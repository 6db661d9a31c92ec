//! `mesos-command inspect`: tells whether the module library works in a libmesos, before an agent
//! tries.
//!
//! Three kinds of evidence, from harmless to telling: what the files say about their symbols; the
//! sizes and the release that the library reports once it is loaded; and what the module's own
//! check at load makes of it. The last two come from a child process, which may crash. What is
//! known to be usable stands in one table, from which the module itself is compiled (`known`).

mod child;
mod elf;
mod known;
mod neighbours;
pub(crate) mod probe;
mod report;
mod symbols;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use child::Probed;
use elf::Image;
use known::Known;
use probe::Finding;
use report::{Outcome, Report, Size, list};

/// Seconds that loading and asking may take.
const DEFAULT_TIMEOUT: u64 = 60;
/// The module library's file name.
pub(crate) const MODULE: &str = "libmesos_command_modules.so";
/// Names a release that is accepted although it has not been tested; read by the module too.
const ACCEPT_VARIABLE: &str = "MESOS_COMMAND_MODULES_ACCEPT";
/// Replaces sizes that the library reports, for tests; read by the module too.
const TEST_SIZES_VARIABLE: &str = "MESOS_COMMAND_INSPECT_TEST_SIZES";
/// Beginning of every function of Mesos's manager of modules, which only a libmesos has.
const MESOS_MARK: &str = "_ZN5mesos7modules13ModuleManager";
/// What only the module library exports.
const MODULE_MARK: &str = "com_criteo_mesos_CommandHook";
/// Between the place of a log line and its text, in the refusal of the module's own check.
const REFUSAL: &str = "refuses to run in this Mesos";

#[derive(clap::Args)]
#[command(
    after_help = "Exit status: 0 the module fits; 1 it does not; 2 a file is not usable; 3 it is \
    not known, because the library could not be loaded, crashed or hung. A library that needs \
    others (clusterd's does) is loaded with those that the dynamic linker finds; \
    LD_LIBRARY_PATH=DIR names another directory of them.\n\
    The library is loaded in a process of its own, with this one's environment; its initialisers \
    run, an agent or master does not. Names of symbols are mangled: c++filt translates them."
)]
pub(crate) struct Arguments {
    /// The libmesos of an agent or master
    library: PathBuf,
    /// The module library [default: libmesos_command_modules.so beside this program]
    #[arg(long)]
    module: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Seconds that loading and asking may take
    #[arg(long, default_value_t = DEFAULT_TIMEOUT, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
}

/// The releases of Mesos that the module library was tested with.
pub(crate) fn releases() -> Vec<&'static str> {
    Known::read().releases
}

/// Inspects, prints, and returns the exit code.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let library = std::path::absolute(&arguments.library).context("the library's path")?;
    let module = match &arguments.module {
        Some(module) => std::path::absolute(module).context("the module's path")?,
        None => std::env::current_exe().context("this program's path")?.with_file_name(MODULE),
    };
    let report = inspect(library, module, Duration::from_secs(arguments.timeout))?;
    if report.outcome == Outcome::Unusable && !arguments.json {
        anyhow::bail!("{}", report.problems.join("; "));
    }
    report.print(arguments.json)?;
    Ok(report.outcome.exit_code())
}

/// Whether a module library works in a libmesos, and what speaks against it; `None`: it is not
/// known.
///
/// # Errors
/// When a path cannot be made absolute, or the examining process not be started.
pub(crate) fn fits(library: &Path, module: &Path) -> anyhow::Result<(Option<bool>, Vec<String>)> {
    let library = std::path::absolute(library).context("the library's path")?;
    let module = std::path::absolute(module).context("the module's path")?;
    let report = inspect(library, module, Duration::from_secs(DEFAULT_TIMEOUT))?;
    let fits = match report.outcome {
        Outcome::Fits => Some(true),
        Outcome::DoesNotFit | Outcome::Unusable => Some(false),
        Outcome::Unknown => None,
    };
    Ok((fits, report.problems))
}

/// Why a file is not the module library; `None` when it is.
pub(crate) fn module_problem(path: &Path) -> Option<String> {
    match Image::read(path) {
        Err(problem) => Some(format!("'{}' {problem}", path.display())),
        Ok(image) if !is_module(&image) => {
            Some(format!("'{}' is not the module library", path.display()))
        }
        Ok(_) => None,
    }
}

fn is_module(image: &Image) -> bool {
    image.strong.contains(MODULE_MARK) && !image.required.is_empty()
}

fn inspect(library: PathBuf, module: PathBuf, timeout: Duration) -> anyhow::Result<Report> {
    let mut report = Report { library, module, ..Report::default() };
    let (host, own) = match images(&report.library, &report.module) {
        Ok(images) => images,
        Err(problem) => {
            report.outcome = Outcome::Unusable;
            report.problems.push(problem);
            return Ok(report);
        }
    };
    report.string_abi = symbols::string_abi(&host);
    let neighbours = neighbours::list(&report.library);
    let probed = child::probe(&report.library, &report.module, timeout)?;
    fill(&mut report, &probed, &Known::read());
    let loadable = probed.findings.iter().any(|it| matches!(it, Finding::Accepted(_)));
    let symbols = symbols::compare(&host, &own, report.string_abi, neighbours.as_ref(), loadable);
    report.symbols = Some(symbols);
    let missing = neighbours.filter(|neighbours| !neighbours.missing.is_empty());
    if let Some(neighbours) = missing.filter(|_| !loadable) {
        report.searched = Some(neighbours.searched(&host));
        report.missing_libraries = neighbours.missing;
    }
    judge(&mut report, &probed);
    Ok(report)
}

/// Reads both files.
fn images(library: &Path, module: &Path) -> Result<(Image, Image), String> {
    let read =
        |path: &Path| Image::read(path).map_err(|problem| format!("{} {problem}", path.display()));
    let host = read(library)?;
    if host.strong.contains(MODULE_MARK) {
        return Err(format!("{} is the module library, not a libmesos", library.display()));
    }
    let marked = |name: &String| name.starts_with(MESOS_MARK);
    if !host.strong.iter().any(marked) {
        return Err(format!(
            "{} is a shared library, but no libmesos: it exports nothing of Mesos's ModuleManager",
            library.display()
        ));
    }
    let own = read(module)?;
    if !is_module(&own) {
        return Err(format!("{} is not the module library", module.display()));
    }
    Ok((host, own))
}

/// Takes over what the child found.
fn fill(report: &mut Report, probed: &Probed, known: &Known) {
    let simulated = std::env::var(TEST_SIZES_VARIABLE).unwrap_or_default();
    for finding in &probed.findings {
        match finding {
            Finding::Size { name, size } => {
                let replaced = replaced(&simulated, name);
                let sizes = known.sizes.iter().find(|(it, _)| it == name);
                report.sizes.push(Size {
                    name: name.clone(),
                    size: replaced.or(*size),
                    known: sizes.map(|(_, sizes)| sizes.clone()).unwrap_or_default(),
                    simulated: replaced.is_some(),
                });
            }
            Finding::Release(release) => {
                report.tested = known.releases.contains(&release.as_str());
                report.release = Some(release.clone());
            }
            Finding::Accepted(accepted) => report.accepted = Some(*accepted),
            Finding::Stage(_)
            | Finding::NotLoaded(_)
            | Finding::ModuleNotLoaded(_)
            | Finding::Done => {}
        }
    }
}

/// The size in `mesos.Labels=56,mesos.Resources=8` for a name.
fn replaced(text: &str, name: &str) -> Option<u64> {
    text.split(',').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
}

/// Draws the conclusion. Evidence against counts even when the rest is unknown.
fn judge(report: &mut Report, probed: &Probed) {
    let mut against = Vec::new();
    let mut unknown = Vec::new();
    if let Some(symbols) = &report.symbols {
        for (names, what) in [(&symbols.missing, "lacks"), (&symbols.weak, "has only weakly")] {
            if !names.is_empty() {
                let count = names.len();
                against.push(format!("it {what} {count} symbols that the module needs"));
            }
        }
    }
    for size in &report.sizes {
        match size.size {
            Some(found) if size.known.contains(&found) => {}
            Some(found) => against.push(format!(
                "{} takes {found} bytes in it, but the module knows {}",
                size.name,
                list(&size.known)
            )),
            None => unknown.push(format!("its size of {} cannot be read", size.name)),
        }
    }
    if let Some(release) = report.release.as_ref().filter(|_| !report.tested)
        && std::env::var(ACCEPT_VARIABLE).ok().as_ref() != Some(release)
    {
        against.push(format!(
            "Mesos {release} is not among the tested releases; {ACCEPT_VARIABLE}={release} in the \
             agent's environment (and in this program's) accepts it"
        ));
    }
    for finding in &probed.findings {
        match finding {
            Finding::NotLoaded(message) => match &report.searched {
                None => unknown.push(format!("it cannot be loaded here: {message}")),
                Some(searched) => unknown.push(not_found(&report.missing_libraries, searched)),
            },
            Finding::ModuleNotLoaded(message) => {
                against.push(format!("the module cannot be loaded into it: {message}"));
            }
            Finding::Accepted(false) => against.push(own_refusal(&probed.log)),
            _ => {}
        }
    }
    if let Some(trouble) = &probed.trouble {
        unknown.push(format!("the process that examined it {trouble}"));
    }
    report.outcome = match (against.is_empty(), unknown.is_empty(), report.accepted) {
        (false, ..) => Outcome::DoesNotFit,
        (true, true, Some(true)) => Outcome::Fits,
        _ => Outcome::Unknown,
    };
    report.problems = against.into_iter().chain(unknown).collect();
}

/// Why a library cannot be loaded, and what to do.
fn not_found(missing: &[String], searched: &str) -> String {
    format!(
        "it cannot be loaded here, because it needs {}, which were not found in {searched}; \
         inspect it on a machine that runs this Mesos, or name the directory that has them: \
         LD_LIBRARY_PATH=DIR mesos-command inspect ...",
        missing.join(", ")
    )
}

/// The line with which the module's own check refused, without the log's prefix.
fn own_refusal(log: &str) -> String {
    let line = log.lines().rev().find(|line| line.contains(REFUSAL));
    let text = line.map(|line| line.split_once("] ").map_or(line, |(_, text)| text));
    format!("the module's own check: {}", text.unwrap_or("refused, without a reason"))
}

#[cfg(test)]
mod tests {
    use super::report::{StringAbi, Symbols};
    use super::*;

    fn report() -> Report {
        Report {
            release: Some("1.11.0".into()),
            tested: true,
            string_abi: Some(StringAbi::Cxx11),
            symbols: Some(Symbols { required: 3, ..Symbols::default() }),
            sizes: vec![Size {
                name: "mesos.Labels".into(),
                size: Some(48),
                known: vec![48],
                simulated: false,
            }],
            accepted: Some(true),
            ..Report::default()
        }
    }

    fn judged(change: impl FnOnce(&mut Report, &mut Probed)) -> (Outcome, String) {
        let (mut report, mut probed) = (report(), Probed::default());
        change(&mut report, &mut probed);
        judge(&mut report, &probed);
        (report.outcome, report.problems.join("\n"))
    }

    #[test]
    fn everything_right_fits() {
        assert_eq!(judged(|_, _| {}), (Outcome::Fits, String::new()));
    }

    #[test]
    fn each_piece_of_evidence_counts() {
        let (outcome, text) = judged(|it, _| it.sizes[0].size = Some(56));
        assert_eq!(outcome, Outcome::DoesNotFit);
        assert_eq!(text, "mesos.Labels takes 56 bytes in it, but the module knows 48");
        let not = |change: fn(&mut Report)| judged(|it, _| change(it)).0;
        assert_eq!(not(|it| it.string_abi = Some(StringAbi::Old)), Outcome::Fits);
        assert_eq!(not(|it| it.tested = false), Outcome::DoesNotFit);
        assert_eq!(not(|it| it.sizes[0].size = None), Outcome::Unknown);
        assert_eq!(not(|it| it.accepted = None), Outcome::Unknown);
        let missing = |it: &mut Report| {
            it.symbols = Some(Symbols { missing: vec!["x".into()], ..Symbols::default() });
        };
        assert_eq!(not(missing), Outcome::DoesNotFit);
    }

    #[test]
    fn neighbours_that_are_not_found_make_it_unknown() {
        let (outcome, text) = judged(|it, probed| {
            it.searched = Some("/a (RUNPATH)".into());
            it.missing_libraries = vec!["libb.so".into(), "libc.so".into()];
            it.accepted = None;
            probed.findings = vec![Finding::NotLoaded("libb.so: no".into())];
        });
        assert_eq!((outcome, outcome.exit_code()), (Outcome::Unknown, 3));
        assert!(text.contains("needs libb.so, libc.so, which were not found in /a (RUNPATH); "));
    }

    #[test]
    fn trouble_is_unknown_unless_something_speaks_against_it() {
        let crash = |probed: &mut Probed| probed.trouble = Some("crashed".into());
        assert_eq!(judged(|_, probed| crash(probed)).0, Outcome::Unknown);
        let (outcome, text) = judged(|it, probed| {
            crash(probed);
            it.sizes[0].size = Some(1);
        });
        assert_eq!(outcome, Outcome::DoesNotFit);
        assert!(text.ends_with("the process that examined it crashed"), "{text}");
    }

    #[test]
    fn the_own_checks_line_is_shown_without_its_prefix() {
        let log = "WARNING: x\nE1122 10:11:12.1 5 factory.cpp:42] lib refuses to run in this Mesos \
                   1.11.0: mesos.Labels takes 56 bytes in it\n";
        assert_eq!(
            own_refusal(log),
            "the module's own check: lib refuses to run in this Mesos 1.11.0: mesos.Labels takes \
             56 bytes in it"
        );
    }

    #[test]
    fn sizes_for_tests_are_found_by_whole_names() {
        assert_eq!(replaced("mesos.Labels=56,mesos.Resource=8", "mesos.Resource"), Some(8));
        assert_eq!(replaced("mesos.Resources=8", "mesos.Resource"), None);
    }
}
