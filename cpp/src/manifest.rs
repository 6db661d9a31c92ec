//! The module manifests: the data symbols that Mesos looks up by module name.
//!
//! They are Rust statics because C++ symbols of the linked archive are not exported. Mesos creates
//! one instance per symbol, so each kind has several: the base name and the suffixes 2 to 32.
//!
//! Mesos refuses a module whose `mesos_version` is not its own. It is therefore filled in when the
//! library is loaded, with the host's own number; whether that host is one we can live in is what
//! `compatible` finds out. Loading does nothing else: no thread, no allocation, no logging.

#![expect(unsafe_code, reason = "exported statics, C++ factories and an initialiser")]

use std::ffi::{CStr, c_char, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};

/// Version of the manifest's layout.
const API_VERSION: &CStr = c"2";
/// Stands until the host's version is known, so that Mesos refuses the module and says why.
const UNKNOWN_VERSION: &CStr = c"0.0.0-the-version-of-this-host-cannot-be-read";
const AUTHOR: &CStr = c"The mesos-command-modules authors";
const EMAIL: &CStr = c"";

/// `mesos::modules::Module<T>`. The layout is asserted on the C++ side (`abi/module.hpp`) and
/// below.
#[repr(C)]
pub struct Manifest {
    module_api_version: *const c_char,
    mesos_version: AtomicPtr<c_char>,
    kind: *const c_char,
    author_name: *const c_char,
    author_email: *const c_char,
    description: *const c_char,
    compatible: extern "C" fn() -> bool,
    create: extern "C" fn(*const c_void) -> *mut c_void,
}

const _: () = assert!(size_of::<Manifest>() == 64);

// SAFETY: all pointers are to constant texts; the one that changes is atomic.
unsafe impl Sync for Manifest {}

unsafe extern "C" {
    /// The release that the host demands of this kind of module, or null.
    fn mesos_command_shim_version(kind: *const c_char) -> *const c_char;
    /// Whether this library can live in the host; if not, a log line says why.
    safe fn mesos_command_shim_compatible() -> bool;
    /// An instance, or null after a log line that names `symbol`.
    fn mesos_command_shim_create_hook(
        symbol: *const c_char,
        parameters: *const c_void,
    ) -> *mut c_void;
    fn mesos_command_shim_create_isolator(
        symbol: *const c_char,
        parameters: *const c_void,
    ) -> *mut c_void;
}

extern "C" fn compatible() -> bool {
    mesos_command_shim_compatible()
}

/// Defines one manifest per name, and `$all` as the list of them.
macro_rules! manifests {
    ($all:ident, $kind:expr, $factory:ident, $description:expr, $($name:ident)+) => {
        $(
            /// Module manifest, looked up by this name.
            #[unsafe(no_mangle)]
            pub static $name: Manifest = {
                extern "C" fn create(parameters: *const c_void) -> *mut c_void {
                    const SYMBOL: &str = concat!(stringify!($name), "\0");
                    // SAFETY: Mesos passes a valid mesos.Parameters; the symbol is a C string.
                    unsafe { $factory(SYMBOL.as_ptr().cast(), parameters) }
                }
                Manifest {
                    module_api_version: API_VERSION.as_ptr(),
                    mesos_version: AtomicPtr::new(UNKNOWN_VERSION.as_ptr().cast_mut()),
                    kind: $kind.as_ptr(),
                    author_name: AUTHOR.as_ptr(),
                    author_email: EMAIL.as_ptr(),
                    description: $description.as_ptr(),
                    compatible,
                    create,
                }
            };
        )+

        static $all: &[&Manifest] = &[$(&$name),+];
    };
}

manifests!(
    HOOKS, c"Hook", mesos_command_shim_create_hook,
    c"Runs external commands for hook events",
    com_criteo_mesos_CommandHook
    com_criteo_mesos_CommandHook2
    com_criteo_mesos_CommandHook3
    com_criteo_mesos_CommandHook4
    com_criteo_mesos_CommandHook5
    com_criteo_mesos_CommandHook6
    com_criteo_mesos_CommandHook7
    com_criteo_mesos_CommandHook8
    com_criteo_mesos_CommandHook9
    com_criteo_mesos_CommandHook10
    com_criteo_mesos_CommandHook11
    com_criteo_mesos_CommandHook12
    com_criteo_mesos_CommandHook13
    com_criteo_mesos_CommandHook14
    com_criteo_mesos_CommandHook15
    com_criteo_mesos_CommandHook16
    com_criteo_mesos_CommandHook17
    com_criteo_mesos_CommandHook18
    com_criteo_mesos_CommandHook19
    com_criteo_mesos_CommandHook20
    com_criteo_mesos_CommandHook21
    com_criteo_mesos_CommandHook22
    com_criteo_mesos_CommandHook23
    com_criteo_mesos_CommandHook24
    com_criteo_mesos_CommandHook25
    com_criteo_mesos_CommandHook26
    com_criteo_mesos_CommandHook27
    com_criteo_mesos_CommandHook28
    com_criteo_mesos_CommandHook29
    com_criteo_mesos_CommandHook30
    com_criteo_mesos_CommandHook31
    com_criteo_mesos_CommandHook32
);

manifests!(
    ISOLATORS, c"Isolator", mesos_command_shim_create_isolator,
    c"Runs external commands for isolator events",
    com_criteo_mesos_CommandIsolator
    com_criteo_mesos_CommandIsolator2
    com_criteo_mesos_CommandIsolator3
    com_criteo_mesos_CommandIsolator4
    com_criteo_mesos_CommandIsolator5
    com_criteo_mesos_CommandIsolator6
    com_criteo_mesos_CommandIsolator7
    com_criteo_mesos_CommandIsolator8
    com_criteo_mesos_CommandIsolator9
    com_criteo_mesos_CommandIsolator10
    com_criteo_mesos_CommandIsolator11
    com_criteo_mesos_CommandIsolator12
    com_criteo_mesos_CommandIsolator13
    com_criteo_mesos_CommandIsolator14
    com_criteo_mesos_CommandIsolator15
    com_criteo_mesos_CommandIsolator16
    com_criteo_mesos_CommandIsolator17
    com_criteo_mesos_CommandIsolator18
    com_criteo_mesos_CommandIsolator19
    com_criteo_mesos_CommandIsolator20
    com_criteo_mesos_CommandIsolator21
    com_criteo_mesos_CommandIsolator22
    com_criteo_mesos_CommandIsolator23
    com_criteo_mesos_CommandIsolator24
    com_criteo_mesos_CommandIsolator25
    com_criteo_mesos_CommandIsolator26
    com_criteo_mesos_CommandIsolator27
    com_criteo_mesos_CommandIsolator28
    com_criteo_mesos_CommandIsolator29
    com_criteo_mesos_CommandIsolator30
    com_criteo_mesos_CommandIsolator31
    com_criteo_mesos_CommandIsolator32
);

/// Runs when the library has been loaded, before Mesos reads the manifests.
extern "C" fn fill_versions() {
    for manifests in [HOOKS, ISOLATORS] {
        for manifest in manifests {
            // SAFETY: the kind is a C string; the function needs no other initialiser to have run.
            let version = unsafe { mesos_command_shim_version(manifest.kind) };
            if !version.is_null() {
                manifest.mesos_version.store(version.cast_mut(), Ordering::Release);
            }
        }
    }
}

#[used]
// SAFETY: the section is a list of functions that the dynamic linker calls without arguments that
// matter to this one; it needs nothing that another initialiser sets up.
#[unsafe(link_section = ".init_array")]
static FILL_VERSIONS: extern "C" fn() = fill_versions;
