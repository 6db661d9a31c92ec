#![expect(unsafe_code, reason = "calls into the C++ glue")]
//! A loaded libmesos, in safe terms.
//!
//! Every function that needs the library takes a [`Loaded`] or something made with one, so that
//! nothing can be called before it is there.

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::NonNull;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use mesos_command::event::Event;

use crate::glue;
use crate::library::Loaded;

/// The files whose messages modules meet; a libmesos that lacks one simply has no such messages.
pub(crate) const FILES: [&CStr; 7] = [
    c"mesos/appc/spec.proto",
    c"mesos/docker/v1.proto",
    c"mesos/mesos.proto",
    c"mesos/module/hook.proto",
    c"mesos/module/module.proto",
    c"mesos/seccomp/seccomp.proto",
    c"mesos/slave/containerizer.proto",
];

/// The messages that cross the module interfaces by value, whose sizes therefore matter.
pub(crate) const BY_VALUE: [&str; 8] = [
    "mesos.Labels",
    "mesos.Environment",
    "mesos.TaskStatus",
    "mesos.ResourceStatistics",
    "mesos.ContainerStatus",
    "mesos.DockerTaskExecutorPrepareInfo",
    "mesos.slave.ContainerLaunchInfo",
    "mesos.slave.ContainerLimitation",
];

/// An emit function for a `Vec<Vec<u8>>` as its context.
pub(crate) extern "C" fn collect(context: *mut c_void, data: *const u8, size: usize) {
    // SAFETY: the callers pass `collected()` of a live vector, which nobody else uses meanwhile.
    let list = unsafe { &mut *context.cast::<Vec<Vec<u8>>>() };
    list.push(bytes(data, size));
}

/// The context for [`collect`].
pub(crate) fn collected(list: &mut Vec<Vec<u8>>) -> *mut c_void {
    std::ptr::from_mut(list).cast()
}

fn bytes(data: *const u8, size: usize) -> Vec<u8> {
    if size == 0 {
        return Vec::new();
    }
    // SAFETY: an emit function gets `size` readable bytes that live during the call.
    unsafe { std::slice::from_raw_parts(data, size) }.to_vec()
}

/// Mesos's own words.
fn text(parts: &[Vec<u8>]) -> String {
    parts.iter().map(|part| String::from_utf8_lossy(part)).collect()
}

/// Starts libprocess as an agent does.
pub(crate) fn initialize_process(_: Loaded) {
    // SAFETY: the library is loaded.
    unsafe { glue::host_process_initialize() };
}

extern "C" fn collect_named(
    context: *mut c_void,
    name: *const c_char,
    data: *const u8,
    size: usize,
) {
    // SAFETY: `descriptors` passes its own vector and the glue passes one of FILES.
    let (list, name) =
        unsafe { (&mut *context.cast::<Vec<(String, Vec<u8>)>>(), CStr::from_ptr(name)) };
    list.push((name.to_string_lossy().into_owned(), bytes(data, size)));
}

/// Takes down libprocess, as an agent does last.
pub(crate) fn finalize_process(_: Loaded) {
    // SAFETY: it was initialised; the caller calls nothing of Mesos afterwards.
    unsafe { glue::host_process_finalize() };
}

/// Name and serialised `FileDescriptorProto` of each of [`FILES`] that this libmesos has.
pub(crate) fn descriptors(_: Loaded) -> Vec<(String, Vec<u8>)> {
    let names = FILES.map(CStr::as_ptr);
    let mut found: Vec<(String, Vec<u8>)> = Vec::new();
    // SAFETY: the names are C strings, and the vector outlives the call.
    unsafe {
        glue::host_descriptors(
            names.as_ptr(),
            names.len(),
            collect_named,
            std::ptr::from_mut(&mut found).cast(),
        );
    }
    found
}

/// A message object of libmesos.
#[derive(Debug)]
pub(crate) struct Message(NonNull<c_void>);

// SAFETY: a message is plain data; it is only read after it was made, and freed once.
unsafe impl Send for Message {}
// SAFETY: as above: no method changes it.
unsafe impl Sync for Message {}

impl Message {
    /// Makes a message of the type with this full name from its serialised form.
    pub(crate) fn new(_: Loaded, kind: &str, data: &[u8]) -> anyhow::Result<Message> {
        let name = CString::new(kind)?;
        // SAFETY: name and bytes live during the call.
        let pointer = unsafe { glue::host_message_new(name.as_ptr(), data.as_ptr(), data.len()) };
        let pointer = NonNull::new(pointer)
            .with_context(|| format!("libmesos did not accept these bytes as {kind}"))?;
        Ok(Message(pointer))
    }

    pub(crate) fn as_ptr(&self) -> *const c_void {
        self.0.as_ptr()
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: the glue made it and nobody else frees it.
        unsafe { glue::host_message_free(self.0.as_ptr()) };
    }
}

