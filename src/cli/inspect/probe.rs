#![expect(unsafe_code, reason = "loads libraries and calls their functions")]
//! The child of `mesos-command inspect`: loads a libmesos and the module library as an agent does,
//! and writes what it finds to standard output, a line per finding.
//!
//! It is a process of its own because nothing is known about the library: its initialisers may
//! crash, hang or print. Each line is flushed at once, so that what was found before is not lost.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

use serde::{Deserialize, Serialize};

/// Before each line, to tell it from what the library prints.
const MARK: &str = "mesos-command-inspect:";
/// Bytes that the library may print before it is ended.
const PRINT_LIMIT: u64 = 16 << 20;
/// A manifest of the module; all have the same version and check.
const MANIFEST: &CStr = c"com_criteo_mesos_CommandHook";
/// `bool (*compatible)()` in the manifest.
const MANIFEST_COMPATIBLE: usize = 6;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Finding {
    /// What is done next; the last one says where a crash happened.
    Stage(String),
    /// The library cannot be loaded: the dynamic linker's words.
    NotLoaded(String),
    /// The size that the library reports for a message, without one if it does not have it.
    Size { name: String, size: Option<u64> },
    /// The release that the library is.
    Release(String),
    /// The module cannot be loaded into it.
    ModuleNotLoaded(String),
    /// Whether the module's own check accepts it.
    Accepted(bool),
    /// Nothing follows.
    Done,
}

impl Finding {
    /// Reads the child's output, leaving out what is not ours.
    pub(super) fn read_all(output: &str) -> Vec<Finding> {
        let lines = output.lines().filter_map(|line| line.split_once(MARK));
        lines.filter_map(|(_, json)| serde_json::from_str(json).ok()).collect()
    }
}

#[derive(clap::Args)]
pub(crate) struct Arguments {
    library: PathBuf,
    module: PathBuf,
}

/// Loads and asks.
pub(crate) fn run(arguments: &Arguments) {
    restrict();
    examine(&arguments.library, &arguments.module);
    say(&Finding::Done);
    // The library's finalisers have no business here and may crash.
    // SAFETY: ends this process.
    unsafe { libc::_exit(0) }
}

/// No core file, no endless output, no life beyond the parent.
fn restrict() {
    let limit = |resource, value| {
        let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
        // SAFETY: the structure lives during the call. A failure leaves things as they are.
        unsafe { libc::setrlimit(resource, &raw const limit) };
    };
    limit(libc::RLIMIT_CORE, 0);
    limit(libc::RLIMIT_FSIZE, PRINT_LIMIT);
    // SAFETY: has no memory arguments.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

fn examine(library: &Path, module: &Path) {
    stage("loading the library");
    let handle = match open(library, libc::RTLD_GLOBAL) {
        Ok(handle) => handle,
        Err(message) => return say(&Finding::NotLoaded(message)),
    };
    for (name, _) in super::known::Known::read().sizes {
        stage(&format!("asking for the size of {name}"));
        say(&Finding::Size { name: name.to_owned(), size: size_of_message(handle, name) });
    }
    stage("asking for the release");
    if let Some(release) = release(handle) {
        say(&Finding::Release(release));
    }
    stage("loading the module");
    match open(module, 0) {
        Err(message) => say(&Finding::ModuleNotLoaded(message)),
        Ok(module) => {
            stage("running the module's own check");
            match symbol(module, MANIFEST) {
                None => say(&Finding::ModuleNotLoaded("it has no manifest".to_owned())),
                Some(manifest) => say(&Finding::Accepted(accepts(manifest))),
            }
        }
    }
}

fn stage(what: &str) {
    say(&Finding::Stage(what.to_owned()));
}

fn say(finding: &Finding) {
    let json = serde_json::to_string(finding).unwrap_or_default();
    // The line break before it ends a line of the library's.
    let text = format!("\n{MARK}{json}\n");
    let mut out = std::io::stdout().lock();
    // Without a reader there is nothing to do.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[derive(Clone, Copy)]
struct Handle(NonNull<c_void>);

fn open(path: &Path, flags: c_int) -> Result<Handle, String> {
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|error| error.to_string())?;
    // SAFETY: the name is a C string. Initialisers run, for which this process is there.
    let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | flags) };
    NonNull::new(handle).map(Handle).ok_or_else(|| {
        // SAFETY: after a failure dlerror returns null or a C string that lives until the next
        // dl* call.
        let text = unsafe {
            let text = libc::dlerror();
            if text.is_null() { c"no reason given" } else { CStr::from_ptr(text) }
        };
        text.to_string_lossy().into_owned()
    })
}

