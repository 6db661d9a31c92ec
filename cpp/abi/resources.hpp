// Lists of the host that a module reads or returns: protobuf's repeated fields, Attributes, and both
// layouts of Resources.
#ifndef MESOS_COMMAND_ABI_RESOURCES_HPP
#define MESOS_COMMAND_ABI_RESOURCES_HPP

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "message.hpp"
#include "stout.hpp"

namespace mesos_command {
namespace abi MESOS_COMMAND_HIDDEN {
inline namespace MESOS_COMMAND_STRINGS {

// google::protobuf::RepeatedPtrField of the message `Type`, not on an arena. Owns its elements.
template <typename Type>
class RepeatedField
{
public:
  RepeatedField() = default;
  RepeatedField(RepeatedField&& that) noexcept { swap(that); }
  RepeatedField(const RepeatedField&) = delete;
  RepeatedField& operator=(const RepeatedField&) = delete;

  ~RepeatedField()
  {
    if (rep != nullptr && arena == nullptr) {
      for (int i = 0; i < rep->allocated; i++) {
        Type::destroy_and_free(rep->elements[i]);
      }
      ::operator delete(static_cast<void*>(rep));
    }
  }

  std::size_t size() const { return static_cast<std::size_t>(current); }
  AnyMessage& operator[](std::size_t index) { return *rep->elements[index]; }
  const AnyMessage& operator[](std::size_t index) const { return *rep->elements[index]; }
  bool on_arena() const { return arena != nullptr; }

  void swap(RepeatedField& that) noexcept
  {
    std::swap(arena, that.arena);
    std::swap(current, that.current);
    std::swap(total, that.total);
    std::swap(rep, that.rep);
  }

private:
  struct Rep
  {
    int allocated;
    AnyMessage* elements[1];
  };

  void* arena = nullptr;
  int current = 0;
  int total = 0;
  Rep* rep = nullptr;
};

using ResourceField = RepeatedField<ResourceType>;
using AttributeField = RepeatedField<AttributeType>;

// mesos::Attributes is one repeated field and no more.
using Attributes = AttributeField;

static_assert(sizeof(ResourceField) == 24, "arena, two ints, pointer");

// Where SlaveInfo, the carrier of lists, keeps them. Proved at load on a parsed SlaveInfo.
constexpr std::size_t SLAVE_INFO_RESOURCES = 24;
constexpr std::size_t SLAVE_INFO_ATTRIBUTES = 48;

inline ResourceField& resources_of(HeapMessage<SlaveInfoType>& slave_info)
{
  return *reinterpret_cast<ResourceField*>(
      reinterpret_cast<char*>(&slave_info.any()) + SLAVE_INFO_RESOURCES);
}

inline AttributeField& attributes_of(HeapMessage<SlaveInfoType>& slave_info)
{
  return *reinterpret_cast<AttributeField*>(
      reinterpret_cast<char*>(&slave_info.any()) + SLAVE_INFO_ATTRIBUTES);
}

// mesos::Resources behind a reference.
class AnyResources;

}  // namespace MESOS_COMMAND_STRINGS
}  // namespace abi
}  // namespace mesos_command

extern "C" {

// Resources::Resources(const RepeatedPtrField<Resource>&): invalid and empty elements vanish.
void mesos_command_host_resources_construct(
    void* self, const mesos_command::abi::ResourceField* elements)
    MESOS_COMMAND_HOST_SYMBOL(
        "_ZN5mesos9ResourcesC1ERKN6google8protobuf16RepeatedPtrFieldINS_8ResourceEEE");

}  // extern "C"

