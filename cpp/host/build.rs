//! Compiles the C++ glue, which needs no Mesos header and leaves no symbol of libmesos undefined.

fn main() {
    let sources = ["symbols", "messages", "futures", "managers", "cluster"];
    let mut build = cc::Build::new();
    build.cpp(true).std("c++17").warnings(true).extra_warnings(true);
    // Callbacks that ignore their arguments are the rule here.
    build.flag_if_supported("-Wno-unused-parameter");
    for source in sources {
        build.file(format!("glue/{source}.cpp"));
    }
    build.compile("mesos_host_glue");
    println!("cargo::rerun-if-changed=glue");
    println!("cargo::rustc-link-lib=dl");
}
