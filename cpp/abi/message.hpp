// Protobuf messages of the host, without protobuf's headers.
//
// A message is opaque memory whose size is known and whose constructor, copy constructor and
// destructor are the host's own, reached through their strong exported symbols (`nm` type T; see
// cpp/README.md for why weak ones are never used). Contents go in and out as wire bytes.
#ifndef MESOS_COMMAND_ABI_MESSAGE_HPP
#define MESOS_COMMAND_ABI_MESSAGE_HPP

#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <utility>

#include "strings.hpp"
#include "visibility.hpp"

namespace mesos_command {
namespace abi MESOS_COMMAND_HIDDEN {
inline namespace MESOS_COMMAND_STRINGS {

// Any message, behind a reference or pointer. Only the host knows what is inside.
class AnyMessage;

}  // namespace MESOS_COMMAND_STRINGS
}  // namespace abi
}  // namespace mesos_command

extern "C" {

// google::protobuf::MessageLite and Message.
bool mesos_command_host_parse_partial(
    mesos_command::abi::AnyMessage* self, const void* data, int size)
    MESOS_COMMAND_HOST_SYMBOL("_ZN6google8protobuf11MessageLite21ParsePartialFromArrayEPKvi");
bool mesos_command_host_serialize_partial(
    const mesos_command::abi::AnyMessage* self, void* data, int size)
    MESOS_COMMAND_HOST_SYMBOL("_ZNK6google8protobuf11MessageLite23SerializePartialToArrayEPvi");
bool mesos_command_host_append_partial(
    const mesos_command::abi::AnyMessage* self, std::string* output)
    MESOS_COMMAND_HOST_SYMBOL_OF_STRINGS(
        "_ZNK6google8protobuf11MessageLite21AppendPartialToStringEP" MESOS_COMMAND_STRING_MANGLED);
std::size_t mesos_command_host_space_used(const mesos_command::abi::AnyMessage* self)
    MESOS_COMMAND_HOST_SYMBOL("_ZNK6google8protobuf7Message13SpaceUsedLongEv");

}  // extern "C"

