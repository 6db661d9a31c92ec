//! Compiles the C++ side and sets how the shared library is linked.

use std::fmt::Write;

#[expect(unreachable_pub, reason = "it is a file of the engine, where these are public")]
#[path = "../src/event/names.rs"]
mod names;

/// The events' numbers for C++, as the engine counts them.
fn events() -> String {
    let mut header = String::from(
        "// Made by build.rs from src/event/names.rs.\n\
         #ifndef MESOS_COMMAND_SHIM_EVENTS_HPP\n\
         #define MESOS_COMMAND_SHIM_EVENTS_HPP\n\n\
         #include <cstdint>\n\n\
         namespace mesos_command {\n\
         namespace shim {\n\n\
         enum Event : std::uint8_t {\n",
    );
    for event in names::Event::ALL {
        // Writing to a String cannot fail.
        let _ = writeln!(header, "  {event:?} = {},", event as u8);
    }
    header + "};\n\n}  // namespace shim\n}  // namespace mesos_command\n\n#endif\n"
}

fn main() {
    let made = std::path::PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    if let Err(error) = std::fs::write(made.join("events.hpp"), events()) {
        println!("cargo::error=events.hpp cannot be written: {error}");
        return;
    }
    let sources = [
        "abi/host.cpp",
        "shim/completion.cpp",
        "shim/factory.cpp",
        "shim/hook.cpp",
        "shim/inputs.cpp",
        "shim/isolator.cpp",
        "shim/log.cpp",
        "shim/old_libc.cpp",
    ];
    cxx_build::bridge("src/bridge.rs")
        .files(sources)
        .include(&made)
        .std("c++14")
        .extra_warnings(true)
        .warnings_into_errors(true)
        .flag("-Wall")
        // Nothing of ours may be taken for the host's symbol of the same name, or the reverse.
        .flag("-fvisibility=hidden")
        .flag("-fvisibility-inlines-hidden")
        // Objects are created by the host's constructors in storage of ours.
        .flag("-fno-strict-aliasing")
        .compile("mesos_command_modules_shim");

    // The agent never closes a module library, but a test host may: our threads, thread locals
    // and the vtables that the host holds must outlive that.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");

    // What this library defines and uses itself is never looked up elsewhere, whatever other
    // libraries with the same names the process has.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-Bsymbolic");

    // Bound to old versions of libc, so that the library runs on systems older than the one of the
    // build; see shim/old_libc.cpp. The libraries that had those functions are named, because on
    // old systems nobody else may have loaded them.
    if target("ARCH") == "x86_64" && target("ENV") == "gnu" {
        for name in include_str!("shim/old_libc.txt").lines() {
            println!("cargo::rustc-cdylib-link-arg=-Wl,--wrap={name}");
        }
        for library in ["libpthread.so.0", "libdl.so.2"] {
            println!("cargo::rustc-cdylib-link-arg=-Wl,--no-as-needed,-l:{library},--as-needed");
        }
    }

    for directory in ["abi", "shim"] {
        println!("cargo::rerun-if-changed={directory}");
    }
    println!("cargo::rerun-if-changed=src/bridge.rs");
    println!("cargo::rerun-if-changed=../src/event/names.rs");
}

fn target(part: &str) -> String {
    std::env::var(format!("CARGO_CFG_TARGET_{part}")).unwrap_or_default()
}
