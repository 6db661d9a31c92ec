//! Every command line of the tool that README.md and docs/ show runs, or says that it needs an
//! agent.
//!
//! The convention is in CONTRIBUTING.md, "Command lines in the pages": in blocks of `sh`, a line
//! that begins with `mesos-command` or a path to it has to exit with 0; `# exits with N` behind it
//! names another status. `# on an agent` behind it, or as the first line of its block, says that it
//! needs what a test machine has not. A block that begins with `cat >` makes what later lines use.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use test_support::repository;

const AGENT: &str = "# on an agent";
const STATUS: &str = "# exits with ";
/// The paths by which pages call the tool.
const PATHS: [&str; 3] =
    ["mesos-command", "target/release/mesos-command", "target/debug/mesos-command"];

/// What a page has to say to a shell.
#[derive(Debug, PartialEq, Eq)]
enum Shown {
    /// A block that makes files.
    Files(String),
    /// A command line of the tool, and the status with which it exits.
    Line { number: usize, text: String, status: i32 },
    /// One that needs an agent.
    Agent,
}

/// The blocks of `sh` outside of lists: the number of the first line, and the lines.
fn blocks(page: &str) -> Vec<(usize, Vec<&str>)> {
    let mut found = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if line.trim_start().starts_with("```") {
            let indent = line.len() - line.trim_start().len();
            let inside = lines.by_ref().map(|(_, line)| line.get(indent..).unwrap_or_default());
            let block = inside.take_while(|line| !line.starts_with("```")).collect();
            if line.trim_start() == "```sh" {
                found.push((number + 2, block));
            }
        }
    }
    found
}

/// Lines that a `\` at the end joins, each with the number of its first one.
fn joined(first: usize, block: &[&str]) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (at, line) in block.iter().enumerate() {
        let text = line.strip_suffix('\\').unwrap_or(line).trim();
        match found.last_mut().filter(|_| goes_on) {
            Some((_, before)) => *before += &format!(" {text}"),
            None => found.push((first + at, text.to_owned())),
        }
        goes_on = line.ends_with('\\');
    }
    found
}

/// Whether a line calls the tool.
fn is_tools(line: &str) -> bool {
    line.split_whitespace().next().is_some_and(|word| PATHS.contains(&word))
}

/// What a page shows, in its order.
fn shown(page: &str) -> Vec<Shown> {
    let mut found = Vec::new();
    for (first, block) in blocks(page) {
        if block.first().is_some_and(|line| line.starts_with("cat >")) {
            found.push(Shown::Files(block.join("\n")));
            continue;
        }
        let whole = block.first().is_some_and(|line| line.trim() == AGENT);
        for (number, text) in joined(first, &block) {
            if !is_tools(&text) {
                continue;
            }
            let status = text.split_once(STATUS).map_or("0", |(_, status)| status.trim());
            let status = status.parse().expect("`# exits with` and a number");
            let needs_agent = whole || text.ends_with(AGENT);
            found.push(if needs_agent {
                Shown::Agent
            } else {
                Shown::Line { number, text, status }
            });
        }
    }
    found
}

/// A copy of a directory, which nobody else can write.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        let metadata = entry.metadata().expect("it is there");
        if metadata.is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).expect("it can be copied");
            let mode = metadata.permissions().mode() & 0o755;
            std::fs::set_permissions(&target, PermissionsExt::from_mode(mode)).expect("its mode");
        }
    }
}

/// A reader's directory: a clone with a build, and a modules file with the examples.
struct Reader(tempfile::TempDir);

impl Reader {
    fn new() -> Reader {
        let reader = Reader(tempfile::tempdir().expect("a directory"));
        let tool = env!("CARGO_BIN_EXE_mesos-command");
        copy(&repository("examples"), &reader.path("examples"));
        for directory in ["target/release", "target/debug", "bin"] {
            std::fs::create_dir_all(reader.path(directory)).expect("a directory");
            symlink(tool, reader.path(directory).join("mesos-command")).expect("a link");
        }
        // Only its form is looked at, which is that of any program.
        let library = reader.path("target/release/libmesos_command_modules.so");
        symlink(tool, &library).expect("a link");
        let shipped = std::fs::read_to_string(repository("examples/modules.json")).expect("there");
        let installed = shipped
            .replace("/etc/mesos-command", &reader.path("examples").display().to_string())
            .replace("/usr/lib/mesos/libmesos_command_modules.so", &library.display().to_string());
        std::fs::write(reader.path("modules.json"), installed).expect("the modules file");
        reader
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, text: &str) -> Output {
        let path = std::env::var("PATH").unwrap_or_default();
        Command::new("sh")
            .args(["-ec", text])
            .current_dir(self.0.path())
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("EXAMPLE_STATE", self.path("state"))
            .stdin(Stdio::null())
            .output()
            .expect("a shell")
    }
}

fn pages() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(repository("docs")).expect("docs");
    let mut pages: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    pages.retain(|path| path.extension().is_some_and(|it| it == "md"));
    pages.push(repository("README.md"));
    pages.sort();
    pages
}

#[test]
fn every_command_line_of_the_pages_runs_or_needs_an_agent() {
    let (mut ran, mut wrong) = (0, Vec::new());
    for page in pages() {
        let reader = Reader::new();
        for shown in shown(&std::fs::read_to_string(&page).expect("the page")) {
            let (place, text, status) = match shown {
                Shown::Files(text) => (page.display().to_string(), text, 0),
                Shown::Line { number, text, status } => {
                    ran += 1;
                    (format!("{}:{number}", page.display()), text, status)
                }
                Shown::Agent => continue,
            };
            let done = reader.run(&text);
            if done.status.code() != Some(status) {
                let said = String::from_utf8_lossy(&done.stdout).into_owned();
                let said = said + &String::from_utf8_lossy(&done.stderr);
                wrong
                    .push(format!("{place}: {text}\n{} (expected: {status})\n{said}", done.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(ran >= 10, "only {ran} lines were found");
}

#[test]
fn the_convention_is_read_as_it_is_written() {
    let page = "```sh\ncat >a <<B\nmesos-command no\nB\n```\n\
                ```sh\nmesos-command check a \\\n  --quiet   # exits with 1\nother mesos-command\n\
                mesos-command inspect b   # on an agent\n```\n\
                ```sh\n# on an agent\ntarget/release/mesos-command c\n```\n\
                1. x\n\n   ```sh\n   mesos-command d\n   ```\n\
                ```text\nmesos-command e\n```\n";
    let line = |number, text: &str, status| Shown::Line { number, text: text.to_owned(), status };
    assert_eq!(
        shown(page),
        [
            Shown::Files("cat >a <<B\nmesos-command no\nB".to_owned()),
            line(7, "mesos-command check a --quiet   # exits with 1", 1),
            Shown::Agent,
            Shown::Agent,
            line(19, "mesos-command d", 0),
        ]
    );
}
