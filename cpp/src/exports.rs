//! Functions that a host program may look up by name, beside the module manifests.

#![expect(unsafe_code, reason = "exported C functions")]

use std::ffi::c_void;

use crate::guard::guard;

/// Receives a text that is valid during the call.
type TextCallback = unsafe extern "C" fn(context: *mut c_void, text: *const u8, length: usize);

/// Calls `callback` once, on this thread, with the metrics in Prometheus's text format (UTF-8, not
/// zero-terminated). For host programs; an agent's operator uses `metrics_address`.
///
/// # Safety
/// `callback` must be a function of that type which does not unwind and accepts `context`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesos_command_metrics(
    callback: Option<TextCallback>,
    context: *mut c_void,
) {
    let Some(callback) = callback else {
        return;
    };
    let text = guard("rendering the metrics", mesos_command::metrics::render).unwrap_or_default();
    // SAFETY: the caller vouches for the function and its context; the text outlives the call.
    unsafe { callback(context, text.as_ptr(), text.len()) };
}
