//! What this tool is, and which module library and hosts belong to it.

use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::inspect;

/// The glibc that the module library needs; `cpp/tests/interface.py` demands it of the built file.
const GLIBC: &str = "2.17";
/// The layouts of `std::string` that the module library is compiled for.
const STRING_ABIS: &str = "C++11, and the one before GCC 5";

#[derive(clap::Args)]
#[command(after_help = "Exit status: 0.")]
pub(crate) struct Arguments {
    /// One JSON object instead of lines for people
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    if arguments.json {
        println!("{}", data());
    } else {
        println!("mesos-command {}", long());
    }
    Ok(true)
}

/// What `--version` says.
pub(crate) fn long() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        format!(
            "{}\nrevision:        {}\nbuilt for:       {}, by {}\nmodule library:  glibc {GLIBC} or newer; \
             std::string of {STRING_ABIS}\nknown releases:  Mesos {}",
            env!("CARGO_PKG_VERSION"),
            env!("MESOS_COMMAND_REVISION"),
            env!("MESOS_COMMAND_TARGET"),
            env!("MESOS_COMMAND_RUSTC"),
            inspect::releases().join(", "),
        )
    })
}

fn data() -> Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "revision": env!("MESOS_COMMAND_REVISION"),
        "target": env!("MESOS_COMMAND_TARGET"),
        "rustc": env!("MESOS_COMMAND_RUSTC"),
        "module": {"glibc": GLIBC, "string_abis": ["cxx11", "old"]},
        "mesos_releases": inspect::releases(),
    })
}
