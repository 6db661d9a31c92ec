#![expect(unsafe_code, reason = "declares the C++ glue")]
//! The declarations of `glue/glue.h`: see there for what each function does.
//!
//! Only [`crate::mesos`] calls these; it gives them safe shapes.

use std::ffi::{c_char, c_int, c_void};

pub(crate) type Emit = extern "C" fn(*mut c_void, *const u8, usize);
pub(crate) type EmitNamed = extern "C" fn(*mut c_void, *const c_char, *const u8, usize);

/// The arguments of any event; unused ones are null.
#[repr(C)]
#[derive(Debug)]
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

unsafe extern "C" {
    pub(crate) fn host_bind(missing: Emit, context: *mut c_void) -> usize;
    pub(crate) fn host_process_initialize();
    pub(crate) fn host_process_finalize();
    pub(crate) fn host_descriptors(
        names: *const *const c_char,
        count: usize,
        emit: EmitNamed,
        context: *mut c_void,
    );
    pub(crate) fn host_message_new(
        kind: *const c_char,
        data: *const u8,
        size: usize,
    ) -> *mut c_void;
    pub(crate) fn host_message_free(message: *mut c_void);
    pub(crate) fn host_message_size(kind: *const c_char) -> usize;
    pub(crate) fn host_resources_new(
        data: *const *const u8,
        sizes: *const usize,
        count: usize,
    ) -> *mut c_void;
    pub(crate) fn host_limits_new(
        keys: *const *const c_char,
        values: *const f64,
        count: usize,
    ) -> *mut c_void;
    pub(crate) fn host_states_new(
        data: *const *const u8,
        sizes: *const usize,
        count: usize,
    ) -> *mut c_void;
    pub(crate) fn host_orphans_new(
        data: *const *const u8,
        sizes: *const usize,
        count: usize,
    ) -> *mut c_void;
    pub(crate) fn host_load_modules(
        modules: *const c_void,
        refusal: Emit,
        context: *mut c_void,
    ) -> c_int;
    pub(crate) fn host_initialize_hooks(
        names: *const c_char,
        refusal: Emit,
        context: *mut c_void,
    ) -> c_int;
    pub(crate) fn host_create_isolator(
        name: *const c_char,
        refusal: Emit,
        context: *mut c_void,
    ) -> *mut c_void;
    pub(crate) fn host_create_constant_isolator(statistics: *const c_void) -> *mut c_void;
    pub(crate) fn host_delete_isolator(isolator: *mut c_void);
    pub(crate) fn host_hook_call(
        event: c_int,
        inputs: *const Inputs,
        value: Emit,
        context: *mut c_void,
    );
    pub(crate) fn host_docker_hook_call(inputs: *const Inputs) -> *mut RawFuture;
    pub(crate) fn host_isolator_call(
        isolator: *mut c_void,
        event: c_int,
        inputs: *const Inputs,
    ) -> *mut RawFuture;
    pub(crate) fn host_isolator_supports_nesting(isolator: *mut c_void) -> c_int;
    pub(crate) fn host_isolator_supports_standalone(isolator: *mut c_void) -> c_int;
    pub(crate) fn host_future_wait(future: *mut RawFuture, timeout_ns: u64) -> c_int;
    pub(crate) fn host_future_completed_ns(future: *const RawFuture) -> u64;
    pub(crate) fn host_future_abandoned(future: *const RawFuture) -> c_int;
    pub(crate) fn host_future_discard(future: *mut RawFuture);
    pub(crate) fn host_future_value(future: *const RawFuture, value: Emit, context: *mut c_void);
    pub(crate) fn host_future_free(future: *mut RawFuture);
    pub(crate) fn host_usage_loop(
        isolator: *mut c_void,
        container_ids: *const *const c_void,
        count: usize,
        calls: u64,
        not_ready: *mut u64,
    ) -> u64;
    pub(crate) fn host_cluster_start(framework_info: *const c_void) -> *mut c_void;
    pub(crate) fn host_cluster_stop(cluster: *mut c_void);
}
