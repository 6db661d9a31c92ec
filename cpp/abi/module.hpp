// The module manifest and the two interfaces that a module implements.
//
// Virtual functions stand in the host's order; nothing may be inserted. The interfaces have no
// key function in the host, so every implementation brings its own vtable.
#ifndef MESOS_COMMAND_ABI_MODULE_HPP
#define MESOS_COMMAND_ABI_MODULE_HPP

#include <sys/types.h>

#include <cstddef>
#include <string>

#include "containers.hpp"
#include "future.hpp"
#include "message.hpp"
#include "resources.hpp"
#include "stout.hpp"

namespace mesos_command {
namespace abi MESOS_COMMAND_HIDDEN {
inline namespace MESOS_COMMAND_STRINGS {

// mesos::modules::Module<T>; ModuleBase is all but the last member.
struct Manifest
{
  const char* module_api_version;
  const char* mesos_version;
  const char* kind;
  const char* author_name;
  const char* author_email;
  const char* description;
  bool (*compatible)();
  // The instance, or null. The argument is a mesos::Parameters.
  void* (*create)(const AnyMessage& parameters);
};

static_assert(sizeof(Manifest) == 64, "eight words");
static_assert(offsetof(Manifest, compatible) == 48, "last member of ModuleBase");

constexpr const char* MODULE_API_VERSION = "2";

static_assert(sizeof(Result<Labels>) == 72 + STRING, "as the host's callers reserve");
static_assert(sizeof(Result<Environment>) == 72 + STRING, "as the host's callers reserve");
static_assert(sizeof(Result<TaskStatus>) == 160 + STRING, "as the host's callers reserve");

// mesos::Hook, in two parts, between which Mesos 1.8.0 put a function. A class that derives from one
// part after the other has their functions in that order. `Resources` is VectorResources or
// SmallVectorResources, by the host's release: a result is written into storage that the caller
// reserved for its own type.
class HookBegin
{
public:
  virtual ~HookBegin() = default;

  virtual Result<Labels> masterLaunchTaskLabelDecorator(
      const AnyMessage& task_info,
      const AnyMessage& framework_info,
      const AnyMessage& slave_info) = 0;
};

// What Mesos 1.8.0 put in.
template <typename Resources>
class HookOfResources : public HookBegin
{
public:
  virtual Result<Resources> masterLaunchTaskResourceDecorator(
      const AnyMessage& task_info, const AnyResources& slave_resources) = 0;
};

// The rest, behind `Begin`.
template <typename Resources_, typename Begin>
class HookBehind : public Begin
{
public:
  using Resources = Resources_;

  virtual Result<Labels> slaveRunTaskLabelDecorator(
      const AnyMessage& task_info,
      const AnyMessage& executor_info,
      const AnyMessage& framework_info,
      const AnyMessage& slave_info) = 0;

  virtual Try<Nothing> masterSlaveLostHook(const AnyMessage& slave_info) = 0;

  virtual Result<Environment> slaveExecutorEnvironmentDecorator(
      const AnyMessage& executor_info) = 0;

  // A future of Option<DockerTaskExecutorPrepareInfo>.
  virtual Future slavePreLaunchDockerTaskExecutorDecorator(
      const OptionalMessage& task_info,
      const AnyMessage& executor_info,
      const std::string& container_name,
      const std::string& container_work_directory,
      const std::string& mapped_sandbox_directory,
      const Option<StringMap>& env) = 0;

  virtual Try<Nothing> slavePostFetchHook(
      const AnyMessage& container_id, const std::string& directory) = 0;

  virtual Try<Nothing> slaveRemoveExecutorHook(
      const AnyMessage& framework_info, const AnyMessage& executor_info) = 0;

  virtual Result<TaskStatus> slaveTaskStatusDecorator(
      const AnyMessage& framework_id, const AnyMessage& task_status) = 0;

  virtual Result<Resources> slaveResourcesDecorator(const AnyMessage& slave_info) = 0;

  virtual Result<Attributes> slaveAttributesDecorator(const AnyMessage& slave_info) = 0;
};

// Of Mesos 1.8.0 and later.
template <typename Resources>
using Hook = HookBehind<Resources, HookOfResources<Resources>>;

// Of Mesos 1.7, whose Resources are vectors.
using Hook17 = HookBehind<VectorResources, HookBegin>;

// mesos::slave::Isolator. The type of each future is in the comment before the method.
class Isolator
{
public:
  virtual ~Isolator() = default;

  virtual bool supportsNesting() = 0;
  virtual bool supportsStandalone() = 0;

  // Nothing
  virtual Future recover(const ContainerStates& states, const ContainerIdSet& orphans) = 0;

  // Option<ContainerLaunchInfo>
  virtual Future prepare(const AnyMessage& container_id, const AnyMessage& container_config) = 0;

  // Nothing
  virtual Future isolate(const AnyMessage& container_id, pid_t pid) = 0;

  // ContainerLimitation
  virtual Future watch(const AnyMessage& container_id) = 0;

  // Nothing. Before Mesos 1.10 the caller passes two arguments and `limits` is whatever the
  // register held: a pointer, so that no invalid reference is ever formed.
  virtual Future update(
      const AnyMessage& container_id,
      const AnyResources& resource_requests,
      const ScalarMap* limits) = 0;

  // ResourceStatistics
  virtual Future usage(const AnyMessage& container_id) = 0;

  // ContainerStatus
  virtual Future status(const AnyMessage& container_id) = 0;

  // Nothing
  virtual Future cleanup(const AnyMessage& container_id) = 0;
};

}  // namespace MESOS_COMMAND_STRINGS
}  // namespace abi
}  // namespace mesos_command

#endif  // MESOS_COMMAND_ABI_MODULE_HPP