/// Size of a message's C++ class in this libmesos, `None` for an unknown type.
pub(crate) fn message_size(_: Loaded, kind: &str) -> Option<usize> {
    let name = CString::new(kind).ok()?;
    // SAFETY: the name lives during the call.
    Some(unsafe { glue::host_message_size(name.as_ptr()) }).filter(|size| *size > 0)
}

/// An object that lives as long as the process: Mesos exports no way to destroy it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept(*const c_void);

// SAFETY: the object is never changed after it was made.
unsafe impl Send for Kept {}
// SAFETY: as above.
unsafe impl Sync for Kept {}

impl Kept {
    pub(crate) fn as_ptr(self) -> *const c_void {
        self.0
    }
}

type FromList = unsafe fn(*const *const u8, *const usize, usize) -> *mut c_void;

fn from_list(make: FromList, items: &[Vec<u8>]) -> Kept {
    let data: Vec<_> = items.iter().map(|item| item.as_ptr()).collect();
    let sizes: Vec<_> = items.iter().map(Vec::len).collect();
    // SAFETY: both arrays have as many entries as there are items, which live during the call.
    Kept(unsafe { make(data.as_ptr(), sizes.as_ptr(), items.len()) })
}

/// `mesos::Resources` from serialised `mesos.Resource` messages.
pub(crate) fn resources(_: Loaded, items: &[Vec<u8>]) -> Kept {
    from_list(glue::host_resources_new, items)
}

/// `std::vector<ContainerState>` from serialised messages.
pub(crate) fn states(_: Loaded, items: &[Vec<u8>]) -> Kept {
    from_list(glue::host_states_new, items)
}

/// `hashset<ContainerID>` from serialised messages.
pub(crate) fn orphans(_: Loaded, items: &[Vec<u8>]) -> Kept {
    from_list(glue::host_orphans_new, items)
}

/// `Map<string, Value.Scalar>`.
pub(crate) fn limits(_: Loaded, entries: &[(CString, f64)]) -> Kept {
    let keys: Vec<_> = entries.iter().map(|(key, _)| key.as_ptr()).collect();
    let values: Vec<_> = entries.iter().map(|(_, value)| *value).collect();
    // SAFETY: both arrays have as many entries as there are, which live during the call.
    Kept(unsafe { glue::host_limits_new(keys.as_ptr(), values.as_ptr(), entries.len()) })
}

/// `ModuleManager::load`; the error is Mesos's own text.
pub(crate) fn load_modules(_: Loaded, modules: &Message) -> anyhow::Result<()> {
    let mut refusal = Vec::new();
    // SAFETY: the message and the vector outlive the call.
    let done =
        unsafe { glue::host_load_modules(modules.as_ptr(), collect, collected(&mut refusal)) };
    if done == 0 { Err(anyhow!("{}", text(&refusal))) } else { Ok(()) }
}

/// `HookManager::initialize`; the error is Mesos's own text.
pub(crate) fn initialize_hooks(_: Loaded, names: &str) -> anyhow::Result<()> {
    let names = CString::new(names)?;
    let mut refusal = Vec::new();
    // SAFETY: the text and the vector outlive the call.
    let done =
        unsafe { glue::host_initialize_hooks(names.as_ptr(), collect, collected(&mut refusal)) };
    if done == 0 { Err(anyhow!("{}", text(&refusal))) } else { Ok(()) }
}

/// Whether this libmesos calls hooks for such an event.
pub(crate) fn has_hook(_: Loaded, event: Event) -> bool {
    // SAFETY: the functions are bound.
    unsafe { glue::host_hook_has(event as i32) != 0 }
}

/// Calls a synchronous function of HookManager, if [`has_hook`]; returns the messages of its value.
pub(crate) fn call_hook(_: Loaded, event: Event, inputs: &glue::Inputs) -> Vec<Vec<u8>> {
    let mut value = Vec::new();
    // SAFETY: the objects that the inputs name are kept by the caller; see `Arguments`.
    unsafe { glue::host_hook_call(event as i32, inputs, collect, collected(&mut value)) };
    value
}

/// Calls HookManager's asynchronous function.
pub(crate) fn call_docker_hook(_: Loaded, inputs: &glue::Inputs) -> Future {
    // SAFETY: as in `call_hook`; the future keeps nothing of the inputs.
    Future(unsafe { glue::host_docker_hook_call(inputs) })
}

/// An isolator that ModuleManager created.
#[derive(Debug)]
pub(crate) struct Isolator(NonNull<c_void>);

// SAFETY: Mesos itself calls isolators from any thread.
unsafe impl Send for Isolator {}
// SAFETY: as above, also at the same time.
unsafe impl Sync for Isolator {}

