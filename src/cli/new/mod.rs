//! `mesos-command new`: a command for an event that works, with comments, and its test.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use mesos_command::config::keys;
use mesos_command::event::{Event, Output, Row};
use serde_json::{Value, json};

use crate::call::parse_event;
use crate::samples;

/// What the command is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Language {
    Sh,
    Bash,
    Python,
    C,
    WorkerPython,
    WorkerC,
}

impl Language {
    const fn template(self) -> &'static str {
        match self {
            Language::Sh | Language::Bash => include_str!("script.sh.in"),
            Language::Python => include_str!("script.py.in"),
            Language::C => include_str!("script.c.in"),
            Language::WorkerPython => include_str!("worker.py.in"),
            Language::WorkerC => include_str!("worker.c.in"),
        }
    }

    /// The ending of a program that runs as it is; sources of C have `.c`.
    const fn ending(self) -> &'static str {
        match self {
            Language::Sh | Language::Bash => ".sh",
            Language::Python | Language::WorkerPython => ".py",
            Language::C | Language::WorkerC => "",
        }
    }

    const fn is_c(self) -> bool {
        matches!(self, Language::C | Language::WorkerC)
    }

    /// Another `<event>_mode` than `spawn` that it can be run in, and how a case says that.
    const fn other_mode(self) -> Option<(&'static str, &'static str)> {
        match self {
            Language::WorkerPython | Language::WorkerC => Some(("worker", "by a worker")),
            Language::Python => Some(("warm", "run warm")),
            Language::Sh | Language::Bash | Language::C => None,
        }
    }
}

/// What a worker's file has of the library of its language, so that it needs no other file.
#[derive(Default)]
struct Library {
    imports: String,
    body: String,
}

impl Library {
    /// Of a file in which the imports, after what says what it is, are one paragraph or two.
    fn of(text: &str, is_import: impl Fn(&str) -> bool) -> Library {
        let (imports, body): (Vec<&str>, Vec<&str>) =
            text.lines().partition(|line| is_import(line));
        Library { imports: imports.join("\n"), body: body.join("\n").trim().to_owned() }
    }
}

impl Language {
    fn library(self) -> Library {
        match self {
            Language::WorkerPython => {
                let text = include_str!("../../../examples/workers/mesos_worker.py");
                let text = text.splitn(3, "\"\"\"").last().unwrap_or_default();
                Library::of(text, |line| line.starts_with("import ") || line.starts_with("from "))
            }
            Language::WorkerC => {
                let text = include_str!("../../../examples/workers/mesos_worker.h");
                let text = text.split_once("*/").map_or(text, |(_, text)| text);
                let guard = ["#ifndef MESOS_WORKER_H", "#define MESOS_WORKER_H", "#endif"];
                let lines = text.lines().filter(|line| !guard.contains(line));
                let text = lines.collect::<Vec<_>>().join("\n");
                Library::of(&text, |line| line.starts_with("#include "))
            }
            _ => Library::default(),
        }
    }
}

#[derive(clap::Args)]
#[command(
    after_help = "Two files are written and none is ever replaced: the command, and its test for `mesos-command test`. \
                  What they answer is a constant: put your own work in its place.\n\
                  Exit status: 0 both are written; 2 they are not."
)]
pub(crate) struct Arguments {
    /// The event, by its parameter prefix (isolator_usage)
    #[arg(value_parser = parse_event)]
    event: Event,
    /// What the command is written in
    #[arg(long, value_enum, default_value = "sh")]
    lang: Language,
    /// The command's path [default: after the event, in this directory]
    #[arg(long, short)]
    output: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let (event, language) = (arguments.event, arguments.lang);
    let path = arguments.output.clone().unwrap_or_else(|| default_path(event, language));
    let name = path.file_name().ok_or_else(|| anyhow!("'{}' has no name", path.display()))?;
    let command = format!("./{}", name.to_string_lossy());
    let source = if language.is_c() { suffixed(&path, ".c") } else { path.clone() };
    let test = suffixed(&path, ".test.json");
    let mode = if language.is_c() { 0o644 } else { 0o755 };
    write(&source, mode, &text(event, language, &command))?;
    write(&test, 0o644, &cases(event, language, &command))?;
    println!("{}", source.display());
    println!("{}", test.display());
    Ok(true)
}

