// Containers in the isolator's and hook's signatures that a module only reads: protobuf's maps, and
// the standard containers.
#ifndef MESOS_COMMAND_ABI_CONTAINERS_HPP
#define MESOS_COMMAND_ABI_CONTAINERS_HPP

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>

#include "message.hpp"
#include "stout.hpp"

namespace mesos_command {
namespace abi MESOS_COMMAND_HIDDEN {
inline namespace MESOS_COMMAND_STRINGS {

// google::protobuf::Map<string, Value.Scalar> behind a reference: hash buckets of list nodes.
// (A bucket turns into a tree after eight collisions. The host's keys are "cpus" and "mem", so it
// never does; visit() says if it saw one.)
class ScalarMap
{
public:
  // Whether this can be a map of so many entries. For a look at what may be something else.
  bool is_plausible(std::size_t entries) const
  {
    return arena == nullptr && aligned(inner) && inner->entries == entries && inner->buckets >= 2 &&
           inner->buckets <= 4096 && (inner->buckets & (inner->buckets - 1)) == 0 &&
           aligned(inner->table);
  }

  // Calls `each(key, value)` for every entry. False if there are entries it could not read.
  template <typename Each>
  bool visit(Each&& each) const
  {
    bool complete = true;
    for (std::size_t bucket = 0; bucket < inner->buckets; bucket++) {
      const Node* node = inner->table[bucket];
      if (node != nullptr && node == inner->table[bucket ^ 1]) {
        complete = false;
        continue;
      }
      for (; node != nullptr; node = node->next) {
        each(node->key, node->pair->scalar.value);
      }
    }
    return complete;
  }

private:
  // mesos.Value.Scalar: two words of protobuf's, has-bits, cached size, the number.
  struct Scalar
  {
    void* vtable;
    void* metadata;
    std::uint32_t has_bits;
    std::int32_t cached_size;
    double value;
  };

  struct Pair
  {
    std::string key;
    Scalar scalar;
  };

  struct Node
  {
    std::string key;
    const Pair* pair;
    const Node* next;
  };

  struct Inner
  {
    std::size_t entries;
    std::size_t buckets;
    std::size_t seed;
    std::size_t first_used;
    const Node* const* table;
    void* allocator;
  };

  static bool aligned(const void* pointer)
  {
    return pointer != nullptr && reinterpret_cast<std::uintptr_t>(pointer) % alignof(void*) == 0;
  }

  void* arena;
  int default_enum;
  const Inner* inner;

  static_assert(sizeof(Scalar) == 32 && offsetof(Scalar, value) == 24, "Value.Scalar");
  static_assert(sizeof(Pair) == 32 + STRING, "string, Scalar");
  static_assert(sizeof(Node) == 16 + STRING, "string, pointer, pointer");
  static_assert(sizeof(Inner) == 48, "six words");
};

static_assert(sizeof(ScalarMap) == 24, "arena, enum, pointer");

// Where TaskInfo keeps its map of limits since Mesos 1.10: in a MapField of 72 bytes behind the
// resources. Proved at load on a parsed TaskInfo. The argument of update() is such a map.
constexpr std::size_t TASK_INFO_LIMITS = 96;

inline const ScalarMap& limits_of(const HeapMessage<TaskInfoType>& task_info)
{
  return *reinterpret_cast<const ScalarMap*>(
      reinterpret_cast<const char*>(&task_info.any()) + TASK_INFO_LIMITS);
}

// stout's hashset<ContainerID> behind a reference: libstdc++'s unordered_set.
class ContainerIdSet
{
public:
  // Calls `each(id)` for every element. False when this is no set of ContainerIDs: then at an element
  // that is none, or after another number of them.
  template <typename Each>
  bool visit(Each&& each) const
  {
    const void* const id_vtable = vtable(ContainerIdType::default_instance());
    std::size_t seen = 0;
    for (const Node* node = first; node != nullptr; node = node->next) {
      if (seen == count || vtable(node->value) != id_vtable) {
        return false;
      }
      each(*reinterpret_cast<const AnyMessage*>(node->value));
      seen++;
    }
    return seen == count;
  }

  std::size_t size() const { return count; }

private:
  static const void* vtable(const void* message)
  {
    const void* first_word;
    std::memcpy(&first_word, message, sizeof(first_word));
    return first_word;
  }

  struct Node
  {
    const Node* next;
    alignas(8) unsigned char value[sizeof(ContainerId)];
    std::size_t hash;
  };

  void* buckets;
  std::size_t bucket_count;
  const Node* first;
  std::size_t count;
  unsigned char rehash_policy[16];
  void* single_bucket;

  static_assert(offsetof(Node, hash) == 48, "pointer, ContainerID, hash");
};

static_assert(sizeof(ContainerIdSet) == 56, "libstdc++ unordered_set");

// std::vector<ContainerState> behind a reference; the elements' size is the host's.
class ContainerStates
{
public:
  template <typename Each>
  void visit(std::size_t element_size, Each&& each) const
  {
    for (const char* element = first; element != last; element += element_size) {
      each(*reinterpret_cast<const AnyMessage*>(element));
    }
  }

  // Bytes that the elements take, a multiple of their size.
  std::size_t bytes() const { return static_cast<std::size_t>(last - first); }

private:
  const char* first;
  const char* last;
  const char* end_of_storage;
};

// Option<TaskInfo> behind a reference. The size of TaskInfo is not needed.
class OptionalMessage
{
public:
  const AnyMessage* get() const
  {
    return state == 0 ? reinterpret_cast<const AnyMessage*>(this + 1) : nullptr;
  }

private:
  alignas(8) int state;
};

static_assert(sizeof(OptionalMessage) == 8, "state and padding; the message follows");

using StringMap = std::map<std::string, std::string>;

static_assert(sizeof(Option<StringMap>) == 56, "state, padding, map");

}  // namespace MESOS_COMMAND_STRINGS
}  // namespace abi
}  // namespace mesos_command

#endif  // MESOS_COMMAND_ABI_CONTAINERS_HPP
