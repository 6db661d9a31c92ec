// A module library of somebody else's, of which a test loads two copies: one before the command
// modules and one behind them, by the order of their names in --hooks and --isolation.
//
// Compiled by neighbours.py for one release, with NEIGHBOUR as its name. What it is asked goes to
// $MESOS_HOST_RECORDS, a line each: NEIGHBOUR, its name, method, container, thread. Its isolator
// completes everything on threads of its own, a moment later, and its prepare holds the thread that
// calls it: both are what a module may do.
#include <sys/types.h>

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "module.hpp"

namespace {

using namespace mesos_command::abi;

const char* const NAME = NEIGHBOUR;
constexpr std::chrono::milliseconds COMPLETES_AFTER(20);
constexpr std::chrono::milliseconds HOLDS_CALLER(300);
constexpr std::size_t STATISTICS = 408;
constexpr std::size_t LAUNCH_INFO = 280;

// The value of a field of bytes in a message's encoding; empty when there is none.
std::string field(const std::string& bytes, unsigned wanted)
{
  std::size_t at = 0;
  const auto varint = [&]() {
    unsigned long value = 0;
    for (unsigned shift = 0; at < bytes.size(); shift += 7) {
      const unsigned char byte = static_cast<unsigned char>(bytes[at++]);
      value |= static_cast<unsigned long>(byte & 127) << shift;
      if (byte < 128) {
        break;
      }
    }
    return value;
  };
  while (at < bytes.size()) {
    const unsigned long tag = varint();
    switch (tag & 7) {
      case 0: varint(); break;
      case 1: at += 8; break;
      case 5: at += 4; break;
      default: {
        const std::size_t length = varint();
        if (tag >> 3 == wanted) {
          return bytes.substr(at, length);
        }
        at += length;
      }
    }
  }
  return std::string();
}

// A field of at most 127 bytes.
std::string encoded(unsigned number, const std::string& value)
{
  std::string bytes(1, static_cast<char>(number << 3 | 2));
  bytes.push_back(static_cast<char>(value.size()));
  return bytes + value;
}

void record(const char* method, const std::string& subject)
{
  const char* path = std::getenv("MESOS_HOST_RECORDS");
  if (path == nullptr) {
    return;
  }
  char thread[16] = "";
  pthread_getname_np(pthread_self(), thread, sizeof(thread));
  std::string line = std::string("NEIGHBOUR ") + NAME + ' ' + method + ' ';
  line += (subject.empty() ? "-" : subject) + ' ' + thread + '\n';
  const int file = ::open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (file >= 0) {
    // One short write, so that lines do not mix.
    const ssize_t written = ::write(file, line.data(), line.size());
    static_cast<void>(written);
    ::close(file);
  }
}

std::string id(const AnyMessage& container_id)
{
  return field(serialize(container_id), 1);
}

// A task's labels and one more.
Result<Labels> labelled(const AnyMessage& task_info)
{
  const std::string label = encoded(1, std::string("neighbour-") + NAME) + encoded(2, "1");
  const std::string labels = field(serialize(task_info), 10) + encoded(1, label);
  bool valid = false;
  return Result<Labels>(InPlace(), static_cast<const void*>(labels.data()), labels.size(), valid);
}

class NeighbourHook final : public Hook<SmallVectorResources>
{
public:
  Result<Labels> masterLaunchTaskLabelDecorator(
      const AnyMessage& task_info, const AnyMessage&, const AnyMessage&) override
  {
    record("masterLaunchTaskLabelDecorator", "");
    return labelled(task_info);
  }

  Result<SmallVectorResources> masterLaunchTaskResourceDecorator(
      const AnyMessage&, const AnyResources&) override
  {
    return Result<SmallVectorResources>();
  }

  Result<Labels> slaveRunTaskLabelDecorator(
      const AnyMessage& task_info, const AnyMessage&, const AnyMessage&, const AnyMessage&) override
  {
    record("slaveRunTaskLabelDecorator", "");
    return labelled(task_info);
  }

  Try<Nothing> masterSlaveLostHook(const AnyMessage&) override { return Try<Nothing>(InPlace()); }

  Result<Environment> slaveExecutorEnvironmentDecorator(const AnyMessage&) override
  {
    return Result<Environment>();
  }

