// Memory layouts of the C++ types that cross between this program and a loaded libmesos.
//
// Own declarations, made from measured sizes and offsets of Mesos 1.7.3 to 1.11.0: no Mesos header is
// needed, and one build of this program drives every release. They are compiled twice, for a libmesos
// with the std::string of C++11 and for one with the string before. Sizes of messages differ between releases and are asked for at run time, so nothing here
// is a template over a message.
#ifndef MESOS_HOST_LAYOUT_HPP
#define MESOS_HOST_LAYOUT_HPP

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace host {

using Text = std::string;
constexpr std::size_t TEXT = _GLIBCXX_USE_CXX11_ABI ? 32 : 8;
static_assert(sizeof(Text) == TEXT, "std::string");

// Option's state word: the numbers that Mesos uses.
enum : int { SOME = 0, NONE = 1 };

// Option<T> for a T that this program knows. Never destroyed by libmesos.
template <typename T>
struct Option
{
  int state;
  union
  {
    T value;
  };

  Option() : state(NONE) {}
  explicit Option(const T& t) : state(SOME), value(t) {}
  ~Option()
  {
    if (state == SOME) {
      value.~T();
    }
  }
  Option(const Option&) = delete;
  Option& operator=(const Option&) = delete;
};
static_assert(sizeof(Option<Text>) == 8 + TEXT, "Option<string>");
static_assert(sizeof(Option<std::map<Text, Text>>) == 56, "Option<map>");

// Room for a message of the size of mesos.Parameters, for an Option that stays NONE.
struct NoParameters
{
  alignas(8) char room[48];
};

// Try<Nothing>.
struct TryNothing
{
  int data_state;
  char nothing;
  Option<Text> error;
};
static_assert(sizeof(TryNothing) == 16 + TEXT, "Try<Nothing>");

// Try<T*>.
struct TryPointer
{
  int data_state;
  void* data;
  Option<Text> error;
};
static_assert(sizeof(TryPointer) == 24 + TEXT, "Try<T*>");

// Room for a value that a function of libmesos returns through the hidden pointer and whose size
// depends on the release. The destructor makes the type non-trivial, which is what selects that
// way of returning; it leaves the content alone, because only the caller knows what it is.
struct Returned
{
  alignas(16) char bytes[1024];

  // The content is written by the callee, so clearing it would only cost time.
  Returned() {}  // NOLINT
  ~Returned() {}
  Returned(const Returned&) = delete;
  Returned& operator=(const Returned&) = delete;
};

// process::Future<T>: a shared pointer to its state, whatever T is.
using FutureState = std::shared_ptr<char>;
static_assert(sizeof(FutureState) == 16, "Future<T>");

// A protobuf message: the first two slots of the vtable are all that is used of it.
struct Message
{
  virtual ~Message();
  virtual Text type_name() const;
  virtual Message* create() const;
};

// RepeatedPtrField<T>.
struct RepeatedMessages
{
  struct Rep
  {
    int allocated;
    void* elements[1];
  };
  void* arena;
  int size;
  int capacity;
  Rep* rep;
};
static_assert(sizeof(RepeatedMessages) == 24, "RepeatedPtrField");

// mesos::slave::Isolator as a caller sees it. `update` gets its third argument in every release:
// a callee that does not know it never looks at that register.
struct Isolator
{
  virtual ~Isolator() {}
  virtual bool supports_nesting() = 0;
  virtual bool supports_standalone() = 0;
  virtual FutureState recover(const void* states, const void* orphans) = 0;
  virtual FutureState prepare(const void* container_id, const void* container_config) = 0;
  virtual FutureState isolate(const void* container_id, int pid) = 0;
  virtual FutureState watch(const void* container_id) = 0;
  virtual FutureState update(
      const void* container_id, const void* resources, const void* limits) = 0;
  virtual FutureState usage(const void* container_id) = 0;
  virtual FutureState status(const void* container_id) = 0;
  virtual FutureState cleanup(const void* container_id) = 0;
};

}  // namespace host

#endif