// Declares the functions of one message class. `scope` is the mangled class without _ZN and E,
// `self` the mangled substitution that names the class within its own members, `arena` the
// mangled google::protobuf::Arena there.
#define MESOS_COMMAND_MESSAGE(Tag, full_name, scope, self, arena)                                 \
  extern "C" {                                                                                    \
  void mesos_command_host_##Tag##_construct(void*) MESOS_COMMAND_HOST_SYMBOL("_ZN" scope "C1Ev"); \
  void mesos_command_host_##Tag##_copy(void*, const void*)                                        \
      MESOS_COMMAND_HOST_SYMBOL("_ZN" scope "C1ERK" self "_");                                    \
  void mesos_command_host_##Tag##_destroy(void*) MESOS_COMMAND_HOST_SYMBOL("_ZN" scope "D1Ev");   \
  void mesos_command_host_##Tag##_delete(void*) MESOS_COMMAND_HOST_SYMBOL("_ZN" scope "D0Ev");    \
  void* mesos_command_host_##Tag##_new(const void*, void*)                                        \
      MESOS_COMMAND_HOST_SYMBOL("_ZNK" scope "3NewEP" arena);                                     \
  const mesos_command::abi::AnyMessage* mesos_command_host_##Tag##_default()                      \
      MESOS_COMMAND_HOST_SYMBOL("_ZN" scope "16default_instanceEv");                              \
  }                                                                                               \
  namespace mesos_command {                                                                       \
  namespace abi MESOS_COMMAND_HIDDEN {                                                            \
  inline namespace MESOS_COMMAND_STRINGS {                                                        \
  struct Tag                                                                                      \
  {                                                                                               \
    static constexpr const char* name() { return full_name; }                                     \
    static void construct(void* self_) { mesos_command_host_##Tag##_construct(self_); }           \
    static void copy(void* self_, const void* from)                                               \
    {                                                                                             \
      mesos_command_host_##Tag##_copy(self_, from);                                               \
    }                                                                                             \
    static void destroy(void* self_) { mesos_command_host_##Tag##_destroy(self_); }               \
    static void destroy_and_free(void* self_) { mesos_command_host_##Tag##_delete(self_); }       \
    static const AnyMessage* default_instance() { return mesos_command_host_##Tag##_default(); }  \
    static AnyMessage* make()                                                                     \
    {                                                                                             \
      return static_cast<AnyMessage*>(                                                            \
          mesos_command_host_##Tag##_new(default_instance(), nullptr));                           \
    }                                                                                             \
  };                                                                                              \
  }                                                                                               \
  }                                                                                               \
  }

#define MESOS_COMMAND_MESOS_MESSAGE(Tag, name, length) \
  MESOS_COMMAND_MESSAGE(                               \
      Tag, "mesos." #name, "5mesos" length #name, "S0", "N6google8protobuf5ArenaE")
#define MESOS_COMMAND_SLAVE_MESSAGE(Tag, name, length) \
  MESOS_COMMAND_MESSAGE(                               \
      Tag, "mesos.slave." #name, "5mesos5slave" length #name, "S1", "N6google8protobuf5ArenaE")

MESOS_COMMAND_MESOS_MESSAGE(AttributeType, Attribute, "9")
MESOS_COMMAND_MESOS_MESSAGE(ContainerIdType, ContainerID, "11")
MESOS_COMMAND_MESOS_MESSAGE(ContainerStatusType, ContainerStatus, "15")
MESOS_COMMAND_MESOS_MESSAGE(DockerTaskExecutorPrepareInfoType, DockerTaskExecutorPrepareInfo, "29")
MESOS_COMMAND_MESOS_MESSAGE(EnvironmentType, Environment, "11")
MESOS_COMMAND_MESOS_MESSAGE(ExecutorInfoType, ExecutorInfo, "12")
MESOS_COMMAND_MESOS_MESSAGE(FrameworkIdType, FrameworkID, "11")
MESOS_COMMAND_MESOS_MESSAGE(FrameworkInfoType, FrameworkInfo, "13")
MESOS_COMMAND_MESOS_MESSAGE(LabelsType, Labels, "6")
MESOS_COMMAND_MESOS_MESSAGE(ParametersType, Parameters, "10")
MESOS_COMMAND_MESOS_MESSAGE(ResourceType, Resource, "8")
MESOS_COMMAND_MESOS_MESSAGE(ResourceStatisticsType, ResourceStatistics, "18")
MESOS_COMMAND_MESOS_MESSAGE(SlaveInfoType, SlaveInfo, "9")
MESOS_COMMAND_MESOS_MESSAGE(TaskInfoType, TaskInfo, "8")
MESOS_COMMAND_MESOS_MESSAGE(TaskStatusType, TaskStatus, "10")
MESOS_COMMAND_SLAVE_MESSAGE(ContainerConfigType, ContainerConfig, "15")
MESOS_COMMAND_SLAVE_MESSAGE(ContainerLaunchInfoType, ContainerLaunchInfo, "19")
MESOS_COMMAND_SLAVE_MESSAGE(ContainerLimitationType, ContainerLimitation, "19")
MESOS_COMMAND_SLAVE_MESSAGE(ContainerStateType, ContainerState, "14")
MESOS_COMMAND_MESSAGE(
    FileDescriptorProtoType,
    "google.protobuf.FileDescriptorProto",
    "6google8protobuf19FileDescriptorProto",
    "S1",
    "NS0_5ArenaE")

#undef MESOS_COMMAND_MESOS_MESSAGE
#undef MESOS_COMMAND_SLAVE_MESSAGE

namespace mesos_command {
namespace abi MESOS_COMMAND_HIDDEN {
inline namespace MESOS_COMMAND_STRINGS {

// Replaces the message's contents. Required fields are not checked. False: not a valid encoding.
inline bool parse(AnyMessage& message, const void* data, std::size_t size)
{
  return size <= INT32_MAX &&
         mesos_command_host_parse_partial(&message, data, static_cast<int>(size));
}

// The message's wire bytes. Unset required fields are no error (the forms that check throw).
inline void append(const AnyMessage& message, std::string& output)
{
  if (!mesos_command_host_append_partial(&message, &output)) {
    throw std::bad_alloc();
  }
}

inline std::string serialize(const AnyMessage& message)
{
  std::string output;
  append(message, output);
  return output;
}

// sizeof the message's class in the host, plus 24 for each of its map fields.
template <typename Type>
std::size_t reported_size()
{
  return mesos_command_host_space_used(Type::default_instance());
}

// A message held by value, which takes `Size` bytes in the host.
template <typename Type, std::size_t Size>
class alignas(8) Message
{
public:
  Message() { Type::construct(this); }
  Message(const Message& that) { Type::copy(this, &that); }
  ~Message() { Type::destroy(this); }
  Message& operator=(const Message&) = delete;

  // A message with these contents; false in `valid` when they are no valid encoding.
  Message(const void* data, std::size_t size, bool& valid) : Message()
  {
    valid = parse(any(), data, size);
  }

  AnyMessage& any() { return *reinterpret_cast<AnyMessage*>(this); }
  const AnyMessage& any() const { return *reinterpret_cast<const AnyMessage*>(this); }

private:
  unsigned char storage[Size];
};

using Attribute = Message<AttributeType, 72>;
using ContainerId = Message<ContainerIdType, 40>;
using ContainerStatus = Message<ContainerStatusType, 72>;
using DockerTaskExecutorPrepareInfo = Message<DockerTaskExecutorPrepareInfoType, 40>;
using Environment = Message<EnvironmentType, 48>;
using Labels = Message<LabelsType, 48>;
using TaskStatus = Message<TaskStatusType, 136>;
using ContainerLimitation = Message<ContainerLimitationType, 64>;
template <std::size_t Size>
using ContainerLaunchInfo = Message<ContainerLaunchInfoType, Size>;
template <std::size_t Size>
using ResourceStatistics = Message<ResourceStatisticsType, Size>;

static_assert(sizeof(ContainerId) == 40 && alignof(ContainerId) == 8, "opaque storage only");

// A message of any size, allocated by the host.
template <typename Type>
class HeapMessage
{
public:
  HeapMessage() : message(Type::make()) {}
  HeapMessage(HeapMessage&& that) noexcept : message(that.message) { that.message = nullptr; }
  HeapMessage(const HeapMessage&) = delete;
  HeapMessage& operator=(const HeapMessage&) = delete;
  ~HeapMessage()
  {
    if (message != nullptr) {
      Type::destroy_and_free(message);
    }
  }

  AnyMessage& any() { return *message; }
  const AnyMessage& any() const { return *message; }

private:
  AnyMessage* message;
};

}  // namespace MESOS_COMMAND_STRINGS
}  // namespace abi
}  // namespace mesos_command

#endif  // MESOS_COMMAND_ABI_MESSAGE_HPP
