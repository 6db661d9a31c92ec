// What a libmesos offers, as far as the module and mesos-host call it, under the names that Mesos has
// for it. Written for these tests; the messages are generated from a real library's descriptors.
//
// The layouts are those that were measured in real libraries. Nothing is shared with cpp/abi and
// cpp/host/glue, which believe them on their own.
#ifndef MESOS_STAND_IN_HPP
#define MESOS_STAND_IN_HPP

#include <cstddef>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <mesos/mesos.pb.h>
#include <mesos/module/hook.pb.h>
#include <mesos/module/module.pb.h>
#include <mesos/slave/containerizer.pb.h>

#include "values.hpp"

namespace process {

bool initialize(
    const Option<std::string>& delegate,
    const Option<std::string>& readwrite,
    const Option<std::string>& readonly);
void finalize(bool finalize_wsa);

}  // namespace process

namespace google {

// One line of the log, written by the destructor.
class LogMessage
{
public:
  LogMessage(const char* file, int line, int severity);
  ~LogMessage();
  std::ostream& stream();

private:
  struct Text;
  Text* text;
};

}  // namespace google

namespace mesos {

using ResourceList = google::protobuf::RepeatedPtrField<Resource>;
using AttributeList = google::protobuf::RepeatedPtrField<Attribute>;

// A list of shared elements with room for fifteen.
class Resources
{
public:
  Resources(const ResourceList& list);
  Resources(const Resources& that);
  Resources& operator=(const Resources&) = delete;
  ~Resources();

  operator ResourceList() const;
  static Option<Error> validate(const Resource& resource);

private:
  using Element = std::shared_ptr<Resource>;

  void add(const Element& element);

  Element* first;
  std::size_t count;
  std::size_t capacity;
  alignas(Element) char room[15 * sizeof(Element)];
};

static_assert(sizeof(Resources) == 264, "as in 1.10 and 1.11");

void upgradeResources(ResourceList* list);

class Attributes
{
public:
  Attributes(const AttributeList& given) : list(given) {}
  operator AttributeList() const { return list; }

private:
  AttributeList list;
};

class Hook
{
public:
  virtual ~Hook() = default;
  virtual Result<Labels> masterLaunchTaskLabelDecorator(
      const TaskInfo& task, const FrameworkInfo& framework, const SlaveInfo& slave) = 0;
  virtual Result<Resources> masterLaunchTaskResourceDecorator(
      const TaskInfo& task, const Resources& resources) = 0;
  virtual Result<Labels> slaveRunTaskLabelDecorator(
      const TaskInfo& task,
      const ExecutorInfo& executor,
      const FrameworkInfo& framework,
      const SlaveInfo& slave) = 0;
  virtual Try<Nothing> masterSlaveLostHook(const SlaveInfo& slave) = 0;
  virtual Result<Environment> slaveExecutorEnvironmentDecorator(const ExecutorInfo& executor) = 0;
  virtual process::Future<Option<DockerTaskExecutorPrepareInfo>>
  slavePreLaunchDockerTaskExecutorDecorator(
      const Option<TaskInfo>& task,
      const ExecutorInfo& executor,
      const std::string& container,
      const std::string& directory,
      const std::string& sandbox,
      const Option<std::map<std::string, std::string>>& environment) = 0;
  virtual Try<Nothing> slavePostFetchHook(
      const ContainerID& container, const std::string& directory) = 0;
  virtual Try<Nothing> slaveRemoveExecutorHook(
      const FrameworkInfo& framework, const ExecutorInfo& executor) = 0;
  virtual Result<TaskStatus> slaveTaskStatusDecorator(
      const FrameworkID& framework, const TaskStatus& status) = 0;
  virtual Result<Resources> slaveResourcesDecorator(const SlaveInfo& slave) = 0;
  virtual Result<Attributes> slaveAttributesDecorator(const SlaveInfo& slave) = 0;
};

namespace slave {

struct ContainerHash
{
  std::size_t operator()(const ContainerID& id) const
  {
    return std::hash<std::string>()(id.SerializeAsString());
  }
};

struct ContainerEqual
{
  bool operator()(const ContainerID& a, const ContainerID& b) const
  {
    return a.SerializeAsString() == b.SerializeAsString();
  }
};

class Isolator
{
public:
  virtual ~Isolator() = default;
  virtual bool supportsNesting() = 0;
  virtual bool supportsStandalone() = 0;
  virtual process::Future<Nothing> recover(
      const std::vector<ContainerState>& states,
      const std::unordered_set<ContainerID, ContainerHash, ContainerEqual>& orphans) = 0;
  virtual process::Future<Option<ContainerLaunchInfo>> prepare(
      const ContainerID& container, const ContainerConfig& config) = 0;
  virtual process::Future<Nothing> isolate(const ContainerID& container, pid_t pid) = 0;
  virtual process::Future<ContainerLimitation> watch(const ContainerID& container) = 0;
  virtual process::Future<Nothing> update(
      const ContainerID& container,
      const Resources& requests,
      const google::protobuf::Map<std::string, Value::Scalar>& limits) = 0;
  virtual process::Future<ResourceStatistics> usage(const ContainerID& container) = 0;
  virtual process::Future<ContainerStatus> status(const ContainerID& container) = 0;
  virtual process::Future<Nothing> cleanup(const ContainerID& container) = 0;
};

}  // namespace slave

namespace modules {

class ModuleManager
{
public:
  static void initialize();
  static Try<Nothing> loadManifest(const Modules& modules);

  template <typename T>
  static Try<T*> create(const std::string& name, const Option<Parameters>& parameters);

private:
  // By kind of module: the release that its manifest must name.
  static std::unordered_map<std::string, std::string> kindToVersion;
};

}  // namespace modules

namespace internal {

// Offers every event to every hook in turn; what one has changed, the next one gets.
class HookManager
{
public:
  static Try<Nothing> initialize(const std::string& names);
  static Labels masterLaunchTaskLabelDecorator(
      const TaskInfo& task, const FrameworkInfo& framework, const SlaveInfo& slave);
  static Resources masterLaunchTaskResourceDecorator(
      const TaskInfo& task, const Resources& resources);
  static void masterSlaveLostHook(const SlaveInfo& slave);
  static Labels slaveRunTaskLabelDecorator(
      const TaskInfo& task,
      const ExecutorInfo& executor,
      const FrameworkInfo& framework,
      const SlaveInfo& slave);
  static Environment slaveExecutorEnvironmentDecorator(ExecutorInfo executor);
  static process::Future<DockerTaskExecutorPrepareInfo> slavePreLaunchDockerTaskExecutorDecorator(
      const Option<TaskInfo>& task,
      const ExecutorInfo& executor,
      const std::string& container,
      const std::string& directory,
      const std::string& sandbox,
      const Option<std::map<std::string, std::string>>& environment);
  static void slavePostFetchHook(const ContainerID& container, const std::string& directory);
  static void slaveRemoveExecutorHook(const FrameworkInfo& framework, const ExecutorInfo& executor);
  static TaskStatus slaveTaskStatusDecorator(const FrameworkID& framework, TaskStatus status);
  static Resources slaveResourcesDecorator(const SlaveInfo& slave);
  static Attributes slaveAttributesDecorator(const SlaveInfo& slave);
};

}  // namespace internal

// A cluster needs a whole Mesos.
class Scheduler;

class MesosSchedulerDriver
{
public:
  MesosSchedulerDriver(
      Scheduler* scheduler, const FrameworkInfo& framework, const std::string& master);
  virtual ~MesosSchedulerDriver();
};

}  // namespace mesos

#endif  // MESOS_STAND_IN_HPP
