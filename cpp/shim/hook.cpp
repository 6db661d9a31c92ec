// The Hook adapter.
//
// Every method: if no command is configured, the interface's default without serialising anything;
// else serialise, call the engine, turn its answer into the host's type. Whatever is thrown on the
// way becomes an Error, which Mesos logs and otherwise ignores.
#include <string>
#include <utility>

#include "../abi/module.hpp"
#include "adapters.hpp"
#include "events.hpp"
#include "futures.hpp"
#include "inputs.hpp"
#include "log.hpp"

namespace mesos_command {
namespace shim {
inline namespace MESOS_COMMAND_STRINGS {

namespace {

using abi::AnyMessage;
using abi::Error;
using abi::InPlace;
using abi::Result;

std::string text_of(const HookAnswer& answer)
{
  return std::string(reinterpret_cast<const char*>(answer.bytes.data()), answer.bytes.size());
}

Error unreadable()
{
  return Error("The command module's answer cannot be read by this Mesos");
}

template <typename Message>
Result<Message> message_result(const HookAnswer& answer)
{
  if (answer.kind == AnswerKind::Nothing) {
    return Result<Message>();
  }
  if (answer.kind == AnswerKind::Failure) {
    return Result<Message>(Error(text_of(answer)));
  }
  bool valid = false;
  Result<Message> result(
      InPlace(), static_cast<const void*>(answer.bytes.data()), answer.bytes.size(), valid);
  if (!valid) {
    return Result<Message>(unreadable());
  }
  return result;
}

abi::Try<abi::Nothing> nothing_result(const HookAnswer& answer)
{
  if (answer.kind == AnswerKind::Failure) {
    return abi::Try<abi::Nothing>(Error(text_of(answer)));
  }
  return abi::Try<abi::Nothing>(InPlace());
}

// The first of `resources` that Mesos would silently leave out, as an error text; else empty.
std::string invalid_resource(const abi::ResourceField& resources)
{
  for (std::size_t i = 0; i < resources.size(); i++) {
    const abi::Option<Error> error = abi::host_validate_resource(resources[i]);
    if (error.is_some()) {
      const rust::String name = resource_name(bytes_of(abi::serialize(resources[i])));
      return "Invalid resource \"" + std::string(name.data(), name.size()) +
             "\": " + error.get().message;
    }
  }
  return std::string();
}

// An answer that carries its list in a SlaveInfo. An empty list means no change: taken literally
// it would leave an agent without resources.
template <typename Resources>
Result<Resources> resources_result(const HookAnswer& answer)
{
  if (answer.kind == AnswerKind::Nothing) {
    return Result<Resources>();
  }
  if (answer.kind == AnswerKind::Failure) {
    return Result<Resources>(Error(text_of(answer)));
  }
  abi::HeapMessage<abi::SlaveInfoType> carrier;
  if (!abi::parse(carrier.any(), answer.bytes.data(), answer.bytes.size())) {
    return Result<Resources>(unreadable());
  }
  abi::ResourceField& resources = abi::resources_of(carrier);
  if (resources.size() == 0) {
    return Result<Resources>();
  }
  // Before the upgrade, which aborts the process on what this refuses; and after it, because what
  // does not pass now would vanish in the constructor.
  std::string problem = invalid_resource(resources);
  if (problem.empty()) {
    abi::host_upgrade_resources(&resources);
    problem = invalid_resource(resources);
  }
  if (!problem.empty()) {
    return Result<Resources>(Error(std::move(problem)));
  }
  return Result<Resources>(InPlace(), static_cast<const abi::ResourceField&>(resources));
}

Result<abi::Attributes> attributes_result(const HookAnswer& answer)
{
  if (answer.kind == AnswerKind::Nothing) {
    return Result<abi::Attributes>();
  }
  if (answer.kind == AnswerKind::Failure) {
    return Result<abi::Attributes>(Error(text_of(answer)));
  }
  abi::HeapMessage<abi::SlaveInfoType> carrier;
  if (!abi::parse(carrier.any(), answer.bytes.data(), answer.bytes.size())) {
    return Result<abi::Attributes>(unreadable());
  }
  abi::AttributeField& attributes = abi::attributes_of(carrier);
  if (attributes.size() == 0) {
    return Result<abi::Attributes>();
  }
  return Result<abi::Attributes>(InPlace(), std::move(attributes));
}

// The functions that every release has, for one of the interfaces of abi/module.hpp.
template <typename Interface>
class HookBase : public Interface
{
public:
  using Resources = typename Interface::Resources;

  explicit HookBase(rust::Box<HookInstance> instance_)
      : instance(std::move(instance_)),
        events(hook_events(*instance)),
        nothing(make_fallback<PrepareInfo>(Fallback::Ready))
  {
  }

  Result<abi::Labels> masterLaunchTaskLabelDecorator(
      const AnyMessage& task_info,
      const AnyMessage& framework_info,
      const AnyMessage& slave_info) override
  {
    return run<Result<abi::Labels>>(
        MasterLaunchTaskLabelDecorator, "masterLaunchTaskLabelDecorator",
        [&](Inputs& inputs) {
          inputs.message(framework_info);
          inputs.message(slave_info);
          inputs.message(task_info);
        },
        message_result<abi::Labels>);
  }

  Result<abi::Labels> slaveRunTaskLabelDecorator(
      const AnyMessage& task_info,
      const AnyMessage& executor_info,
      const AnyMessage& framework_info,
      const AnyMessage& slave_info) override
  {
    return run<Result<abi::Labels>>(
        SlaveRunTaskLabelDecorator, "slaveRunTaskLabelDecorator",
        [&](Inputs& inputs) {
          inputs.message(executor_info);
          inputs.message(framework_info);
          inputs.message(slave_info);
          inputs.message(task_info);
        },
        message_result<abi::Labels>);
  }

  abi::Try<abi::Nothing> masterSlaveLostHook(const AnyMessage& slave_info) override
  {
    return run<abi::Try<abi::Nothing>>(
        MasterSlaveLostHook, "masterSlaveLostHook",
        [&](Inputs& inputs) { inputs.message(slave_info); }, nothing_result);
  }

  Result<abi::Environment> slaveExecutorEnvironmentDecorator(
      const AnyMessage& executor_info) override
  {
    return run<Result<abi::Environment>>(
        SlaveExecutorEnvironmentDecorator, "slaveExecutorEnvironmentDecorator",
        [&](Inputs& inputs) { inputs.message(executor_info); }, message_result<abi::Environment>);
  }

  abi::Future slavePreLaunchDockerTaskExecutorDecorator(
      const abi::OptionalMessage& task_info,
      const AnyMessage& executor_info,
      const std::string& container_name,
      const std::string& container_work_directory,
      const std::string& mapped_sandbox_directory,
      const abi::Option<abi::StringMap>& env) override
  {
    constexpr Event event = SlavePreLaunchDockerTaskExecutorDecorator;
    if (!handles(event)) {
      return nothing;
    }
    try {
      Pending pending =
          make_pending<PrepareInfo>(fallback(event), "slavePreLaunchDockerTaskExecutorDecorator");
      Inputs inputs;
      inputs.text(container_name);
      inputs.text(container_work_directory);
      inputs.optional_map(env);
      inputs.message(executor_info);
      inputs.text(mapped_sandbox_directory);
      inputs.optional_message(task_info);
      call_hook_async(*instance, event, inputs.slice(), std::move(pending.completion));
      return pending.future;
    } catch (...) {
      log_exception(__FILE__, __LINE__, "calling slavePreLaunchDockerTaskExecutorDecorator");
      return nothing;
    }
  }

  abi::Try<abi::Nothing> slavePostFetchHook(
      const AnyMessage& container_id, const std::string& directory) override
  {
    return run<abi::Try<abi::Nothing>>(
        SlavePostFetchHook, "slavePostFetchHook",
        [&](Inputs& inputs) {
          inputs.message(container_id);
          inputs.text(directory);
        },
        nothing_result);
  }

  abi::Try<abi::Nothing> slaveRemoveExecutorHook(
      const AnyMessage& framework_info, const AnyMessage& executor_info) override
  {
    return run<abi::Try<abi::Nothing>>(
        SlaveRemoveExecutorHook, "slaveRemoveExecutorHook",
        [&](Inputs& inputs) {
          inputs.message(executor_info);
          inputs.message(framework_info);
        },
        nothing_result);
  }

  Result<abi::TaskStatus> slaveTaskStatusDecorator(
      const AnyMessage& framework_id, const AnyMessage& task_status) override
  {
    return run<Result<abi::TaskStatus>>(
        SlaveTaskStatusDecorator, "slaveTaskStatusDecorator",
        [&](Inputs& inputs) {
          inputs.message(framework_id);
          inputs.message(task_status);
        },
        message_result<abi::TaskStatus>);
  }

  Result<Resources> slaveResourcesDecorator(const AnyMessage& slave_info) override
  {
    return run<Result<Resources>>(
        SlaveResourcesDecorator, "slaveResourcesDecorator",
        [&](Inputs& inputs) { inputs.message(slave_info); }, resources_result<Resources>);
  }

  Result<abi::Attributes> slaveAttributesDecorator(const AnyMessage& slave_info) override
  {
    return run<Result<abi::Attributes>>(
        SlaveAttributesDecorator, "slaveAttributesDecorator",
        [&](Inputs& inputs) { inputs.message(slave_info); }, attributes_result);
  }

protected:
  bool handles(Event event) const { return (events >> event & 1) != 0; }

  // One synchronous hook: `fill` adds the inputs, `convert` reads the answer.
  template <typename Returned, typename Fill, typename Convert>
  Returned run(Event event, const char* method, Fill fill, Convert convert)
  {
    try {
      if (!handles(event)) {
        HookAnswer none;
        none.kind = AnswerKind::Nothing;
        return convert(none);
      }
      Inputs inputs;
      fill(inputs);
      return convert(call_hook(*instance, event, inputs.slice()));
    } catch (...) {
      log_exception(__FILE__, __LINE__, method);
      return Returned(Error(internal_error()));
    }
  }

private:
  using PrepareInfo = abi::Option<abi::DockerTaskExecutorPrepareInfo>;

  const rust::Box<HookInstance> instance;
  const std::uint32_t events;
  // What an asynchronous hook without a command answers: made once, shared by all calls.
  const abi::Future nothing;
};

// For Mesos 1.7.
class Hook17Adapter final : public HookBase<abi::Hook17>
{
public:
  using HookBase<abi::Hook17>::HookBase;
};

template <typename Resources>
class HookAdapter final : public HookBase<abi::Hook<Resources>>
{
public:
  using HookBase<abi::Hook<Resources>>::HookBase;

  Result<Resources> masterLaunchTaskResourceDecorator(
      const AnyMessage& task_info, const abi::AnyResources& slave_resources) override
  {
    return this->template run<Result<Resources>>(
        MasterLaunchTaskResourceDecorator, "masterLaunchTaskResourceDecorator",
        [&](Inputs& inputs) {
          inputs.resources(slave_resources);
          inputs.message(task_info);
        },
        resources_result<Resources>);
  }
};

// Through the interface's type, whose address is what Mesos gets.
template <typename Interface, typename Adapter>
void* made(rust::Box<HookInstance> instance)
{
  return static_cast<Interface*>(new Adapter(std::move(instance)));
}

using Vector = abi::VectorResources;
using SmallVector = abi::SmallVectorResources;

}  // namespace

std::uint32_t hook_events_never_called(const abi::Host& host)
{
  return host.hook == abi::HookLayout::HOOK_17 ? 1u << MasterLaunchTaskResourceDecorator : 0;
}

void* make_hook(const abi::Host& host, rust::Box<HookInstance> instance)
{
  const bool has_vector = host.resources == abi::ResourcesLayout::VECTOR;
  if (host.hook == abi::HookLayout::HOOK_17 && has_vector) {
    return made<abi::Hook17, Hook17Adapter>(std::move(instance));
  }
  if (host.hook == abi::HookLayout::HOOK && has_vector) {
    return made<abi::Hook<Vector>, HookAdapter<Vector>>(std::move(instance));
  }
  if (host.hook == abi::HookLayout::HOOK && host.resources == abi::ResourcesLayout::SMALL_VECTOR) {
    return made<abi::Hook<SmallVector>, HookAdapter<SmallVector>>(std::move(instance));
  }
  throw Unexpected("no mesos::Hook of this Mesos is known");
}

}  // namespace MESOS_COMMAND_STRINGS
}  // namespace shim
}  // namespace mesos_command
