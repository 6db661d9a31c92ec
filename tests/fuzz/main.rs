//! Every committed input of the fuzzing targets, without cargo-fuzz: the small corpora from which
//! `make fuzz` starts, and each input that once was a finding.
//!
//! `FUZZ_INPUT=<file> cargo test --test fuzz <target>` plays one file.

#![expect(clippy::unwrap_used, reason = "tests, and a finding is a panic")]

pub mod targets;

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

macro_rules! targets {
    ($($name:ident),+ $(,)?) => {
        const NAMES: &[&str] = &[$(stringify!($name)),+];
        $(
            #[test]
            fn $name() {
                play(stringify!($name), targets::$name::run);
            }
        )+
    };
}

targets!(answers, batch, context, http, json, modules_file, parameters, procfs, worker);

fn here(path: &str) -> PathBuf {
    test_support::repository("tests/fuzz").join(path)
}

fn play(target: &str, run: fn(&[u8])) {
    let files = match std::env::var_os("FUZZ_INPUT") {
        Some(file) => vec![file.into()],
        None => inputs(target),
    };
    let found = findings(&files, run);
    assert!(
        found.is_empty(),
        "{found:?}; one alone: FUZZ_INPUT=<file> cargo test --test fuzz {target}"
    );
}

/// The files whose content is a finding. What is wrong stands in the test's output.
fn findings(files: &[PathBuf], run: impl Fn(&[u8])) -> Vec<&Path> {
    let is_finding = |file: &&PathBuf| {
        let content = fs::read(file).unwrap();
        println!("{}:", file.display());
        catch_unwind(AssertUnwindSafe(|| run(&content))).is_err()
    };
    files.iter().filter(is_finding).map(PathBuf::as_path).collect()
}

/// The corpus and the regressions of a target.
fn inputs(target: &str) -> Vec<PathBuf> {
    let mut files = files_in(&here("corpus").join(target));
    assert!(files.len() >= 5, "the corpus of {target} is missing");
    files.extend(files_in(&here("regressions").join(target)));
    files
}

/// In the order of their names; nothing where there is no such directory.
fn files_in(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn a_finding_is_told_by_its_file() {
    let files = inputs("json");
    let text = fs::read(&files[1]).unwrap();
    let found = findings(&files, |content| assert_ne!(content, text));
    assert_eq!(found, [files[1].as_path()]);
}

#[test]
fn every_target_has_its_program_corpus_and_dictionary() {
    let expected: BTreeSet<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    let names = |directory: &str| -> BTreeSet<String> {
        let files = files_in(&here(directory));
        files.iter().map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    for directory in ["bin", "corpus", "dictionaries"] {
        assert_eq!(names(directory), expected, "{directory}");
    }
    assert!(names("regressions").is_subset(&expected), "regressions");
    let manifest = fs::read_to_string(here("Cargo.toml")).unwrap();
    for name in NAMES {
        assert!(manifest.contains(&format!("path = \"bin/{name}.rs\"")), "{name}");
    }
}
