//! Compiles the C++ glue, which needs no Mesos header and leaves no symbol of libmesos undefined.

use std::fmt::Write;
use std::path::PathBuf;

#[expect(unreachable_pub, reason = "it is a file of the engine, where these are public")]
#[path = "../../src/event/names.rs"]
mod names;

/// The events' numbers for C++, as the engine counts them: `HOST_PREPARE` for `Prepare`.
fn events() -> String {
    let mut header = String::from(
        "/* Made by build.rs from src/event/names.rs. */\n\
         #ifndef MESOS_HOST_EVENTS_H\n\
         #define MESOS_HOST_EVENTS_H\n\n\
         enum HostEvent {\n",
    );
    for event in names::Event::ALL {
        header += "  HOST";
        for letter in format!("{event:?}").chars() {
            header += if letter.is_uppercase() { "_" } else { "" };
            header.push(letter.to_ascii_uppercase());
        }
        // Writing to a String cannot fail.
        let _ = writeln!(header, " = {},", event as u8);
    }
    header + "};\n\n#endif\n"
}

fn main() {
    let made = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    if let Err(error) = std::fs::write(made.join("events.h"), events()) {
        println!("cargo::error=events.h cannot be written: {error}");
        return;
    }
    let sources = ["symbols", "messages", "futures", "managers", "cluster"];
    // Twice, for a libmesos with either kind of std::string; names of the second set end in "_cow".
    for (name, strings) in [("mesos_host_glue", "1"), ("mesos_host_glue_cow", "0")] {
        let mut build = cc::Build::new();
        build.include(&made).cpp(true).std("c++17").warnings(true).extra_warnings(true);
        // Callbacks that ignore their arguments are the rule here.
        build.flag_if_supported("-Wno-unused-parameter");
        build.define("_GLIBCXX_USE_CXX11_ABI", strings);
        if strings == "0" {
            for function in functions() {
                build.define(function, format!("{function}_cow").as_str());
            }
            build.define("host", "host_cow").define("HostFuture", "HostFutureCow");
            build.out_dir(made.join("cow"));
        }
        for source in sources {
            build.file(format!("glue/{source}.cpp"));
        }
        build.compile(name);
    }
    println!("cargo::rerun-if-changed=glue");
    println!("cargo::rerun-if-changed=../../src/event/names.rs");
    println!("cargo::rustc-link-lib=dl");
}

/// The names of the functions that the glue offers.
fn functions() -> impl Iterator<Item = &'static str> {
    let names = include_str!("glue/glue.h").split(|c: char| c != '_' && !c.is_alphanumeric());
    names.filter(|name| name.starts_with("host_"))
}
