//! `mesos-command generate`: manual pages and completions, made from the command line's own
//! definition.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Command;
use clap_complete::Shell;

/// The program's name.
const NAME: &str = "mesos-command";

#[derive(clap::Args)]
#[command(
    after_help = "Exit status: 0 all is well; 2 the command line or a file could not be used."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// A manual page, in roff: of the program, or of a subcommand
    Man {
        /// The subcommand
        subcommand: Option<String>,
        /// Write the pages of all into this directory: mesos-command.1, mesos-command-check.1, …
        #[arg(long, value_name = "DIRECTORY", conflicts_with = "subcommand")]
        output: Option<PathBuf>,
    },
    /// A script that completes command lines in a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
}

/// Prints or writes what is asked for; `command` is the whole command line.
pub(crate) fn run(arguments: &Arguments, mut command: Command) -> anyhow::Result<bool> {
    match &arguments.what {
        What::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut command, NAME, &mut text);
            let text = String::from_utf8_lossy(&text);
            // clap_complete 4.6 writes the name of a program with a hyphen in two ways, so that no
            // option of a subcommand would be completed.
            let text = text.replace("mesos__subcmd__command", "mesos__command");
            std::io::stdout().write_all(text.as_bytes())?;
        }
        What::Man { output: Some(directory), .. } => write_all(directory, &command)?,
        What::Man { subcommand, .. } => {
            let page = match subcommand {
                None => page(command)?,
                Some(name) => {
                    let found = pages(&command).into_iter().find(|it| {
                        it.get_name().strip_prefix(NAME).is_some_and(|it| it == format!("-{name}"))
                    });
                    page(found.ok_or_else(|| anyhow!("there is no subcommand '{name}'"))?)?
                }
            };
            std::io::stdout().write_all(&page)?;
        }
    }
    Ok(true)
}

/// The program, and each subcommand under its full name.
fn pages(command: &Command) -> Vec<Command> {
    let shown = command.get_subcommands().filter(|it| !it.is_hide_set() && it.get_name() != "help");
    let renamed = shown.map(|it| {
        let name = format!("{NAME}-{}", it.get_name());
        let usage = format!("{NAME} {}", it.get_name());
        it.clone().name(name).bin_name(usage).version(env!("CARGO_PKG_VERSION"))
    });
    std::iter::once(command.clone()).chain(renamed).collect()
}

fn page(command: Command) -> anyhow::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).manual("Mesos command modules").render(&mut page)?;
    Ok(page)
}

fn write_all(directory: &Path, command: &Command) -> anyhow::Result<()> {
    let shown = directory.display();
    std::fs::create_dir_all(directory).with_context(|| format!("'{shown}' cannot be made"))?;
    for one in pages(command) {
        let path = directory.join(format!("{}.1", one.get_name()));
        let text = page(one)?;
        std::fs::write(&path, text)
            .with_context(|| format!("'{}' cannot be written", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}
