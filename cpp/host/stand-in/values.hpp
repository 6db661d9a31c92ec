// Values and futures, under the names that Mesos has for them and with the layouts that were measured
// in real libraries.
#ifndef MESOS_STAND_IN_VALUES_HPP
#define MESOS_STAND_IN_VALUES_HPP

#include <atomic>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

struct Nothing
{
};

struct Error
{
  explicit Error(const std::string& text) : message(text) {}
  std::string message;
};

template <typename T>
class Option
{
public:
  Option() : state(NONE) {}
  Option(const T& given) : state(SOME), value(given) {}
  Option(const Option& that) : state(that.state)
  {
    if (isSome()) {
      new (&value) T(that.value);
    }
  }
  Option& operator=(const Option& that)
  {
    if (this != &that) {
      this->~Option();
      new (this) Option(that);
    }
    return *this;
  }
  ~Option()
  {
    if (isSome()) {
      value.~T();
    }
  }

  bool isSome() const { return state == SOME; }
  const T& get() const { return value; }

private:
  enum State { SOME = 0, NONE = 1 };

  State state;
  union
  {
    T value;
  };
};

template <typename T, typename E = Error>
class Try
{
public:
  Try(const T& value) : data(value) {}
  Try(const E& error) : failure(error) {}

  bool isError() const { return !data.isSome(); }
  const T& get() const { return data.get(); }
  const std::string& error() const { return failure.get().message; }

private:
  Option<T> data;
  Option<E> failure;
};

template <typename T>
class Result
{
public:
  Result() : data(Option<T>()) {}
  Result(const T& value) : data(Option<T>(value)) {}
  Result(const Error& error) : data(error) {}

  bool isError() const { return data.isError(); }
  bool isSome() const { return !isError() && data.get().isSome(); }
  const T& get() const { return data.get().get(); }
  const std::string& error() const { return data.error(); }

private:
  Try<Option<T>> data;
};

namespace process {

// One callback of a future.
template <typename... Args>
struct Callable
{
  virtual ~Callable() = default;
  virtual void operator()(Args... args) = 0;
};

template <typename T>
class Future
{
public:
  enum State : int { PENDING, READY, FAILED, DISCARDED };

  struct Data
  {
    std::atomic_flag lock = ATOMIC_FLAG_INIT;
    std::atomic<State> state{PENDING};
    bool discard = false;
    bool associated = false;
    bool abandoned = false;
    Result<T> result;
    std::vector<std::unique_ptr<Callable<>>> onAbandoned;
    std::vector<std::unique_ptr<Callable<>>> onDiscard;
    std::vector<std::unique_ptr<Callable<const T&>>> onReady;
    std::vector<std::unique_ptr<Callable<const std::string&>>> onFailed;
    std::vector<std::unique_ptr<Callable<>>> onDiscarded;
    std::vector<std::unique_ptr<Callable<const Future&>>> onAny;
  };

  Future() : data(std::make_shared<Data>()) {}
  Future(const T& value) : Future() { complete(READY, value); }

  State state() const { return data->state; }
  const Result<T>& result() const { return data->result; }

  // Once only.
  void complete(State state, const Result<T>& result) const
  {
    data->result.~Result<T>();
    new (&data->result) Result<T>(result);
    std::vector<std::unique_ptr<Callable<const Future&>>> callbacks;
    locked([&] {
      data->state = state;
      callbacks.swap(data->onAny);
    });
    for (auto& callback : callbacks) {
      (*callback)(*this);
    }
  }

  // Calls now or later, on the thread that completes it.
  void onAny(std::function<void(const Future&)> function) const
  {
    struct Call : Callable<const Future&>
    {
      explicit Call(std::function<void(const Future&)> f) : function(std::move(f)) {}
      void operator()(const Future& future) override { function(future); }
      std::function<void(const Future&)> function;
    };
    bool pending = false;
    locked([&] {
      pending = data->state == PENDING;
      if (pending) {
        data->onAny.emplace_back(new Call(function));
      }
    });
    if (!pending) {
      function(*this);
    }
  }

private:
  template <typename Do>
  void locked(Do work) const
  {
    while (data->lock.test_and_set()) {}
    work();
    data->lock.clear();
  }

  std::shared_ptr<Data> data;
};

}  // namespace process

#endif  // MESOS_STAND_IN_VALUES_HPP