  Future slavePreLaunchDockerTaskExecutorDecorator(
      const OptionalMessage&,
      const AnyMessage&,
      const std::string&,
      const std::string&,
      const std::string&,
      const Option<StringMap>&) override
  {
    Promise<Option<DockerTaskExecutorPrepareInfo>> promise;
    promise.set([](Result<Option<DockerTaskExecutorPrepareInfo>>& result) { result.emplace(); });
    return promise.future();
  }

  Try<Nothing> slavePostFetchHook(const AnyMessage&, const std::string&) override
  {
    return Try<Nothing>(InPlace());
  }

  Try<Nothing> slaveRemoveExecutorHook(const AnyMessage&, const AnyMessage&) override
  {
    record("slaveRemoveExecutorHook", "");
    return Try<Nothing>(InPlace());
  }

  Result<TaskStatus> slaveTaskStatusDecorator(const AnyMessage&, const AnyMessage&) override
  {
    return Result<TaskStatus>();
  }

  Result<SmallVectorResources> slaveResourcesDecorator(const AnyMessage&) override
  {
    return Result<SmallVectorResources>();
  }

  Result<Attributes> slaveAttributesDecorator(const AnyMessage&) override
  {
    return Result<Attributes>();
  }
};

class NeighbourIsolator final : public Isolator
{
public:
  ~NeighbourIsolator() override
  {
    for (std::thread& thread : threads) {
      thread.join();
    }
  }

  bool supportsNesting() override { return true; }
  bool supportsStandalone() override { return false; }

  Future recover(const ContainerStates&, const ContainerIdSet&) override
  {
    record("recover", "");
    return later<Nothing>();
  }

  Future prepare(const AnyMessage& container_id, const AnyMessage&) override
  {
    record("prepare", id(container_id));
    std::this_thread::sleep_for(HOLDS_CALLER);
    record("prepared", id(container_id));
    return later<Option<ContainerLaunchInfo<LAUNCH_INFO>>>();
  }

  Future isolate(const AnyMessage& container_id, pid_t) override
  {
    record("isolate", id(container_id));
    return later<Nothing>();
  }

  // For ever: it limits nobody.
  Future watch(const AnyMessage&) override { return Promise<ContainerLimitation>().future(); }

  Future update(const AnyMessage& container_id, const AnyResources&, const ScalarMap*) override
  {
    record("update", id(container_id));
    return later<Nothing>();
  }

  Future usage(const AnyMessage&) override { return later<ResourceStatistics<STATISTICS>>(); }

  Future status(const AnyMessage&) override { return later<ContainerStatus>(); }

  Future cleanup(const AnyMessage& container_id) override
  {
    record("cleanup", id(container_id));
    return later<Nothing>();
  }

private:
  // A future that a thread of this module makes ready with an empty value.
  template <typename T>
  Future later()
  {
    Promise<T> promise;
    const Future future = promise.future();
    const std::lock_guard<std::mutex> guard(lock);
    threads.emplace_back(
        [](Promise<T> made) {
          std::this_thread::sleep_for(COMPLETES_AFTER);
          made.set([](Result<T>& result) { result.emplace(); });
        },
        std::move(promise));
    return future;
  }

  std::mutex lock;
  std::vector<std::thread> threads;
};

bool always()
{
  return true;
}

void* make_hook(const AnyMessage&)
{
  return static_cast<HookBegin*>(new NeighbourHook());
}

void* make_isolator(const AnyMessage&)
{
  return static_cast<Isolator*>(new NeighbourIsolator());
}

constexpr const char* ABOUT = "somebody else's, for tests";

}  // namespace

#define NEIGHBOUR_MANIFEST(symbol, kind, make)                                    \
  extern "C" __attribute__((visibility("default")))                               \
  const Manifest symbol = {MODULE_API_VERSION, NEIGHBOUR_MESOS, kind,   "nobody", \
                           "nobody@localhost", ABOUT,           always, make};

NEIGHBOUR_MANIFEST(NEIGHBOUR_HOOK, "Hook", make_hook)
NEIGHBOUR_MANIFEST(NEIGHBOUR_ISOLATOR, "Isolator", make_isolator)
