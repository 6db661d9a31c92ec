//! Compiles the C++ glue, which needs no Mesos header and leaves no symbol of libmesos undefined.

fn main() {
    let sources = ["symbols", "messages", "futures", "managers", "cluster"];
    // Twice, for a libmesos with either kind of std::string; names of the second set end in "_cow".
    for (name, strings) in [("mesos_host_glue", "1"), ("mesos_host_glue_cow", "0")] {
        let mut build = cc::Build::new();
        build.cpp(true).std("c++17").warnings(true).extra_warnings(true);
        // Callbacks that ignore their arguments are the rule here.
        build.flag_if_supported("-Wno-unused-parameter");
        build.define("_GLIBCXX_USE_CXX11_ABI", strings);
        if strings == "0" {
            for function in functions() {
                build.define(function, format!("{function}_cow").as_str());
            }
            build.define("host", "host_cow").define("HostFuture", "HostFutureCow");
            let made = std::env::var_os("OUT_DIR").unwrap_or_default();
            build.out_dir(std::path::PathBuf::from(made).join("cow"));
        }
        for source in sources {
            build.file(format!("glue/{source}.cpp"));
        }
        build.compile(name);
    }
    println!("cargo::rerun-if-changed=glue");
    println!("cargo::rustc-link-lib=dl");
}

/// The names of the functions that the glue offers.
fn functions() -> impl Iterator<Item = &'static str> {
    let names = include_str!("glue/glue.h").split(|c: char| c != '_' && !c.is_alphanumeric());
    names.filter(|name| name.starts_with("host_"))
}
