// libprocess futures: the heap block that they share, and how a promise completes it.
//
// Rules kept here, which the host relies on (cpp/README.md says where they come from):
// * a future that is returned has `abandoned` unset, or the host's bookkeeping of pending futures
//   removes it twice;
// * result is written before state, because readers look at state without the lock;
// * callbacks run on the completing thread, after the lock is released, once each; then all six
//   lists are emptied so that a callback that holds its own future does not keep it for ever.
#ifndef MESOS_COMMAND_ABI_FUTURE_HPP
#define MESOS_COMMAND_ABI_FUTURE_HPP

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "any_future.hpp"
#include "glog.hpp"
#include "message.hpp"
#include "stout.hpp"

namespace mesos_command {
namespace abi MESOS_COMMAND_HIDDEN {
inline namespace MESOS_COMMAND_STRINGS {

// lambda::CallableOnce: owns a polymorphic object of the host (or of another module), which is
// destroyed through its own virtual destructor.
template <typename... Args>
struct Callable
{
  virtual ~Callable() = default;
  virtual void operator()(Args... args) = 0;
};

template <typename... Args>
using Callback = std::unique_ptr<Callable<Args...>>;

static_assert(sizeof(Callback<>) == 8, "one owning pointer");

enum class FutureState : int { PENDING = 0, READY = 1, FAILED = 2, DISCARDED = 3 };

template <typename T>
struct FutureData
{
  using Value = T;

  FutureData() { lock.clear(); }

  std::atomic_flag lock;
  std::atomic<FutureState> state{FutureState::PENDING};
  bool discard = false;
  bool associated = false;
  bool abandoned = false;
  Result<T> result;
  std::vector<Callback<>> on_abandoned;
  std::vector<Callback<>> on_discard;
  std::vector<Callback<const T&>> on_ready;
  std::vector<Callback<const std::string&>> on_failed;
  std::vector<Callback<>> on_discarded;
  std::vector<Callback<const Future&>> on_any;
};

// Holds the host's spin lock of one future.
class FutureLock
{
public:
  explicit FutureLock(std::atomic_flag& flag) : lock(flag)
  {
    while (lock.test_and_set(std::memory_order_acquire)) {
#if defined(__x86_64__) || defined(__i386__)
      __builtin_ia32_pause();
#endif
    }
  }
  FutureLock(const FutureLock&) = delete;
  FutureLock& operator=(const FutureLock&) = delete;
  ~FutureLock() { lock.clear(std::memory_order_release); }

private:
  std::atomic_flag& lock;
};

// The side that completes a future of type T: at most once, from any one thread. Dropped without
// completing, it leaves the future pending and *not* abandoned.
template <typename T>
class Promise
{
public:
  using Data = FutureData<T>;

  Promise() : data(std::make_shared<Data>()) {}
  Promise(Promise&&) noexcept = default;
  Promise& operator=(Promise&&) noexcept = default;
  Promise(const Promise&) = delete;
  Promise& operator=(const Promise&) = delete;

  Future future() const { return Future{data}; }

  // Makes the future ready with a value that `build` makes in the future's own storage, given a
  // Result<T>& that is None. Nobody else looks at a pending future's result, so parsing a large
  // message here makes no reader of the lock wait. If `build` throws the future is still pending.
  // Exceptions of the host's callbacks are not ours to understand: each is logged and dropped.
  template <typename Build>
  bool set(Build&& build)
  {
    if (data->state.load(std::memory_order_acquire) != FutureState::PENDING) {
      return false;
    }
    build(data->result);
    if (!transition(FutureState::READY)) {
      return false;
    }
    const std::shared_ptr<Data> copy = data;
    run(copy->on_ready, copy->result.get());
    finish(copy);
    return true;
  }

  bool fail(std::string message)
  {
    if (data->state.load(std::memory_order_acquire) != FutureState::PENDING) {
      return false;
    }
    data->result.fail(std::move(message));
    if (!transition(FutureState::FAILED)) {
      return false;
    }
    const std::shared_ptr<Data> copy = data;
    run(copy->on_failed, copy->result.error());
    finish(copy);
    return true;
  }

private:
  bool transition(FutureState state)
  {
    const FutureLock guard(data->lock);
    if (data->state.load(std::memory_order_relaxed) != FutureState::PENDING) {
      return false;
    }
    data->state.store(state, std::memory_order_release);
    return true;
  }

  template <typename... Args, typename... Given>
  static void run(std::vector<Callback<Args...>>& callbacks, const Given&... given)
  {
    // Nobody appends any more: the state is final.
    for (Callback<Args...>& callback : callbacks) {
      try {
        (*callback)(given...);
      } catch (...) {
        static const char text[] = "a callback of a future threw an exception; it is dropped";
        log_line(Severity::ERROR, __FILE__, __LINE__, text, sizeof(text) - 1);
      }
    }
  }

  static void finish(const std::shared_ptr<Data>& data)
  {
    run(data->on_any, Future{data});
    data->on_abandoned.clear();
    data->on_discard.clear();
    data->on_ready.clear();
    data->on_failed.clear();
    data->on_discarded.clear();
    data->on_any.clear();
  }

  std::shared_ptr<Data> data;
};

// The shared block of a future that is known to be of type T.
template <typename T>
FutureData<T>& data_of(const Future& future)
{
  return *static_cast<FutureData<T>*>(future.data.get());
}

// Offsets and sizes as the host compiles them. offsetof on these types is conditionally supported;
// GCC and Clang both do it, and warn unless told not to.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"
template <typename T, std::size_t DataSize, std::size_t ResultSize>
struct FutureLayout
{
  using Data = FutureData<T>;
  static_assert(offsetof(Data, lock) == 0, "lock");
  static_assert(offsetof(Data, state) == 4, "state");
  static_assert(offsetof(Data, discard) == 8, "discard");
  static_assert(offsetof(Data, associated) == 9, "associated");
  static_assert(offsetof(Data, abandoned) == 10, "abandoned");
  static_assert(offsetof(Data, result) == 16, "result");
  static_assert(offsetof(Data, on_abandoned) == 16 + ResultSize, "first list");
  static_assert(offsetof(Data, on_any) == 16 + ResultSize + 5 * 24, "last list");
  static_assert(sizeof(Result<T>) == ResultSize, "Result");
  static_assert(sizeof(Data) == DataSize, "Data");
};
#pragma GCC diagnostic pop

template struct FutureLayout<Nothing, 184 + STRING, 24 + STRING>;
template struct FutureLayout<ResourceStatistics<400>, 584 + STRING, 424 + STRING>;
template struct FutureLayout<ResourceStatistics<408>, 592 + STRING, 432 + STRING>;
template struct FutureLayout<ResourceStatistics<488>, 672 + STRING, 512 + STRING>;
template struct FutureLayout<Option<ContainerLaunchInfo<184>>, 376 + STRING, 216 + STRING>;
template struct FutureLayout<Option<ContainerLaunchInfo<224>>, 416 + STRING, 256 + STRING>;
template struct FutureLayout<Option<ContainerLaunchInfo<280>>, 472 + STRING, 312 + STRING>;
template struct FutureLayout<ContainerLimitation, 248 + STRING, 88 + STRING>;
template struct FutureLayout<ContainerStatus, 256 + STRING, 96 + STRING>;
template struct FutureLayout<Option<DockerTaskExecutorPrepareInfo>, 232 + STRING, 72 + STRING>;

}  // namespace MESOS_COMMAND_STRINGS
}  // namespace abi
}  // namespace mesos_command

#endif  // MESOS_COMMAND_ABI_FUTURE_HPP
