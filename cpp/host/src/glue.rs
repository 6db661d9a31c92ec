#![expect(unsafe_code, reason = "declares the C++ glue")]
//! The declarations of `glue/glue.h`: see there for what each function does.
//!
//! Only [`crate::mesos`] calls these; it gives them safe shapes.

use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) type Emit = extern "C" fn(*mut c_void, *const u8, usize);
pub(crate) type EmitNamed = extern "C" fn(*mut c_void, *const c_char, *const u8, usize);

/// The arguments of any event; unused ones are null.
#[repr(C)]
#[derive(Clone, Debug)]
pub(crate) struct Inputs {
    pub(crate) task_info: *const c_void,
    pub(crate) executor_info: *const c_void,
    pub(crate) framework_info: *const c_void,
    pub(crate) slave_info: *const c_void,
    pub(crate) framework_id: *const c_void,
    pub(crate) task_status: *const c_void,
    pub(crate) container_id: *const c_void,
    pub(crate) container_config: *const c_void,
    pub(crate) resources: *const c_void,
    pub(crate) limits: *const c_void,
    pub(crate) states: *const c_void,
    pub(crate) orphans: *const c_void,
    pub(crate) container_name: *const c_char,
    pub(crate) container_work_directory: *const c_char,
    pub(crate) mapped_sandbox_directory: *const c_char,
    pub(crate) directory: *const c_char,
    pub(crate) env_keys: *const *const c_char,
    pub(crate) env_values: *const *const c_char,
    pub(crate) env_count: usize,
    pub(crate) has_env: c_int,
    pub(crate) pid: c_int,
}

/// A `HostFuture`.
#[repr(C)]
pub(crate) struct RawFuture {
    _opaque: [u8; 0],
}

/// Whether the loaded libmesos is built with the strings before C++11.
static COW_STRINGS: AtomicBool = AtomicBool::new(false);

/// Chooses the glue for the strings that libmesos is built with. Before any other function.
pub(crate) fn choose(cow_strings: bool) {
    COW_STRINGS.store(cow_strings, Ordering::Relaxed);
}

/// Declares the functions of both sets of glue, and for each one that passes on to the chosen set.
macro_rules! functions {
    ($($name:ident($($argument:ident: $kind:ty),* $(,)?) $(-> $result:ty)?;)*) => {
        mod cxx11 {
            use super::*;
            unsafe extern "C" {
                $(pub(super) fn $name($($argument: $kind),*) $(-> $result)?;)*
            }
        }
        mod cow {
            use super::*;
            unsafe extern "C" {
                $(
                    #[link_name = concat!(stringify!($name), "_cow")]
                    pub(super) fn $name($($argument: $kind),*) $(-> $result)?;
                )*
            }
        }
        $(
            /// # Safety
            /// See `glue/glue.h`.
            pub(crate) unsafe fn $name($($argument: $kind),*) $(-> $result)? {
                // SAFETY: the caller vouches for the arguments, which are of the same types in
                // both sets.
                unsafe {
                    if COW_STRINGS.load(Ordering::Relaxed) {
                        cow::$name($($argument),*)
                    } else {
                        cxx11::$name($($argument),*)
                    }
                }
            }
        )*
    };
}

functions! {
    host_bind(missing: Emit, context: *mut c_void) -> usize;
    host_process_initialize();
    host_process_finalize();
    host_descriptors(
        names: *const *const c_char,
        count: usize,
        emit: EmitNamed,
        context: *mut c_void,
    );
    host_message_new(
        kind: *const c_char,
        data: *const u8,
        size: usize,
    ) -> *mut c_void;
    host_message_free(message: *mut c_void);
    host_message_size(kind: *const c_char) -> usize;
    host_resources_new(
        data: *const *const u8,
        sizes: *const usize,
        count: usize,
    ) -> *mut c_void;
    host_limits_new(
        keys: *const *const c_char,
        values: *const f64,
        count: usize,
    ) -> *mut c_void;
    host_states_new(
        data: *const *const u8,
        sizes: *const usize,
        count: usize,
    ) -> *mut c_void;
    host_orphans_new(
        data: *const *const u8,
        sizes: *const usize,
        count: usize,
    ) -> *mut c_void;
    host_load_modules(
        modules: *const c_void,
        refusal: Emit,
        context: *mut c_void,
    ) -> c_int;
    host_initialize_hooks(
        names: *const c_char,
        refusal: Emit,
        context: *mut c_void,
    ) -> c_int;
    host_create_isolator(
        name: *const c_char,
        refusal: Emit,
        context: *mut c_void,
    ) -> *mut c_void;
    host_create_constant_isolator(statistics: *const c_void) -> *mut c_void;
    host_delete_isolator(isolator: *mut c_void);
    host_hook_has(event: c_int) -> c_int;
    host_hook_call(
        event: c_int,
        inputs: *const Inputs,
        value: Emit,
        context: *mut c_void,
    );
    host_docker_hook_call(inputs: *const Inputs) -> *mut RawFuture;
    host_isolator_call(
        isolator: *mut c_void,
        event: c_int,
        inputs: *const Inputs,
    ) -> *mut RawFuture;
    host_isolator_supports_nesting(isolator: *mut c_void) -> c_int;
    host_isolator_supports_standalone(isolator: *mut c_void) -> c_int;
    host_future_wait(future: *mut RawFuture, timeout_ns: u64) -> c_int;
    host_future_completed_ns(future: *const RawFuture) -> u64;
    host_future_abandoned(future: *const RawFuture) -> c_int;
    host_future_discard(future: *mut RawFuture);
    host_future_value(future: *const RawFuture, value: Emit, context: *mut c_void);
    host_future_free(future: *mut RawFuture);
    host_usage_loop(
        isolator: *mut c_void,
        container_ids: *const *const c_void,
        count: usize,
        calls: u64,
        not_ready: *mut u64,
    ) -> u64;
    host_cluster_start(framework_info: *const c_void) -> *mut c_void;
    host_cluster_stop(cluster: *mut c_void);
}
