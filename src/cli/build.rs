//! What `--version` says of the build: revision, target and compiler.
//!
//! `MESOS_COMMAND_REVISION` in the environment counts, for builds outside of a repository.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=MESOS_COMMAND_REVISION");
    println!("cargo::rerun-if-changed=build.rs");
    // Git writes it with each commit and each change of the branch.
    let log = output("git", &["rev-parse", "--git-path", "logs/HEAD"]);
    if let Some(log) = log.filter(|log| std::path::Path::new(log).exists()) {
        println!("cargo::rerun-if-changed={log}");
    }
    let given = std::env::var("MESOS_COMMAND_REVISION").ok().filter(|it| !it.is_empty());
    let revision = given.or_else(|| output("git", &["rev-parse", "--short=12", "HEAD"]));
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let compiler = output(&rustc, &["--version"]);
    let target = std::env::var("TARGET").ok();
    for (name, value) in [("REVISION", revision), ("RUSTC", compiler), ("TARGET", target)] {
        let value = value.unwrap_or_else(|| "unknown".to_owned());
        println!("cargo::rustc-env=MESOS_COMMAND_{name}={value}");
    }
}

/// The first line that a program prints; `None` when it fails.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let done = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(done.stdout).ok()?;
    let line = text.lines().next()?.trim();
    (done.status.success() && !line.is_empty()).then(|| line.to_owned())
}
