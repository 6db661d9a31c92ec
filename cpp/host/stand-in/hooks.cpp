// The manager of hooks.
#include <mutex>

#include "standin.hpp"

namespace mesos {
namespace internal {

namespace {

std::vector<std::pair<std::string, Hook*>> hooks;

// Real Mesos's words, after which the tests look, in a file of the same name.
void log_failure(const char* what, const std::string& name, const std::string& error)
{
  google::LogMessage("manager.cpp", __LINE__, 1).stream()
      << what << " hook failed for module '" << name << "': " << error;
}

// Calls every hook, and `take` with the value of each that has one.
template <typename Call, typename Take>
void each(const char* what, Call call, Take take)
{
  for (const auto& hook : hooks) {
    const auto result = call(*hook.second);
    if (result.isError()) {
      log_failure(what, hook.first, result.error());
    } else if (result.isSome()) {
      take(result.get());
    }
  }
}

template <typename Call>
void each(const char* what, Call call)
{
  for (const auto& hook : hooks) {
    const Try<Nothing> result = call(*hook.second);
    if (result.isError()) {
      log_failure(what, hook.first, result.error());
    }
  }
}

using PrepareInfo = DockerTaskExecutorPrepareInfo;

// Completes one future when those of all hooks are complete.
struct Gathering
{
  std::mutex mutex;
  std::size_t left;
  bool failed = false;
  std::vector<Option<PrepareInfo>> answers;
  process::Future<PrepareInfo> future;

  void take(std::size_t index, const process::Future<Option<PrepareInfo>>& one)
  {
    std::unique_lock<std::mutex> guard(mutex);
    if (failed) {
      return;
    }
    if (one.state() != process::Future<Option<PrepareInfo>>::READY) {
      failed = true;
      guard.unlock();
      const bool has_text = one.result().isError();
      future.complete(
          process::Future<PrepareInfo>::FAILED,
          Error("Collect failed: " + (has_text ? one.result().error() : "it was discarded")));
      return;
    }
    answers[index] = one.result().get();
    if (--left > 0) {
      return;
    }
    PrepareInfo merged;
    for (const Option<PrepareInfo>& answer : answers) {
      if (answer.isSome()) {
        merged.MergeFrom(answer.get());
      }
    }
    guard.unlock();
    future.complete(process::Future<PrepareInfo>::READY, merged);
  }
};

}  // namespace

Try<Nothing> HookManager::initialize(const std::string& names)
{
  std::size_t begin = 0;
  while (begin <= names.size()) {
    const std::size_t end = std::min(names.find(',', begin), names.size());
    const std::string name = names.substr(begin, end - begin);
    const Try<Hook*> made = modules::ModuleManager::create<Hook>(name, Option<Parameters>());
    if (made.isError()) {
      return Error("Failed to instantiate hook module '" + name + "': " + made.error());
    }
    hooks.emplace_back(name, made.get());
    begin = end + 1;
  }
  return Nothing();
}

Labels HookManager::masterLaunchTaskLabelDecorator(
    const TaskInfo& task, const FrameworkInfo& framework, const SlaveInfo& slave)
{
  TaskInfo changed = task;
  each(
      "Master label decorator",
      [&](Hook& hook) { return hook.masterLaunchTaskLabelDecorator(changed, framework, slave); },
      [&](const Labels& labels) { *changed.mutable_labels() = labels; });
  return changed.labels();
}

Resources HookManager::masterLaunchTaskResourceDecorator(
    const TaskInfo& task, const Resources& resources)
{
  TaskInfo changed = task;
  each(
      "Master resource decorator",
      [&](Hook& hook) { return hook.masterLaunchTaskResourceDecorator(changed, resources); },
      [&](const Resources& value) { *changed.mutable_resources() = value; });
  return Resources(changed.resources());
}

void HookManager::masterSlaveLostHook(const SlaveInfo& slave)
{
  each("Master agent-lost", [&](Hook& hook) { return hook.masterSlaveLostHook(slave); });
}

Labels HookManager::slaveRunTaskLabelDecorator(
    const TaskInfo& task,
    const ExecutorInfo& executor,
    const FrameworkInfo& framework,
    const SlaveInfo& slave)
{
  TaskInfo changed = task;
  each(
      "Agent label decorator",
      [&](Hook& hook) {
        return hook.slaveRunTaskLabelDecorator(changed, executor, framework, slave);
      },
      [&](const Labels& labels) { *changed.mutable_labels() = labels; });
  return changed.labels();
}

Environment HookManager::slaveExecutorEnvironmentDecorator(ExecutorInfo executor)
{
  each(
      "Agent environment decorator",
      [&](Hook& hook) { return hook.slaveExecutorEnvironmentDecorator(executor); },
      [&](const Environment& value) {
        *executor.mutable_command()->mutable_environment() = value;
      });
  return executor.command().environment();
}

process::Future<PrepareInfo> HookManager::slavePreLaunchDockerTaskExecutorDecorator(
    const Option<TaskInfo>& task,
    const ExecutorInfo& executor,
    const std::string& container,
    const std::string& directory,
    const std::string& sandbox,
    const Option<std::map<std::string, std::string>>& environment)
{
  const auto gathering = std::make_shared<Gathering>();
  const process::Future<PrepareInfo> future = gathering->future;
  if (hooks.empty()) {
    future.complete(process::Future<PrepareInfo>::READY, PrepareInfo());
    return future;
  }
  gathering->left = hooks.size();
  gathering->answers.resize(hooks.size());
  for (std::size_t i = 0; i < hooks.size(); i++) {
    hooks[i]
        .second
        ->slavePreLaunchDockerTaskExecutorDecorator(
            task, executor, container, directory, sandbox, environment)
        .onAny([gathering, i](const process::Future<Option<PrepareInfo>>& one) {
          gathering->take(i, one);
        });
  }
  return future;
}

void HookManager::slavePostFetchHook(const ContainerID& container, const std::string& directory)
{
  each("Agent post fetch", [&](Hook& hook) {
    return hook.slavePostFetchHook(container, directory);
  });
}

void HookManager::slaveRemoveExecutorHook(
    const FrameworkInfo& framework, const ExecutorInfo& executor)
{
  each("Agent remove executor", [&](Hook& hook) {
    return hook.slaveRemoveExecutorHook(framework, executor);
  });
}

TaskStatus HookManager::slaveTaskStatusDecorator(const FrameworkID& framework, TaskStatus status)
{
  each(
      "Agent TaskStatus decorator",
      [&](Hook& hook) { return hook.slaveTaskStatusDecorator(framework, status); },
      [&](const TaskStatus& value) {
        if (value.has_labels()) {
          *status.mutable_labels() = value.labels();
        }
        if (value.has_container_status()) {
          *status.mutable_container_status() = value.container_status();
        }
      });
  return status;
}

Resources HookManager::slaveResourcesDecorator(const SlaveInfo& slave)
{
  SlaveInfo changed = slave;
  each(
      "Agent Resources decorator",
      [&](Hook& hook) { return hook.slaveResourcesDecorator(changed); },
      [&](const Resources& value) { *changed.mutable_resources() = value; });
  return Resources(changed.resources());
}

Attributes HookManager::slaveAttributesDecorator(const SlaveInfo& slave)
{
  SlaveInfo changed = slave;
  each(
      "Agent Attributes decorator",
      [&](Hook& hook) { return hook.slaveAttributesDecorator(changed); },
      [&](const Attributes& value) { *changed.mutable_attributes() = value; });
  return Attributes(changed.attributes());
}

}  // namespace internal
}  // namespace mesos
