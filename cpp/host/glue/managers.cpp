// ModuleManager, HookManager and the isolators that they make.

#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <vector>

#include "futures.hpp"
#include "glue.h"
#include "layout.hpp"
#include "messages.hpp"
#include "symbols.hpp"

namespace host {
namespace {

void emit_text(const Text& text, HostEmit emit, void* context)
{
  emit(context, reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

// Destroys a message that a function returned into a Returned.
void destroy(Returned& returned)
{
  // Through the vtable: the complete destructor, which does not free.
  reinterpret_cast<Message*>(returned.bytes)->~Message();
}

// A by-value parameter: the caller makes the copy and destroys it. `change` may move it away.
class OwnCopy
{
public:
  explicit OwnCopy(const void* message)
  {
    Text bytes;
    mesos.append_partial(message, &bytes);
    copy_ = static_cast<const Message*>(message)->create();
    mesos.parse_partial(copy_, bytes.data(), static_cast<int>(bytes.size()));
  }
  ~OwnCopy() { delete copy_; }
  OwnCopy(const OwnCopy&) = delete;
  OwnCopy& operator=(const OwnCopy&) = delete;
  void* get() { return copy_; }

private:
  Message* copy_;
};

void emit_returned_message(Returned&& returned, HostEmit value, void* context)
{
  emit_message(returned.bytes, value, context);
  destroy(returned);
}

// The destructor of Resources is not exported: what was returned is lost, a few hundred bytes.
void emit_returned_resources(Returned&& returned, HostEmit value, void* context)
{
  RepeatedMessages list{};
  mesos.resources_list(&list, returned.bytes);
  emit_list(list, value, context);
  clear_list(&list);
}

void emit_returned_attributes(Returned&& returned, HostEmit value, void* context)
{
  RepeatedMessages* list = reinterpret_cast<RepeatedMessages*>(returned.bytes);
  emit_list(*list, value, context);
  clear_list(list);
}

// Option<TaskInfo>, for a TaskInfo of whatever size.
class OptionalTask
{
public:
  explicit OptionalTask(const void* task)
  {
    const int state = task == nullptr ? NONE : SOME;
    std::memcpy(room_, &state, sizeof(state));
    if (task != nullptr) {
      Text bytes;
      mesos.append_partial(task, &bytes);
      construct("mesos.TaskInfo", room_ + 8);
      mesos.parse_partial(room_ + 8, bytes.data(), static_cast<int>(bytes.size()));
      message_ = reinterpret_cast<Message*>(room_ + 8);
    }
  }
  ~OptionalTask()
  {
    if (message_ != nullptr) {
      message_->~Message();
    }
  }
  OptionalTask(const OptionalTask&) = delete;
  OptionalTask& operator=(const OptionalTask&) = delete;
  const void* get() const { return room_; }

private:
  alignas(16) char room_[1024];
  Message* message_ = nullptr;
};

// The yardstick for cached answers. Only usage() is ever called on it.
struct ConstantIsolator final : Isolator
{
  explicit ConstantIsolator(const void* value) : statistics(value) {}

  bool supports_nesting() override { return true; }
  bool supports_standalone() override { return true; }
  FutureState recover(const void*, const void*) override { return nullptr; }
  FutureState prepare(const void*, const void*) override { return nullptr; }
  FutureState isolate(const void*, int) override { return nullptr; }
  FutureState watch(const void*) override { return nullptr; }
  FutureState update(const void*, const void*, const void*) override { return nullptr; }
  FutureState usage(const void*) override { return ready_statistics(statistics.get()); }
  FutureState status(const void*) override { return nullptr; }
  FutureState cleanup(const void*) override { return nullptr; }

  OwnCopy statistics;
};

FutureState call_isolator(Isolator* isolator, int event, const HostInputs& in)
{
  switch (event) {
    case HOST_RECOVER: return isolator->recover(in.states, in.orphans);
    case HOST_PREPARE: return isolator->prepare(in.container_id, in.container_config);
    case HOST_ISOLATE: return isolator->isolate(in.container_id, in.pid);
    case HOST_WATCH: return isolator->watch(in.container_id);
    case HOST_UPDATE: return isolator->update(in.container_id, in.resources, in.limits);
    case HOST_STATUS: return isolator->status(in.container_id);
    case HOST_CLEANUP: return isolator->cleanup(in.container_id);
    default: return isolator->usage(in.container_id);
  }
}

}  // namespace
}  // namespace host

using namespace host;

void host_process_initialize(void)
{
  const Option<Text> none;
  mesos.process_initialize(none, none, none);
}

void host_process_finalize(void)
{
  mesos.process_finalize(false);
}

int host_load_modules(const void* modules, HostEmit refusal, void* context)
{
  TryNothing result = mesos.load_manifest(modules);
  if (result.error.state == SOME) {
    emit_text(result.error.value, refusal, context);
  }
  return result.error.state != SOME;
}

int host_initialize_hooks(const char* names, HostEmit refusal, void* context)
{
  TryNothing result = mesos.hooks_initialize(names);
  if (result.error.state == SOME) {
    emit_text(result.error.value, refusal, context);
  }
  return result.error.state != SOME;
}

void* host_create_isolator(const char* name, HostEmit refusal, void* context)
{
  const Option<NoParameters> configured;
  TryPointer result = mesos.create_isolator(name, configured);
  if (result.error.state == SOME) {
    emit_text(result.error.value, refusal, context);
    return nullptr;
  }
  return result.data;
}

void* host_create_constant_isolator(const void* statistics)
{
  return static_cast<Isolator*>(new ConstantIsolator(statistics));
}

void host_delete_isolator(void* isolator)
{
  delete static_cast<Isolator*>(isolator);
}

int host_isolator_supports_nesting(void* isolator)
{
  return static_cast<Isolator*>(isolator)->supports_nesting();
}

int host_isolator_supports_standalone(void* isolator)
{
  return static_cast<Isolator*>(isolator)->supports_standalone();
}

int host_hook_has(int event)
{
  return event != HOST_MASTER_LAUNCH_TASK_RESOURCE_DECORATOR ||
         mesos.master_launch_task_resource != nullptr;
}

void host_hook_call(int event, const HostInputs* inputs, HostEmit value, void* context)
{
  const HostInputs& in = *inputs;
  switch (event) {
    case HOST_MASTER_LAUNCH_TASK_LABEL_DECORATOR:
      return emit_returned_message(
          mesos.master_launch_task_label(in.task_info, in.framework_info, in.slave_info), value,
          context);
    case HOST_MASTER_LAUNCH_TASK_RESOURCE_DECORATOR:
      return emit_returned_resources(
          mesos.master_launch_task_resource(in.task_info, in.resources), value, context);
    case HOST_MASTER_SLAVE_LOST_HOOK: return mesos.master_slave_lost(in.slave_info);
    case HOST_SLAVE_RUN_TASK_LABEL_DECORATOR:
      return emit_returned_message(
          mesos.slave_run_task_label(
              in.task_info, in.executor_info, in.framework_info, in.slave_info),
          value, context);
    case HOST_SLAVE_EXECUTOR_ENVIRONMENT_DECORATOR: {
      OwnCopy executor(in.executor_info);
      return emit_returned_message(
          mesos.slave_executor_environment(executor.get()), value, context);
    }
    case HOST_SLAVE_POST_FETCH_HOOK: return mesos.slave_post_fetch(in.container_id, in.directory);
    case HOST_SLAVE_REMOVE_EXECUTOR_HOOK:
      return mesos.slave_remove_executor(in.framework_info, in.executor_info);
    case HOST_SLAVE_TASK_STATUS_DECORATOR: {
      OwnCopy status(in.task_status);
      return emit_returned_message(
          mesos.slave_task_status(in.framework_id, status.get()), value, context);
    }
    case HOST_SLAVE_RESOURCES_DECORATOR:
      return emit_returned_resources(mesos.slave_resources(in.slave_info), value, context);
    case HOST_SLAVE_ATTRIBUTES_DECORATOR:
      return emit_returned_attributes(mesos.slave_attributes(in.slave_info), value, context);
    default: return;
  }
}

HostFuture* host_docker_hook_call(const HostInputs* inputs)
{
  const HostInputs& in = *inputs;
  std::map<Text, Text> variables;
  for (size_t i = 0; i < in.env_count; ++i) {
    variables[in.env_keys[i]] = in.env_values[i];
  }
  const Option<std::map<Text, Text>> none;
  const Option<std::map<Text, Text>> some(variables);
  const OptionalTask task(in.task_info);
  return take_future(
      mesos.docker(
          task.get(), in.executor_info, in.container_name, in.container_work_directory,
          in.mapped_sandbox_directory, in.has_env ? some : none),
      shape_of(HOST_SLAVE_PRE_LAUNCH_DOCKER_TASK_EXECUTOR_DECORATOR));
}

HostFuture* host_isolator_call(void* isolator, int event, const HostInputs* inputs)
{
  return take_future(
      call_isolator(static_cast<Isolator*>(isolator), event, *inputs), shape_of(event));
}

uint64_t host_usage_loop(
    void* isolator,
    const void* const* container_ids,
    size_t count,
    uint64_t calls,
    uint64_t* not_ready)
{
  Isolator* target = static_cast<Isolator*>(isolator);
  const ValueShape shape = shape_of(HOST_USAGE);
  std::vector<HostFuture*> late;
  timespec start, end;
  clock_gettime(CLOCK_MONOTONIC, &start);
  for (uint64_t i = 0; i < calls; ++i) {
    FutureState state = target->usage(container_ids[i % count]);
    if (state_now(state) == HOST_PENDING) {
      late.push_back(take_future(std::move(state), shape));
    }
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  *not_ready = late.size();
  for (HostFuture* future : late) {
    host_future_wait(future, uint64_t{60} * 1000000000u);
    host_future_free(future);
  }
  return static_cast<uint64_t>(
      (end.tv_sec - start.tv_sec) * 1000000000ll + (end.tv_nsec - start.tv_nsec));
}
