#include "futures.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <time.h>
#include <utility>
#include <vector>

#include "messages.hpp"
#include "symbols.hpp"

namespace host {
namespace {

// Offsets in the shared state of process::Future<T>.
enum : size_t { LOCK = 0, STATE = 4, DISCARD = 8, ABANDONED = 10, RESULT = 16 };
// The order of the callback vectors behind the result.
enum : size_t { ON_DISCARD = 1, ON_ANY = 5 };

// lambda::CallableOnce<R(Args...)> is one owning pointer to such an object. onAny callbacks get
// the future, onDiscard callbacks get nothing; an argument too many in a register is harmless.
struct Callable
{
  virtual ~Callable() {}
  virtual void operator()(const void* argument) = 0;
};

using Callables = std::vector<std::unique_ptr<Callable>>;
static_assert(sizeof(Callables) == 24, "std::vector");

class Locked
{
public:
  explicit Locked(char* data) : data_(data)
  {
    while (__atomic_test_and_set(data_ + LOCK, __ATOMIC_ACQUIRE)) {}
  }
  ~Locked() { __atomic_clear(data_ + LOCK, __ATOMIC_RELEASE); }

private:
  char* data_;
};

int state_of(const char* data)
{
  return __atomic_load_n(reinterpret_cast<const int*>(data + STATE), __ATOMIC_ACQUIRE);
}

uint64_t now_ns()
{
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

// Size of Result<T>: two Option states and the value, then an Option<Error>.
size_t result_size(const ValueShape& shape)
{
  return 16 + shape.size + sizeof(Option<Text>);
}

Callables* callbacks(char* data, const ValueShape& shape, size_t which)
{
  return reinterpret_cast<Callables*>(data + RESULT + result_size(shape)) + which;
}

// Shared by the handle and by the callback, whichever lives longer.
struct Completion
{
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  uint64_t time_ns = 0;

  void finish()
  {
    std::lock_guard<std::mutex> guard(mutex);
    time_ns = now_ns();
    done = true;
    changed.notify_all();
  }
};

struct Finish final : Callable
{
  explicit Finish(std::shared_ptr<Completion> c) : completion(std::move(c)) {}
  void operator()(const void*) override { completion->finish(); }
  std::shared_ptr<Completion> completion;
};

}  // namespace
}  // namespace host

using namespace host;

struct HostFuture
{
  FutureState state;
  ValueShape shape;
  std::shared_ptr<Completion> completion;
};

namespace host {

HostFuture* take_future(FutureState state, ValueShape shape)
{
  HostFuture* future = new HostFuture{std::move(state), shape, std::make_shared<Completion>()};
  char* data = future->state.get();
  {
    Locked lock(data);
    if (state_of(data) == HOST_PENDING) {
      callbacks(data, shape, ON_ANY)->emplace_back(new Finish(future->completion));
      return future;
    }
  }
  future->completion->finish();
  return future;
}

int state_now(const FutureState& state)
{
  return state_of(state.get());
}

ValueShape shape_of(int event)
{
  switch (event) {
    case HOST_PREPARE: return {8 + host_message_size("mesos.slave.ContainerLaunchInfo"), true};
    case HOST_WATCH: return {host_message_size("mesos.slave.ContainerLimitation"), false};
    case HOST_USAGE: return {host_message_size("mesos.ResourceStatistics"), false};
    case HOST_STATUS: return {host_message_size("mesos.ContainerStatus"), false};
    case HOST_SLAVE_PRE_LAUNCH_DOCKER_TASK_EXECUTOR_DECORATOR:
      return {host_message_size("mesos.DockerTaskExecutorPrepareInfo"), false};
    default: return {0, false};
  }
}

FutureState ready_statistics(const void* statistics)
{
  // Every release exports this instance of the template; it is what `return value;` runs.
  using Construct = void (*)(void* future, const void* value);
  static const Construct construct = reinterpret_cast<Construct>(
      find_symbol("_ZN7process6FutureIN5mesos18ResourceStatisticsEEC1ERKS2_"));
  if (construct == nullptr) {
    std::fprintf(stderr, "mesos-host: libmesos has no Future<ResourceStatistics>(value)\n");
    std::abort();
  }
  // A future is a shared pointer: what was constructed in this place is moved out of it whole.
  alignas(FutureState) char place[sizeof(FutureState)];
  construct(place, statistics);
  FutureState* made = reinterpret_cast<FutureState*>(place);
  FutureState result = std::move(*made);
  made->~FutureState();
  return result;
}

}  // namespace host

int host_future_wait(HostFuture* future, uint64_t timeout_ns)
{
  Completion& completion = *future->completion;
  std::unique_lock<std::mutex> guard(completion.mutex);
  completion.changed.wait_for(
      guard, std::chrono::nanoseconds(timeout_ns), [&] { return completion.done; });
  return completion.done ? state_now(future->state) : static_cast<int>(HOST_PENDING);
}

uint64_t host_future_completed_ns(const HostFuture* future)
{
  std::lock_guard<std::mutex> guard(future->completion->mutex);
  return future->completion->time_ns;
}

int host_future_abandoned(const HostFuture* future)
{
  return future->state.get()[ABANDONED];
}

void host_future_discard(HostFuture* future)
{
  char* data = future->state.get();
  Callables pending;
  {
    Locked lock(data);
    if (data[DISCARD] != 0 || state_of(data) != HOST_PENDING) {
      return;
    }
    data[DISCARD] = 1;
    pending.swap(*callbacks(data, future->shape, ON_DISCARD));
  }
  for (std::unique_ptr<Callable>& callback : pending) {
    (*callback)(nullptr);
  }
}

void host_future_value(const HostFuture* future, HostEmit value, void* context)
{
  const char* data = future->state.get();
  const char* result = data + RESULT;
  if (state_of(data) == HOST_FAILED) {
    const Text& text = *reinterpret_cast<const Text*>(result + 16 + future->shape.size + 8);
    value(context, reinterpret_cast<const uint8_t*>(text.data()), text.size());
  } else if (state_of(data) == HOST_READY && future->shape.size != 0) {
    const char* message = result + 16;
    if (future->shape.optional) {
      int state;
      std::memcpy(&state, message, sizeof(state));
      if (state != SOME) {
        return;
      }
      message += 8;
    }
    emit_message(message, value, context);
  }
}

void host_future_free(HostFuture* future)
{
  delete future;
}
