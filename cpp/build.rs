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

/// What depends on the layout of `std::string`, compiled once for each of the two.
const SETS: [(&str, &str); 2] = [("cxx11", "1"), ("cow", "0")];

fn main() {
    let made = std::path::PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    if let Err(error) = std::fs::write(made.join("events.hpp"), events()) {
        println!("cargo::error=events.hpp cannot be written: {error}");
        return;
    }
    // First, because it writes the headers of the bridge.
    let mut bridge = cxx_build::bridge("src/bridge.rs");
    for (name, value) in SETS {
        let sources =
            ["abi/host", "abi/layouts", "shim/factory", "shim/futures", "shim/hook", "shim/inputs"];
        let mut build = cxx_build::bridges(std::iter::empty::<&str>());
        build
            .files(sources.map(|source| format!("{source}.cpp")))
            .file("shim/isolator.cpp")
            .include(&made)
            .define("_GLIBCXX_USE_CXX11_ABI", value)
            .out_dir(made.join(name));
        compile(&mut build, &format!("mesos_command_modules_{name}"));
    }
    bridge.files([
        "abi/lifetime.cpp",
        "shim/choose.cpp",
        "shim/completion.cpp",
        "shim/log.cpp",
        "shim/old_libc.cpp",
        "shim/old_libstdcxx.cpp",
    ]);
    compile(&mut bridge, "mesos_command_modules_shim");

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

/// Whole, because the archives refer to each other in both directions.
fn compile(build: &mut cc::Build, name: &str) {
    build
        .std("c++14")
        .extra_warnings(true)
        .warnings_into_errors(true)
        .flag("-Wall")
        // Nothing of ours may be taken for the host's symbol of the same name, or the reverse.
        .flag("-fvisibility=hidden")
        .flag("-fvisibility-inlines-hidden")
        // Objects are created by the host's constructors in storage of ours.
        .flag("-fno-strict-aliasing")
        // The operator that it would call is younger than the oldest libstdc++ of hosts.
        .flag("-fno-sized-deallocation")
        .link_lib_modifier("+whole-archive")
        .compile(name);
}

fn target(part: &str) -> String {
    std::env::var(format!("CARGO_CFG_TARGET_{part}")).unwrap_or_default()
}
