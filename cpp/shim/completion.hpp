// The handle with which the engine resolves one future of the host.
#ifndef MESOS_COMMAND_SHIM_COMPLETION_HPP
#define MESOS_COMMAND_SHIM_COMPLETION_HPP

#include <cstdint>
#include <memory>

#include "../abi/any_future.hpp"
#include "rust/cxx.h"

namespace mesos_command {
namespace shim {

enum class AnswerKind : std::uint8_t;
enum class Fallback : std::uint8_t;

// Owned by whoever will answer; any thread, one at a time. Destroyed without an answer it resolves
// the future by the event's fallback, so that no future of ours is ever forgotten.
class Completion
{
public:
  Completion() = default;
  Completion(const Completion&) = delete;
  Completion& operator=(const Completion&) = delete;
  virtual ~Completion() = default;

  // Answers; the second and later calls do nothing. Continuations of the host and methods of
  // other modules may run before it returns, so the caller must hold no lock.
  virtual void complete(AnswerKind kind, rust::Slice<const std::uint8_t> bytes) noexcept = 0;
};

// A future for the host and the handle that resolves it.
struct Pending
{
  abi::Future future;
  std::unique_ptr<Completion> completion;
};

// Takes an answer that is known at once, and makes a ready future of it.
class Sink
{
public:
  using Make = bool (*)(rust::Slice<const std::uint8_t>, abi::Future&);

  explicit Sink(Make make_) : make(make_) {}

  // Called at most once. An answer that this Mesos cannot read is not taken.
  void take(rust::Slice<const std::uint8_t> bytes) noexcept;

  bool taken() const { return taken_; }
  abi::Future& future() { return future_; }

private:
  Make make;
  bool taken_ = false;
  abi::Future future_;
};

}  // namespace shim
}  // namespace mesos_command

#endif  // MESOS_COMMAND_SHIM_COMPLETION_HPP