/// `isolator_usage` in Python is `usage.py`.
fn default_path(event: Event, language: Language) -> PathBuf {
    let name = event.label();
    let name = name.strip_prefix("hook_").or(name.strip_prefix("isolator_")).unwrap_or(name);
    format!("{}{}", name.replace('_', "-"), language.ending()).into()
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn write(path: &Path, mode: u32, text: &str) -> anyhow::Result<()> {
    let shown = path.display();
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = file.with_context(|| format!("'{shown}' cannot be made"))?;
    file.write_all(text.as_bytes()).with_context(|| format!("'{shown}' cannot be written"))
}

/// What is answered; a watch command that always answered would end every container.
fn told(event: Event) -> Option<Value> {
    samples::answer(event).filter(|_| event != Event::Watch)
}

fn text(event: Event, language: Language, command: &str) -> String {
    let prefix = match language {
        Language::Sh | Language::Bash => "# ",
        Language::Python | Language::WorkerPython => "",
        Language::C | Language::WorkerC => " * ",
    };
    let lines = head(event.row());
    let mut head = String::new();
    for (index, line) in lines.iter().enumerate() {
        let prefix = if index == 0 && !prefix.starts_with('#') { "" } else { prefix };
        head += if index == 0 { "" } else { "\n" };
        head += format!("{prefix}{line}").trim_end();
    }
    let work = match language {
        Language::Sh | Language::Bash => shell_work(event),
        Language::Python | Language::WorkerPython => python_work(event),
        Language::C | Language::WorkerC => c_work(event),
    };
    let (shell, options) = match language {
        Language::Bash => ("bash", "-euo pipefail"),
        _ => ("sh", "-eu"),
    };
    let filled = language.template().replace("{{shell}}", shell).replace("{{options}}", options);
    let filled = filled.replace("{{event}}", event.label()).replace("{{path}}", command);
    let library = language.library();
    let filled = filled.replace("{{imports}}", &library.imports);
    let filled = filled.replace("{{library}}", &library.body);
    filled.replace("{{head}}", &head).replace("{{work}}", &work)
}

/// What the author has to know, a line each.
fn head(row: &Row) -> Vec<String> {
    let meaning = row.mesos;
    let mut lines = vec![
        format!("{}: {}.", row.event.label(), row.moment),
        String::new(),
        "Called as: COMMAND INPUT OUTPUT ERROR".to_owned(),
        "  INPUT   one line of JSON, which standard input is too, with these keys:".to_owned(),
    ];
    for key in row.inputs.iter().chain(row.added) {
        let absent = if key.optional { " (may be absent)" } else { "" };
        lines.push(format!("            {}{absent}", key.name));
    }
    let output = match row.output {
        Output::Ignored => "is not read".to_owned(),
        Output::ByContainer(name) => format!("{{\"<container>\": JSON of {name}, ...}}"),
        Output::Message(name) => format!("JSON of {name}, or empty"),
        Output::List { field, .. } => format!("{{\"{field}\": [...]}}, or empty"),
    };
    lines.push(format!("  OUTPUT  {output}"));
    if row.output != Output::Ignored {
        lines.push(format!("          With an answer Mesos {}.", meaning.value));
    }
    lines.push(format!("          With none Mesos {}.", meaning.nothing));
    lines.push("  ERROR   why it failed, when it ends with another exit status than 0.".to_owned());
    lines.push(format!("          With a failure that it is told, Mesos {}.", meaning.failure));
    let timeout = keys::timeout_default(row.event).unwrap_or_else(|| "none".to_owned());
    lines.push(format!("Called by: {}. Timeout: {timeout}.", row.called_by()));
    lines.push(format!("`mesos-command explain {}` says more.", row.event.label()));
    lines
}

fn shell_work(event: Event) -> String {
    match (told(event), samples::answer(event)) {
        (Some(answer), _) => {
            format!(
                "# Put your own work in the place of this constant.\ncat >\"$output\" <<'END'\n{answer}\nEND"
            )
        }
        (None, Some(answer)) => format!(
            "# Put your own look in the place of `false`. An answer ends the container.\nif false; then\n  cat >\"$output\" <<'END'\n{answer}\nEND\nfi"
        ),
        (None, None) => {
            "# Put your own work here. The output is not read.\n: >\"$output\"".to_owned()
        }
    }
}

fn python_work(event: Event) -> String {
    match (told(event), samples::answer(event)) {
        // The samples have no value that Python writes in another way.
        (Some(answer), _) => {
            format!("    # Put your own work in the place of this constant.\n    return {answer}")
        }
        (None, Some(answer)) => format!(
            "    # Put your own look in the place of `False`. An answer ends the container.\n    if False:\n        return {answer}\n    return None"
        ),
        (None, None) => {
            "    # Put your own work here. The output is not read.\n    return None".to_owned()
        }
    }
}

fn c_work(event: Event) -> String {
    let Some(answer) = samples::answer(event) else {
        return "  (void)out; /* Put your own work here. The output is not read. */".to_owned();
    };
    let quoted = answer.to_string().replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
    let write = format!("fprintf(out, \"{quoted}\\n\");");
    if told(event).is_some() {
        format!("  /* Put your own work in the place of this constant. */\n  {write}")
    } else {
        format!(
            "  /* Put your own look in the place of 0. An answer ends the container. */\n  if (0)\n    {write}"
        )
    }
}

/// The cases for `mesos-command test`.
fn cases(event: Event, language: Language, command: &str) -> String {
    let expect = match told(event) {
        Some(answer) => json!({"answer": answer}),
        None => json!({"empty": true}),
    };
    // One run for all containers answers for each.
    let expect = match (event, told(event)) {
        (Event::UsageBatch, Some(answer)) => json!({"answer": answer[samples::CONTAINER]}),
        _ => expect,
    };
    let mut cases = vec![json!({"name": "the sample input", "expect": expect})];
    if let Some((mode, how)) = language.other_mode() {
        let key = format!("{}_mode", event.label());
        cases.push(json!({
            "name": format!("the sample input, {how}"),
            "parameters": { key: mode },
            "expect": expect,
        }));
    }
    let file = json!({"command": command, "event": event.label(), "cases": cases});
    format!("{file:#}\n")
}
