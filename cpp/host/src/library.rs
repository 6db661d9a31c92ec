#![expect(unsafe_code, reason = "dlopen and the look-up of libmesos's functions")]
//! Loading a real libmesos into this process.
//!
//! The stub libraries come first, so that the dynamic loader finds their sonames taken when
//! libmesos asks for them. Everything is loaded with `RTLD_GLOBAL`, because modules resolve their
//! undefined symbols against the process, as they do in an agent. Nothing is ever unloaded.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::glue;
use crate::mesos::{collect, collected};

/// Proof that libmesos is loaded and that all functions are bound.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loaded(());

/// The directory that `real-mesos/fetch.py` made for a version.
///
/// `root` is the directory of all versions; without one, `REAL_MESOS_DIR` or the directory
/// `real-mesos` in the target directory that holds this very program.
pub(crate) fn directory(root: Option<&Path>, version: &str) -> anyhow::Result<PathBuf> {
    let root = match root {
        Some(root) => root.to_owned(),
        None => default_root()?,
    };
    let directory = root.join(version);
    if !directory.join("complete").is_file() {
        bail!(
            "Mesos {version} is not in {}; fetch it with \
             `python3 cpp/host/real-mesos/fetch.py {version}`",
            root.display()
        );
    }
    Ok(directory)
}

fn default_root() -> anyhow::Result<PathBuf> {
    if let Some(root) = std::env::var_os("REAL_MESOS_DIR") {
        return Ok(root.into());
    }
    let program = std::env::current_exe().context("failed to find this program's own path")?;
    let found = program.ancestors().map(|parent| parent.join("real-mesos")).find(|it| it.is_dir());
    found.context("no directory real-mesos beside this program; name it with --mesos-dir")
}

/// Loads the libmesos in `directory` and binds the functions that this program calls.
pub(crate) fn load(directory: &Path) -> anyhow::Result<Loaded> {
    let stubs = directory.join("stubs");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&stubs).with_context(|| stubs.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.ends_with(".c") && !name.ends_with(".map") {
            names.push(path);
        }
    }
    names.sort();
    for path in names {
        open(&path)?;
    }
    open(&directory.join("libmesos.so"))?;
    bind()
}

fn open(path: &Path) -> anyhow::Result<()> {
    let name = CString::new(path.as_os_str().as_bytes()).context("path with a NUL byte")?;
    // SAFETY: the name is a C string. The library's initialisers run; they are Mesos's own.
    let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    if handle.is_null() {
        // SAFETY: dlerror returns null or a C string that lives until the next dl* call.
        let text = unsafe {
            let text = libc::dlerror();
            if text.is_null() { c"no reason given" } else { CStr::from_ptr(text) }
        };
        bail!("{}: {}", path.display(), text.to_string_lossy());
    }
    Ok(())
}

/// The table of releases of a libmesos that is built with the strings before C++11.
const COW_TABLE: &CStr = c"_ZN5mesos7modules13ModuleManager13kindToVersionE";

fn bind() -> anyhow::Result<Loaded> {
    // SAFETY: the name is a C string.
    glue::choose(!unsafe { libc::dlsym(libc::RTLD_DEFAULT, COW_TABLE.as_ptr()) }.is_null());
    let mut missing: Vec<Vec<u8>> = Vec::new();
    // SAFETY: `collect` gets the vector that it expects, which outlives the call.
    let count = unsafe { glue::host_bind(collect, collected(&mut missing)) };
    if count > 0 {
        let names: Vec<_> = missing.iter().map(|name| String::from_utf8_lossy(name)).collect();
        bail!("this libmesos lacks {count} functions: {}", names.join(" "));
    }
    Ok(Loaded(()))
}
