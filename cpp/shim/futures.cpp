#include "futures.hpp"

#include <new>
#include <string>
#include <utility>

#include "log.hpp"
#include "mesos-command-modules/src/bridge.rs.h"

namespace mesos_command {
namespace shim {
inline namespace MESOS_COMMAND_STRINGS {

namespace {

using Bytes = rust::Slice<const std::uint8_t>;

const char* const DROPPED = "the command module dropped this call without an answer";
const char* const UNREADABLE = "the command module's answer cannot be read by this Mesos";

std::string text_of(Bytes bytes)
{
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

// Builds a value from the wire bytes of its message. False if they are no valid encoding.
inline bool build(abi::Result<abi::Nothing>& result, Bytes)
{
  result.emplace();
  return true;
}

template <typename Type, std::size_t Size>
bool build(abi::Result<abi::Message<Type, Size>>& result, Bytes bytes)
{
  bool valid = false;
  result.emplace(static_cast<const void*>(bytes.data()), bytes.size(), valid);
  return valid;
}

template <typename Type, std::size_t Size>
bool build(abi::Result<abi::Option<abi::Message<Type, Size>>>& result, Bytes bytes)
{
  bool valid = false;
  result.emplace(abi::InPlace(), static_cast<const void*>(bytes.data()), bytes.size(), valid);
  return valid;
}

// Thrown to leave a promise pending after its value could not be built.
struct Unreadable
{
};

template <typename T>
class PromiseCompletion final : public Completion
{
public:
  PromiseCompletion(Fallback fallback_, const char* what_) : fallback(fallback_), what(what_) {}

  ~PromiseCompletion() override
  {
    if (!answered) {
      if (fallback != Fallback::Pending) {
        log_error(__FILE__, __LINE__, what, DROPPED);
      }
      fall_back(DROPPED);
    }
  }

  abi::Future future() const { return promise.future(); }

  void complete(AnswerKind kind, Bytes bytes) noexcept override
  {
    if (answered) {
      return;
    }
    answered = true;
    try {
      if (kind == AnswerKind::Message) {
        set(bytes);
      } else if (fallback == Fallback::Pending) {
        // A watch that ends without a limitation would destroy its container.
        log_error(__FILE__, __LINE__, what, "an answer without a message is kept back");
      } else if (kind == AnswerKind::Nothing) {
        promise.set([](abi::Result<T>& result) { result.emplace(); });
      } else {
        promise.fail(text_of(bytes));
      }
    } catch (const Unreadable&) {
      log_error(__FILE__, __LINE__, what, UNREADABLE);
      fall_back(UNREADABLE);
    } catch (...) {
      log_exception(__FILE__, __LINE__, what);
      fall_back();
    }
  }

  // Resolves the future by the fallback, unless it is resolved.
  void fall_back(const char* reason) noexcept
  {
    answered = true;
    try {
      resolve(reason);
    } catch (...) {
      log_exception(__FILE__, __LINE__, what);
      fall_back();
    }
  }

private:
  // The same with a reason that takes no memory.
  void fall_back() noexcept
  {
    try {
      resolve(internal_error());
    } catch (...) {
      log_exception(__FILE__, __LINE__, what);
    }
  }

  template <typename Reason>
  void resolve(const Reason& reason)
  {
    if (fallback == Fallback::Fail) {
      promise.fail(reason);
    } else if (fallback == Fallback::Ready) {
      promise.set([](abi::Result<T>& result) { result.emplace(); });
    }
  }

  void set(Bytes bytes)
  {
    promise.set([&](abi::Result<T>& result) {
      bool valid = false;
      try {
        valid = build(result, bytes);
      } catch (...) {
        result.clear();
        throw;
      }
      if (!valid) {
        result.clear();
        throw Unreadable();
      }
    });
  }

  abi::Promise<T> promise;
  const Fallback fallback;
  const char* const what;
  bool answered = false;
};

}  // namespace

template <typename T>
Pending make_pending(Fallback fallback, const char* what)
{
  std::unique_ptr<PromiseCompletion<T>> completion(new PromiseCompletion<T>(fallback, what));
  Pending pending;
  pending.future = completion->future();
  pending.completion = std::move(completion);
  return pending;
}

template <typename T>
abi::Future make_fallback(Fallback fallback)
{
  // While there is memory.
  internal_error();
  PromiseCompletion<T> completion(fallback, "");
  completion.fall_back("internal error of the command module; its log line says more");
  return completion.future();
}

template <typename T>
bool make_ready(Bytes bytes, abi::Future& future)
{
  abi::Promise<T> promise;
  bool valid = false;
  promise.set([&](abi::Result<T>& result) { valid = build(result, bytes); });
  future = promise.future();
  return valid;
}

const std::string& internal_error()
{
  // Never destroyed: threads of ours may outlive the destructors of an exit.
  static const std::string* const text = new std::string("internal error");
  return *text;
}

#define MESOS_COMMAND_FUTURE_OF(...)                                 \
  template Pending make_pending<__VA_ARGS__>(Fallback, const char*); \
  template bool make_ready<__VA_ARGS__>(Bytes, abi::Future&);        \
  template abi::Future make_fallback<__VA_ARGS__>(Fallback);

MESOS_COMMAND_FUTURE_OF(abi::Nothing)
MESOS_COMMAND_FUTURE_OF(abi::ResourceStatistics<400>)
MESOS_COMMAND_FUTURE_OF(abi::ResourceStatistics<408>)
MESOS_COMMAND_FUTURE_OF(abi::ResourceStatistics<488>)
MESOS_COMMAND_FUTURE_OF(abi::Option<abi::ContainerLaunchInfo<184>>)
MESOS_COMMAND_FUTURE_OF(abi::Option<abi::ContainerLaunchInfo<224>>)
MESOS_COMMAND_FUTURE_OF(abi::Option<abi::ContainerLaunchInfo<280>>)
MESOS_COMMAND_FUTURE_OF(abi::ContainerLimitation)
MESOS_COMMAND_FUTURE_OF(abi::ContainerStatus)
MESOS_COMMAND_FUTURE_OF(abi::Option<abi::DockerTaskExecutorPrepareInfo>)

}  // namespace MESOS_COMMAND_STRINGS
}  // namespace shim
}  // namespace mesos_command