impl Isolator {
    /// `ModuleManager::create<Isolator>`; the error is Mesos's own text.
    pub(crate) fn create(_: Loaded, name: &str) -> anyhow::Result<Isolator> {
        let name = CString::new(name)?;
        let mut refusal = Vec::new();
        // SAFETY: the text and the vector outlive the call.
        let pointer =
            unsafe { glue::host_create_isolator(name.as_ptr(), collect, collected(&mut refusal)) };
        NonNull::new(pointer).map(Isolator).ok_or_else(|| anyhow!("{}", text(&refusal)))
    }

    /// The host's own isolator, whose usage is ready at once with this value: the yardstick.
    pub(crate) fn constant(_: Loaded, statistics: &Message) -> anyhow::Result<Isolator> {
        // SAFETY: the message is copied.
        let pointer = unsafe { glue::host_create_constant_isolator(statistics.as_ptr()) };
        NonNull::new(pointer).map(Isolator).context("no memory")
    }

    pub(crate) fn call(&self, event: Event, inputs: &glue::Inputs) -> Future {
        // SAFETY: the objects that the inputs name are kept by the caller during the call, which
        // is all that Mesos promises an isolator.
        Future(unsafe { glue::host_isolator_call(self.0.as_ptr(), event as i32, inputs) })
    }

    pub(crate) fn supports_nesting(&self) -> bool {
        // SAFETY: the isolator lives as long as self.
        unsafe { glue::host_isolator_supports_nesting(self.0.as_ptr()) != 0 }
    }

    pub(crate) fn supports_standalone(&self) -> bool {
        // SAFETY: as above.
        unsafe { glue::host_isolator_supports_standalone(self.0.as_ptr()) != 0 }
    }

    /// Calls usage in a row, going round the containers; returns the time it took and how many
    /// futures were not ready at once.
    pub(crate) fn usage_loop(&self, containers: &[Message], calls: u64) -> (Duration, u64) {
        let ids: Vec<_> = containers.iter().map(Message::as_ptr).collect();
        let mut late = 0;
        // SAFETY: the identifiers live during the call and there is at least one.
        let nanoseconds = unsafe {
            glue::host_usage_loop(self.0.as_ptr(), ids.as_ptr(), ids.len(), calls, &raw mut late)
        };
        (Duration::from_nanos(nanoseconds), late)
    }
}

impl Drop for Isolator {
    fn drop(&mut self) {
        // SAFETY: an agent deletes its isolators too, when it ends cleanly.
        unsafe { glue::host_delete_isolator(self.0.as_ptr()) };
    }
}

/// What a future is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Pending,
    Ready,
    Failed,
    Discarded,
}

/// A future that Mesos or a module gave.
#[derive(Debug)]
pub(crate) struct Future(*mut glue::RawFuture);

// SAFETY: the glue's future functions may be called from any thread.
unsafe impl Send for Future {}
// SAFETY: as above.
unsafe impl Sync for Future {}

impl Future {
    /// Waits until it is completed, at most this long.
    pub(crate) fn wait(&self, timeout: Duration) -> State {
        let nanoseconds = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX / 4);
        // SAFETY: the future lives as long as self.
        match unsafe { glue::host_future_wait(self.0, nanoseconds) } {
            1 => State::Ready,
            2 => State::Failed,
            3 => State::Discarded,
            _ => State::Pending,
        }
    }

    /// CLOCK_MONOTONIC time of its completion, in nanoseconds, as the completing thread saw it.
    pub(crate) fn completed_ns(&self) -> u64 {
        // SAFETY: the future lives as long as self.
        unsafe { glue::host_future_completed_ns(self.0) }
    }

    pub(crate) fn abandoned(&self) -> bool {
        // SAFETY: as above.
        unsafe { glue::host_future_abandoned(self.0) != 0 }
    }

    pub(crate) fn discard(&self) {
        // SAFETY: as above.
        unsafe { glue::host_future_discard(self.0) };
    }

    /// The message of a ready future, if it has one, or the text of a failed one.
    pub(crate) fn value(&self) -> Option<Vec<u8>> {
        let mut value = Vec::new();
        // SAFETY: as above; the vector outlives the call.
        unsafe { glue::host_future_value(self.0, collect, collected(&mut value)) };
        value.pop()
    }
}

impl Drop for Future {
    fn drop(&mut self) {
        // SAFETY: the glue made it and nobody else frees it.
        unsafe { glue::host_future_free(self.0) };
    }
}

/// A master and an agent in this process.
#[derive(Debug)]
pub(crate) struct Cluster(*mut c_void);

impl Cluster {
    /// Starts them as `MESOS_*` variables say; ends the process when that fails, as Mesos does.
    pub(crate) fn start(_: Loaded, framework: &Message) -> Cluster {
        // SAFETY: the message outlives the call.
        Cluster(unsafe { glue::host_cluster_start(framework.as_ptr()) })
    }

    /// Stops them as a process does that ends cleanly.
    pub(crate) fn stop(self) {
        // SAFETY: started once, stopped once.
        unsafe { glue::host_cluster_stop(self.0) };
    }
}