fn symbol(handle: Handle, name: &CStr) -> Option<NonNull<c_void>> {
    // SAFETY: the handle is open for ever and the name is a C string.
    NonNull::new(unsafe { libc::dlsym(handle.0.as_ptr(), name.as_ptr()) })
}

/// The mangled name of a static member function without arguments: `mesos.Labels`, its length
/// and so on.
fn member(message: &str, function: &str) -> Option<CString> {
    let part = |name: &str| format!("{}{name}", name.len());
    let scope: String = message.split('.').map(part).collect();
    CString::new(format!("_ZN{scope}{}Ev", part(function))).ok()
}

/// sizeof the message's class, plus 24 for each map field.
fn size_of_message(library: Handle, name: &str) -> Option<u64> {
    let default = symbol(library, &member(name, "default_instance")?)?;
    let space = symbol(library, c"_ZNK6google8protobuf7Message13SpaceUsedLongEv")?;
    // SAFETY: the mangled names say the types: a static function that returns a reference, and a
    // const member function of the base class, which comes first in every message.
    unsafe {
        let default: extern "C" fn() -> *const c_void = std::mem::transmute(default.as_ptr());
        let space: extern "C" fn(*const c_void) -> usize = std::mem::transmute(space.as_ptr());
        Some(space(default()) as u64)
    }
}

/// libstdc++'s `std::string` under the C++11 ABI.
#[repr(C)]
struct Cxx11Text {
    data: *const c_char,
    length: usize,
    room: [u64; 2],
}

/// libstdc++'s `std::string` under the old ABI.
#[repr(C)]
struct OldText {
    data: *const c_char,
}

/// A node of libstdc++'s `unordered_map<string, string>`.
#[repr(C)]
struct Node<Text> {
    next: *const Node<Text>,
    key: Text,
    value: Text,
}

/// The same, as far as the first node.
#[repr(C)]
struct Table<Text> {
    buckets: [usize; 2],
    first: *const Node<Text>,
}

/// Either string.
trait Data {
    fn data(&self) -> *const c_char;
}

impl Data for Cxx11Text {
    fn data(&self) -> *const c_char {
        self.data
    }
}

impl Data for OldText {
    fn data(&self) -> *const c_char {
        self.data
    }
}

/// The release that Mesos demands of modules, from the very table that it compares them with.
fn release(library: Handle) -> Option<String> {
    let initialize = symbol(library, c"_ZN5mesos7modules13ModuleManager10initializeEv")?;
    // SAFETY: a static function without arguments, which fills the table.
    unsafe {
        let initialize: extern "C" fn() = std::mem::transmute(initialize.as_ptr());
        initialize();
    }
    let cxx11 = symbol(library, c"_ZN5mesos7modules13ModuleManager13kindToVersionB5cxx11E");
    let old = symbol(library, c"_ZN5mesos7modules13ModuleManager13kindToVersionE");
    // SAFETY: the names tell which strings the tables are made of.
    unsafe {
        match cxx11 {
            Some(table) => entry(table.cast::<Table<Cxx11Text>>()),
            None => entry(old?.cast::<Table<OldText>>()),
        }
    }
}

/// The value of the key `Hook`.
///
/// # Safety
/// The table is one of these strings, nobody changes it, and keys and values are C strings.
unsafe fn entry<Text: Data>(table: NonNull<Table<Text>>) -> Option<String> {
    // SAFETY: as the caller vouches for.
    unsafe {
        let mut node = table.as_ref().first;
        while let Some(entry) = node.as_ref() {
            if CStr::from_ptr(entry.key.data()) == c"Hook" {
                return Some(CStr::from_ptr(entry.value.data()).to_string_lossy().into_owned());
            }
            node = entry.next;
        }
    }
    None
}

fn accepts(manifest: NonNull<c_void>) -> bool {
    // SAFETY: the module's manifests are eight words, of which this one is a function.
    unsafe {
        let check = manifest.cast::<Option<extern "C" fn() -> bool>>().add(MANIFEST_COMPATIBLE);
        check.read().is_some_and(|check| check())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_mangled() {
        let name = member("mesos.slave.ContainerState", "default_instance").expect("no NUL");
        assert_eq!(name, c"_ZN5mesos5slave14ContainerState16default_instanceEv");
    }

    #[test]
    fn findings_survive_what_the_library_prints() {
        let output = format!(
            "hello\n{MARK}{{\"stage\":\"one\"}}\nno newline{MARK}{{\"accepted\":true}}\n{MARK}rubbish\n"
        );
        assert_eq!(
            Finding::read_all(&output),
            [Finding::Stage("one".to_owned()), Finding::Accepted(true)]
        );
    }
}
