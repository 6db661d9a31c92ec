/* What the Rust side of the host program may do with a libmesos that it has loaded.
 *
 * Everything crosses as opaque pointers, integers and bytes. A message is made from its serialised
 * form and read back as such; JSON is the Rust side's business. Nothing here is thread-safe unless
 * it says so, and nothing may be called before host_bind() has succeeded.
 */
#ifndef MESOS_HOST_GLUE_H
#define MESOS_HOST_GLUE_H

#include <stddef.h>
#include <stdint.h>

/* The numbers of the events, HOST_PREPARE and others, which build.rs makes of the engine's. */
#include "events.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Receives bytes that are valid during the call only. */
typedef void (*HostEmit)(void* context, const uint8_t* data, size_t size);
/* Receives a name and bytes. */
typedef void (*HostEmitNamed)(void* context, const char* name, const uint8_t* data, size_t size);

/* Looks up every function of libmesos that is used; emits the mangled name of each missing one and
 * returns how many there are. */
size_t host_bind(HostEmit missing, void* context);

/* Starts libprocess as an agent does. */
void host_process_initialize(void);
/* Takes it down, as an agent does last. Nothing of Mesos may be called afterwards. */
void host_process_finalize(void);

/* Emits each descriptor of `names` that this libmesos has, as a serialised FileDescriptorProto. */
void host_descriptors(const char* const* names, size_t count, HostEmitNamed emit, void* context);

/* Makes a message of the type with this full name ("mesos.slave.ContainerConfig") from bytes; NULL
 * when libmesos has no such type or the bytes are none. */
void* host_message_new(const char* type, const uint8_t* data, size_t size);
void host_message_free(void* message);
/* Size of the C++ class, as the loaded libmesos reports it; 0 for an unknown type. */
size_t host_message_size(const char* type);

/* mesos::Resources from serialised mesos.Resource messages. Never freed (its destructor is not
 * exported), so callers keep and share what they made. */
void* host_resources_new(const uint8_t* const* data, const size_t* sizes, size_t count);
/* google::protobuf::Map<string, Value.Scalar>; never freed. */
void* host_limits_new(const char* const* keys, const double* values, size_t count);
/* std::vector<ContainerState>; freed by nobody: recover is called once in a run. */
void* host_states_new(const uint8_t* const* data, const size_t* sizes, size_t count);
/* hashset<ContainerID>, as above. */
void* host_orphans_new(const uint8_t* const* data, const size_t* sizes, size_t count);

/* ModuleManager::load with a mesos.Modules message; false emits Mesos's own refusal. */
int host_load_modules(const void* modules, HostEmit refusal, void* context);
/* HookManager::initialize with the text of the --hooks flag. */
int host_initialize_hooks(const char* names, HostEmit refusal, void* context);
/* ModuleManager::create<Isolator>; NULL emits Mesos's own refusal. */
void* host_create_isolator(const char* name, HostEmit refusal, void* context);
/* An isolator of the host's own whose usage() answers a ready, constant value, a copy of this
 * mesos.ResourceStatistics: the yardstick. */
void* host_create_constant_isolator(const void* statistics);
void host_delete_isolator(void* isolator);

/* The arguments of any event; unused ones are NULL. Messages are host_message_new()'s. */
typedef struct
{
  const void* task_info;
  const void* executor_info;
  const void* framework_info;
  const void* slave_info;
  const void* framework_id;
  const void* task_status;
  const void* container_id;
  const void* container_config;
  const void* resources;
  const void* limits;
  const void* states;
  const void* orphans;
  const char* container_name;
  const char* container_work_directory;
  const char* mapped_sandbox_directory;
  const char* directory;
  const char* const* env_keys;
  const char* const* env_values;
  size_t env_count;
  int has_env;
  int pid;
} HostInputs;

/* Whether this libmesos has the function of HookManager that calls such an event. */
int host_hook_has(int event);
/* Calls a synchronous function of HookManager, which it has; emits each message of what it returns. */
void host_hook_call(int event, const HostInputs* inputs, HostEmit value, void* context);

typedef struct HostFuture HostFuture;

/* Calls HookManager's asynchronous function (the Docker one). */
HostFuture* host_docker_hook_call(const HostInputs* inputs);
/* Calls a virtual method of an isolator. Any thread. */
HostFuture* host_isolator_call(void* isolator, int event, const HostInputs* inputs);
int host_isolator_supports_nesting(void* isolator);
int host_isolator_supports_standalone(void* isolator);

enum HostState {
  HOST_PENDING,
  HOST_READY,
  HOST_FAILED,
  HOST_DISCARDED,
};

/* Waits until the future is completed, at most this long; returns its state. Any thread. */
int host_future_wait(HostFuture* future, uint64_t timeout_ns);
/* CLOCK_MONOTONIC time at which it was completed, taken on the completing thread. */
uint64_t host_future_completed_ns(const HostFuture* future);
/* Whether the future says that nobody will complete it. */
int host_future_abandoned(const HostFuture* future);
void host_future_discard(HostFuture* future);
/* Of a ready future: emits the message if there is one. Of a failed one: emits the text. */
void host_future_value(const HostFuture* future, HostEmit value, void* context);
/* A future may be freed at any time; its completion is then seen by nobody. */
void host_future_free(HostFuture* future);

/* Calls usage() `calls` times, going round the containers; returns the nanoseconds it took. Futures
 * that are not ready at once are counted and waited for. For measuring the call itself. */
uint64_t host_usage_loop(
    void* isolator,
    const void* const* container_ids,
    size_t count,
    uint64_t calls,
    uint64_t* not_ready);

/* A master and an agent in this process, configured by MESOS_* variables. */
void* host_cluster_start(const void* framework_info);
/* Stops them as a process does that ends cleanly. */
void host_cluster_stop(void* cluster);

#ifdef __cplusplus
}
#endif

#endif
