// Calls the module in a stand-in as Mesos does, with the types of the stand-in, and takes away the
// memory of C++ where only a failure is left to be told.
//
//   driver LIBRARY COMMAND DIRECTORY
//
// LIBRARY is the module; COMMAND answers each event (stand_ins.py says how); DIRECTORY is the run's.
// Prints a line for each check; exit status 0 when all are right.
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <new>
#include <string>
#include <thread>
#include <unistd.h>

#include "standin.hpp"

namespace {

// Whether operator new fails: on this thread, on every thread.
thread_local bool out_of_memory_here = false;
std::atomic<bool> out_of_memory{false};
// How often it did.
std::atomic<int> refused{0};

void* allocate(std::size_t size)
{
  if (!out_of_memory_here && !out_of_memory) {
    if (void* memory = std::malloc(size)) {
      return memory;
    }
  }
  refused++;
  throw std::bad_alloc();
}

}  // namespace

// For the whole process: the module's C++ included, Rust excluded.
void* operator new(std::size_t size)
{
  return allocate(size);
}
void* operator new[](std::size_t size)
{
  return allocate(size);
}
void operator delete(void* memory) noexcept
{
  std::free(memory);
}
void operator delete[](void* memory) noexcept
{
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept
{
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept
{
  std::free(memory);
}

namespace {

using mesos::ContainerID;
using process::Future;

int failures = 0;

void check(bool right, const char* what)
{
  std::printf("%s: %s\n", right ? "ok" : "FAILED", what);
  std::fflush(stdout);
  failures += right ? 0 : 1;
}

template <typename T>
void wait(const Future<T>& future)
{
  for (int tenths = 0; tenths < 600 && future.state() == Future<T>::PENDING; tenths++) {
    usleep(100000);
  }
}

template <typename T>
bool ready(const Future<T>& future)
{
  wait(future);
  return future.state() == Future<T>::READY;
}

template <typename T>
bool failed(const Future<T>& future, const std::string& text)
{
  wait(future);
  const bool right = future.state() == Future<T>::FAILED &&
                     future.result().error().find(text) != std::string::npos;
  if (!right) {
    std::printf(
        "state %d, %s\n", future.state(),
        future.result().isError() ? future.result().error().c_str() : "no error");
  }
  return right;
}

// Calls without memory for C++; whether nothing was thrown, and memory was asked for.
template <typename Call>
bool survives(Call call)
{
  const int before = refused;
  bool thrown = false;
  out_of_memory_here = true;
  try {
    call();
  } catch (...) {
    thrown = true;
  }
  out_of_memory_here = false;
  return !thrown && refused > before;
}

ContainerID container(const std::string& name)
{
  ContainerID id;
  id.set_value(name);
  return id;
}

class Driver
{
public:
  Driver(const char* library_, const char* command_, const char* directory_)
      : library(library_), command(command_), directory(directory_)
  {
    config.set_directory("/sandbox");
    config.mutable_command_info()->set_value("x");
    executor.mutable_executor_id()->set_value("e");
    framework.set_name("f");
    slave.set_hostname("h");
    task.set_name("t");
  }

  bool load()
  {
    mesos::Modules modules;
    mesos::Modules::Library* file = modules.add_libraries();
    file->set_file(library);
    add(*file, "com_criteo_mesos_CommandHook", "hook_slave_run_task_label_decorator");
    add(*file, "com_criteo_mesos_CommandHook2", "hook_slave_run_task_label_decorator");
    mesos::Modules::Library::Module* module =
        add(*file, "com_criteo_mesos_CommandIsolator", "isolator_prepare");
    for (const char* event : {"isolator_update", "isolator_usage"}) {
      parameter(*module, std::string(event) + "_command", command);
    }
    parameter(*module, "state_dir", directory + "/contexts");
    const Try<Nothing> loaded = mesos::modules::ModuleManager::loadManifest(modules);
    if (loaded.isError()) {
      std::printf("%s\n", loaded.error().c_str());
      return false;
    }
    const auto made = mesos::modules::ModuleManager::create<mesos::slave::Isolator>(
        "com_criteo_mesos_CommandIsolator", Option<mesos::Parameters>());
    const auto hooks = mesos::internal::HookManager::initialize(
        "com_criteo_mesos_CommandHook,com_criteo_mesos_CommandHook2");
    const auto one = mesos::modules::ModuleManager::create<mesos::Hook>(
        "com_criteo_mesos_CommandHook", Option<mesos::Parameters>());
    if (made.isError() || hooks.isError() || one.isError()) {
      return false;
    }
    isolator = made.get();
    hook = one.get();
    return true;
  }

  void isolate()
  {
    const ContainerID good = container("good");
    const auto prepared = isolator->prepare(good, config);
    check(ready(prepared) && prepared.result().get().isSome(), "prepare");
    const auto& variable = prepared.result().get().get().environment().variables(0);
    check(variable.name() == "BY" && variable.value() == "isolator_prepare", "its answer");
    check(failed(isolator->prepare(good, config), "already initialized"), "prepare twice");
    check(
        failed(isolator->prepare(container("bad"), config), "because of isolator_prepare"),
        "a prepare that fails");

    mesos::ResourceList list;
    mesos::Resource& cpus = *list.Add();
    cpus.set_name("cpus");
    cpus.set_type(mesos::Value::SCALAR);
    cpus.mutable_scalar()->set_value(2);
    const mesos::Resources resources(list);
    google::protobuf::Map<std::string, mesos::Value::Scalar> limits;
    limits["cpus"].set_value(1.5);
    limits["mem"].set_value(64);
    check(ready(isolator->update(good, resources, limits)), "update");

    const auto used = isolator->usage(good);
    check(ready(used) && used.result().get().mem_rss_bytes() == 7, "usage");
    check(ready(isolator->usage(good)), "usage out of the cache");
  }

  void decorate()
  {
    const auto labels =
        mesos::internal::HookManager::slaveRunTaskLabelDecorator(task, executor, framework, slave);
    check(labels.labels_size() == 1 && labels.labels(0).key() == "by", "two label hooks");
    const auto error = label("bad");
    check(
        error.isError() &&
            error.error().find("because of hook_slave_run_task_label") != std::string::npos,
        "a hook that fails");
  }

  // Failures that are told without memory.
  void starve()
  {
    const mesos::TaskInfo good = named("good");
    Option<Result<mesos::Labels>> told;
    check(
        survives([&] {
          new (&told) Option<Result<mesos::Labels>>(
              hook->slaveRunTaskLabelDecorator(good, executor, framework, slave));
        }),
        "a hook without memory");
    check(
        told.isSome() && told.get().isError() && told.get().error() == "internal error",
        "its error");

    const ContainerID id = container("good");
    Future<Option<mesos::slave::ContainerLaunchInfo>> prepared;
    // The stand-in's own memory is not what is tried.
    check(survives([&] { prepared = isolator->prepare(id, config); }), "prepare without memory");
    check(failed(prepared, "internal error"), "its failure");
    Future<mesos::ResourceStatistics> used;
    check(survives([&] { used = isolator->usage(id); }), "usage without memory");
    check(ready(used), "its answer");

    // A failure that comes from a thread of the module's, when there is none for its text.
    const auto late = isolator->prepare(container("late-bad"), config);
    const std::string gate = directory + "/gate";
    const int before = refused;
    out_of_memory = true;
    close(open(gate.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    wait(late);
    out_of_memory = false;
    check(refused > before && failed(late, "internal error"), "a failure without memory");
  }

private:
  mesos::Modules::Library::Module* add(
      mesos::Modules::Library& file, const std::string& name, const std::string& event)
  {
    mesos::Modules::Library::Module* module = file.add_modules();
    module->set_name(name);
    parameter(*module, "module_name", name.substr(name.size() - 8));
    parameter(*module, "temp_dir", directory);
    parameter(*module, event + "_command", command);
    parameter(*module, event + "_failure", "fail");
    return module;
  }

  static void parameter(
      mesos::Modules::Library::Module& module, const std::string& key, const std::string& value)
  {
    mesos::Parameter* added = module.add_parameters();
    added->set_key(key);
    added->set_value(value);
  }

  mesos::TaskInfo named(const std::string& name) const
  {
    mesos::TaskInfo named = task;
    named.set_name(name);
    return named;
  }

  Result<mesos::Labels> label(const std::string& name)
  {
    return hook->slaveRunTaskLabelDecorator(named(name), executor, framework, slave);
  }

  const std::string library, command, directory;
  mesos::slave::ContainerConfig config;
  mesos::ExecutorInfo executor;
  mesos::FrameworkInfo framework;
  mesos::SlaveInfo slave;
  mesos::TaskInfo task;
  mesos::slave::Isolator* isolator = nullptr;
  mesos::Hook* hook = nullptr;
};

}  // namespace

int main(int count, char* words[])
{
  if (count != 4) {
    std::fprintf(stderr, "usage: driver LIBRARY COMMAND DIRECTORY\n");
    return 2;
  }
  const Option<std::string> none;
  process::initialize(none, none, none);
  Driver driver(words[1], words[2], words[3]);
  if (!driver.load()) {
    std::printf("the module was not loaded\n");
    return 1;
  }
  driver.isolate();
  driver.decorate();
  driver.starve();
  std::printf("%d failed\n", failures);
  std::fflush(stdout);
  // As nothing is taken down, neither is the module.
  _exit(failures == 0 ? 0 : 1);
}
