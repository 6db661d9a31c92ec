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
pub(crate) mod probe;
mod report;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use child::Probed;
use elf::Image;
use known::Known;
use probe::Finding;
use report::{Outcome, Report, Size, StringAbi, Symbols, list};

/// The module library's file name.
const MODULE: &str = "libmesos_command_modules.so";
/// Names a release that is accepted although it has not been tested; read by the module too.
const ACCEPT_VARIABLE: &str = "MESOS_COMMAND_MODULES_ACCEPT";
/// Replaces sizes that the library reports, for tests; read by the module too.
const TEST_SIZES_VARIABLE: &str = "MESOS_COMMAND_INSPECT_TEST_SIZES";
/// Beginning of every function of Mesos's manager of modules, which only a libmesos has.
const MESOS_MARK: &str = "_ZN5mesos7modules13ModuleManager";
/// The table of versions, under either string ABI.
const TABLE_CXX11: &str = "_ZN5mesos7modules13ModuleManager13kindToVersionB5cxx11E";
const TABLE_OLD: &str = "_ZN5mesos7modules13ModuleManager13kindToVersionE";
/// What else has a `std::string` in its name and is needed, under either string ABI.
const OF_STRINGS_CXX11: [&str; 2] = [
    "_ZNK6google8protobuf11MessageLite21AppendPartialToStringEPNSt7__cxx1112basic_stringIcSt11\
     char_traitsIcESaIcEEE",
    "_ZNK6google8protobuf14DescriptorPool14FindFileByNameERKNSt7__cxx1112basic_stringIcSt11\
     char_traitsIcESaIcEEE",
];
const OF_STRINGS_OLD: [&str; 2] = [
    "_ZNK6google8protobuf11MessageLite21AppendPartialToStringEPSs",
    "_ZNK6google8protobuf14DescriptorPool14FindFileByNameERKSs",
];
/// What only the module library exports.
const MODULE_MARK: &str = "com_criteo_mesos_CommandHook";
/// Between the place of a log line and its text, in the refusal of the module's own check.
const REFUSAL: &str = "refuses to run in this Mesos";

#[derive(clap::Args)]
#[command(
    after_help = "Exit status: 0 the module fits; 1 it does not; 2 a file is not usable, or \
    the library could not be loaded, crashed or hung, so that it is not known.\n\
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
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
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
    report.string_abi = string_abi(&host);
    let probed = child::probe(&report.library, &report.module, timeout)?;
    fill(&mut report, &probed, &Known::read());
    let loadable = probed.findings.iter().any(|it| matches!(it, Finding::Accepted(_)));
    report.symbols = Some(symbols(&host, &own, report.string_abi, loadable));
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
    if !own.strong.contains(MODULE_MARK) || own.required.is_empty() {
        return Err(format!("{} is not the module library", module.display()));
    }
    Ok((host, own))
}

fn string_abi(host: &Image) -> Option<StringAbi> {
    if host.strong.contains(TABLE_CXX11) {
        Some(StringAbi::Cxx11)
    } else if host.strong.contains(TABLE_OLD) {
        Some(StringAbi::Old)
    } else {
        None
    }
}

/// What the module needs and the library has. A library may leave glog or protobuf to others that
/// it loads: so once the module could be loaded, nothing is missing.
fn symbols(host: &Image, own: &Image, abi: Option<StringAbi>, loadable: bool) -> Symbols {
    // The module refers weakly to the names of both string ABIs, and needs those of one.
    let of_strings: &[&str] = match abi {
        Some(StringAbi::Cxx11) => &OF_STRINGS_CXX11,
        Some(StringAbi::Old) => &OF_STRINGS_OLD,
        None => &[],
    };
    let chosen = of_strings.iter().copied().filter(|name| own.optional.contains(*name));
    let mut required = own.required.clone();
    required.extend(chosen.map(str::to_owned));
    let weak: Vec<_> = required.intersection(&host.weak).cloned().collect();
    let absent = required.difference(&host.strong).filter(|name| !host.weak.contains(*name));
    Symbols {
        required: required.len(),
        missing: if loadable { Vec::new() } else { absent.cloned().collect() },
        weak,
    }
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
            Finding::NotLoaded { missing, .. } => report.missing_libraries.clone_from(missing),
            Finding::Accepted(accepted) => report.accepted = Some(*accepted),
            Finding::Stage(_) | Finding::ModuleNotLoaded(_) | Finding::Done => {}
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
            Finding::NotLoaded { message, missing } if missing.is_empty() => {
                unknown.push(format!("it cannot be loaded here: {message}"));
            }
            Finding::NotLoaded { missing, .. } => unknown.push(format!(
                "it cannot be loaded here, because it needs {}, which this system does not have",
                missing.join(", ")
            )),
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

/// The line with which the module's own check refused, without the log's prefix.
fn own_refusal(log: &str) -> String {
    let line = log.lines().rev().find(|line| line.contains(REFUSAL));
    let text = line.map(|line| line.split_once("] ").map_or(line, |(_, text)| text));
    format!("the module's own check: {}", text.unwrap_or("refused, without a reason"))
}

#[cfg(test)]
mod tests {
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
    fn the_names_of_the_hosts_own_strings_are_needed() {
        let image = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let own = Image {
            required: image(&["f"]),
            optional: image(&[OF_STRINGS_CXX11, OF_STRINGS_OLD].concat()),
            ..Image::default()
        };
        let host = Image {
            strong: image(&["f", OF_STRINGS_OLD[0], OF_STRINGS_CXX11[0], OF_STRINGS_CXX11[1]]),
            ..Image::default()
        };
        let found = |abi| symbols(&host, &own, Some(abi), false);
        assert_eq!(found(StringAbi::Old).required, 3);
        assert_eq!(found(StringAbi::Old).missing, OF_STRINGS_OLD[1..]);
        assert!(found(StringAbi::Cxx11).missing.is_empty());
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