namespace mesos_command {
namespace abi MESOS_COMMAND_HIDDEN {
inline namespace MESOS_COMMAND_STRINGS {

// The three host functions below return classes through a hidden pointer, so they are declared
// with return types that are not trivial either.

// Resources::operator RepeatedPtrField<Resource>() const
ResourceField host_resource_field(const AnyResources* self) MESOS_COMMAND_HOST_SYMBOL(
    "_ZNK5mesos9ResourcescvN6google8protobuf16RepeatedPtrFieldINS_8ResourceEEEEv");

// Resources::validate(const Resource&)
Option<Error> host_validate_resource(const AnyMessage& resource)
    MESOS_COMMAND_HOST_SYMBOL("_ZN5mesos9Resources8validateERKNS_8ResourceE");

// upgradeResources(RepeatedPtrField<Resource>*): to the format with `reservations`. Aborts the
// process on a resource that host_validate_resource() refuses, so that must come first.
void host_upgrade_resources(ResourceField* resources) MESOS_COMMAND_HOST_SYMBOL(
    "_ZN5mesos16upgradeResourcesEPN6google8protobuf16RepeatedPtrFieldINS_8ResourceEEE");

// mesos::Resources by value: a vector of shared pointers up to Mesos 1.9, boost's small_vector
// with room for 15 of them since 1.10. The host constructs, this class destroys, because the
// host's destructor is inline and so not exported.
class VectorResources
{
public:
  explicit VectorResources(const ResourceField& elements)
  {
    mesos_command_host_resources_construct(storage, &elements);
  }
  VectorResources(VectorResources&& that) noexcept
  {
    ::new (static_cast<void*>(storage))
        Elements(std::move(*reinterpret_cast<Elements*>(that.storage)));
  }
  VectorResources(const VectorResources&) = delete;
  VectorResources& operator=(const VectorResources&) = delete;
  ~VectorResources() { reinterpret_cast<Elements*>(storage)->~Elements(); }

  const AnyResources& any() const { return *reinterpret_cast<const AnyResources*>(this); }

private:
  using Elements = std::vector<std::shared_ptr<void>>;

  alignas(8) unsigned char storage[sizeof(Elements)];
};

class SmallVectorResources
{
public:
  explicit SmallVectorResources(const ResourceField& elements)
  {
    mesos_command_host_resources_construct(this, &elements);
  }
  SmallVectorResources(SmallVectorResources&& that) noexcept
      : first(that.first), count(that.count), capacity(that.capacity)
  {
    if (static_cast<void*>(that.first) == static_cast<void*>(that.room)) {
      first = reinterpret_cast<Element*>(room);
      for (std::size_t i = 0; i < count; i++) {
        ::new (static_cast<void*>(first + i)) Element(std::move(that.first[i]));
      }
    } else {
      that.first = reinterpret_cast<Element*>(that.room);
      that.count = 0;
      that.capacity = INLINE_CAPACITY;
    }
  }
  SmallVectorResources(const SmallVectorResources&) = delete;
  SmallVectorResources& operator=(const SmallVectorResources&) = delete;
  ~SmallVectorResources()
  {
    for (std::size_t i = 0; i < count; i++) {
      first[i].~Element();
    }
    if (static_cast<void*>(first) != static_cast<void*>(room)) {
      ::operator delete(static_cast<void*>(first));
    }
  }

  const AnyResources& any() const { return *reinterpret_cast<const AnyResources*>(this); }

private:
  using Element = std::shared_ptr<void>;

  static constexpr std::size_t INLINE_CAPACITY = 15;

  // Filled by the host's constructor; deliberately without initialisers of ours.
  Element* first;
  std::size_t count;
  std::size_t capacity;
  alignas(8) unsigned char room[INLINE_CAPACITY * sizeof(Element)];
};

// Which of the two the host has, found by letting its constructor write into a marked buffer.
enum class ResourcesLayout { UNKNOWN, VECTOR, SMALL_VECTOR };

// `one` must hold exactly one valid resource.
inline ResourcesLayout resources_layout(const ResourceField& one)
{
  constexpr unsigned char UNTOUCHED = 0xA5;
  alignas(16) unsigned char buffer[512];
  std::memset(buffer, UNTOUCHED, sizeof(buffer));
  mesos_command_host_resources_construct(buffer, &one);

  std::size_t written = sizeof(buffer);
  while (written > 0 && buffer[written - 1] == UNTOUCHED) {
    written--;
  }
  std::uintptr_t words[3];
  std::memcpy(words, buffer, sizeof(words));
  if (words[0] == reinterpret_cast<std::uintptr_t>(buffer) + 24 && words[1] == 1 &&
      words[2] == 15 && written <= sizeof(SmallVectorResources)) {
    reinterpret_cast<SmallVectorResources*>(buffer)->~SmallVectorResources();
    return ResourcesLayout::SMALL_VECTOR;
  }
  if (words[1] - words[0] == sizeof(std::shared_ptr<void>) && words[2] >= words[1] &&
      written <= sizeof(VectorResources)) {
    reinterpret_cast<VectorResources*>(buffer)->~VectorResources();
    return ResourcesLayout::VECTOR;
  }
  return ResourcesLayout::UNKNOWN;
}

static_assert(sizeof(VectorResources) == 24, "one vector");
static_assert(sizeof(SmallVectorResources) == 264, "pointer, size, capacity, 15 pointers");
static_assert(sizeof(Result<VectorResources>) == 48 + STRING, "as the host's callers reserve");
static_assert(
    sizeof(Result<SmallVectorResources>) == 288 + STRING, "as the host's callers reserve");
static_assert(sizeof(Result<Attributes>) == 48 + STRING, "as the host's callers reserve");

}  // namespace MESOS_COMMAND_STRINGS
}  // namespace abi
}  // namespace mesos_command

#endif  // MESOS_COMMAND_ABI_RESOURCES_HPP
