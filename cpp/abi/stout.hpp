// Layouts of stout's value types: Nothing, Error, Option, Try, Result.
//
// Only what a module needs: built in place, read, destroyed. They are never assigned, and moved
// only where their contents can be.
#ifndef MESOS_COMMAND_ABI_STOUT_HPP
#define MESOS_COMMAND_ABI_STOUT_HPP

#include <cstddef>
#include <new>
#include <string>
#include <utility>

#include "strings.hpp"
#include "visibility.hpp"

namespace mesos_command {
namespace abi MESOS_COMMAND_HIDDEN {
inline namespace MESOS_COMMAND_STRINGS {

struct Nothing
{
};

struct Error
{
  explicit Error(std::string text) : message(std::move(text)) {}
  std::string message;
};

// Chooses the constructor that builds the innermost value from the arguments that follow.
struct InPlace
{
};

template <typename T>
class Option
{
public:
  using Value = T;

  Option() noexcept : state(State::NONE) {}

  template <typename... Args>
  Option(InPlace, Args&&... args) : state(State::NONE)
  {
    emplace(std::forward<Args>(args)...);
  }

  Option(Option&& that) : state(State::NONE)
  {
    if (that.is_some()) {
      emplace(std::move(that.value));
    }
  }

  Option(const Option&) = delete;
  Option& operator=(const Option&) = delete;

  ~Option()
  {
    if (is_some()) {
      value.~T();
    }
  }

  // Builds the value. Only while there is none.
  template <typename... Args>
  T& emplace(Args&&... args)
  {
    T* built = ::new (static_cast<void*>(&value)) T(std::forward<Args>(args)...);
    state = State::SOME;
    return *built;
  }

  void reset()
  {
    if (is_some()) {
      state = State::NONE;
      value.~T();
    }
  }

  bool is_some() const { return state == State::SOME; }

  // Only while is_some().
  T& get() { return value; }
  const T& get() const { return value; }

private:
  enum class State : int { SOME = 0, NONE = 1 };

  State state;
  union
  {
    T value;
  };
};

template <typename T>
class Try
{
public:
  template <typename... Args>
  Try(InPlace, Args&&... args) : data(InPlace(), std::forward<Args>(args)...)
  {
  }

  Try(Error&& error_) : failure(InPlace(), std::move(error_)) {}

  bool is_error() const { return !data.is_some(); }
  T& get() { return data.get(); }
  const T& get() const { return data.get(); }
  const std::string& error() const { return failure.get().message; }

private:
  template <typename>
  friend class Result;

  Option<T> data;
  Option<Error> failure;
};

// None, a value or an error: a Try of an Option.
template <typename T>
class Result
{
public:
  // None.
  Result() : data(InPlace()) {}

  // A value, built in place from the arguments.
  template <typename... Args>
  Result(InPlace, Args&&... args) : data(InPlace(), InPlace(), std::forward<Args>(args)...)
  {
  }

  Result(Error&& error_) : data(std::move(error_)) {}

  bool is_error() const { return data.is_error(); }
  bool is_some() const { return !data.is_error() && data.get().is_some(); }
  bool is_none() const { return !data.is_error() && !data.get().is_some(); }
  T& get() { return data.get().get(); }
  const T& get() const { return data.get().get(); }
  const std::string& error() const { return data.error(); }

  // Turns None into a value that is built from the arguments.
  template <typename... Args>
  T& emplace(Args&&... args)
  {
    return data.get().emplace(std::forward<Args>(args)...);
  }

  // Turns a value back into None.
  void clear() { data.get().reset(); }

  // Turns None or a value into an error.
  void fail(std::string&& message)
  {
    data.failure.emplace(std::move(message));
    data.data.~Option<Option<T>>();
    ::new (static_cast<void*>(&data.data)) Option<Option<T>>();
  }

private:
  Try<Option<T>> data;
};

static_assert(sizeof(Error) == STRING, "Error is one string");
static_assert(sizeof(Option<std::string>) == 8 + STRING, "state, padding, value");
static_assert(sizeof(Option<Error>) == 8 + STRING, "state, padding, value");
static_assert(sizeof(Option<int>) == 8, "state, value");
static_assert(sizeof(Try<Nothing>) == 16 + STRING, "Option<Nothing> 8, Option<Error>");
static_assert(sizeof(Result<Nothing>) == 24 + STRING, "two states, value, padding, Option<Error>");

}  // namespace MESOS_COMMAND_STRINGS
}  // namespace abi
}  // namespace mesos_command

#endif  // MESOS_COMMAND_ABI_STOUT_HPP
