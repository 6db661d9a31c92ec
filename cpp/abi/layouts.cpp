// Where the host keeps what we look into: each is written by its own functions, and looked for.
#include "layouts.hpp"

#include <functional>
#include <map>
#include <set>
#include <unordered_set>

#include "containers.hpp"
#include "message.hpp"
#include "resources.hpp"

namespace mesos_command {
namespace abi {
inline namespace MESOS_COMMAND_STRINGS {

bool check_lists(Host& host, std::string& problem)
{
  // clang-format off: a line for each field.
  static const char bytes[] =
      "\x1a\x13\x0a\x04" "cpus" "\x10\x00\x1a\x09\x09\x00\x00\x00\x00\x00\x00\xf0\x3f"
      "\x2a\x05\x0a\x01" "a" "\x10\x03"
      "\x2a\x05\x0a\x01" "b" "\x10\x03";
  // clang-format on

  HeapMessage<SlaveInfoType> slave_info;
  if (!parse(slave_info.any(), bytes, sizeof(bytes) - 1) || resources_of(slave_info).size() != 1 ||
      attributes_of(slave_info).size() != 2 || resources_of(slave_info).on_arena() ||
      attributes_of(slave_info).on_arena()) {
    problem = "mesos.SlaveInfo does not keep its resources and attributes where expected";
    return false;
  }
  host.resources = resources_layout(resources_of(slave_info));
  const std::size_t size = host.resources == ResourcesLayout::VECTOR ? sizeof(VectorResources)
                           : host.resources == ResourcesLayout::SMALL_VECTOR
                               ? sizeof(SmallVectorResources)
                               : 0;
  if (size == 0) {
    problem = "mesos.Resources has a layout in it that this library does not know (it knows those "
              "of " +
              std::to_string(sizeof(VectorResources)) + " and " +
              std::to_string(sizeof(SmallVectorResources)) + " bytes)";
    return false;
  }
  return true;
}

bool check_limits(const Host& host, std::string& problem)
{
  if (!host.update_has_limits) {
    return true;
  }
  // clang-format off: a line for each entry.
  static const char bytes[] =
      "\x7a\x11\x0a\x04" "cpus" "\x12\x09\x09\x00\x00\x00\x00\x00\x00\xf8\x3f"
      "\x7a\x10\x0a\x03" "mem" "\x12\x09\x09\x00\x00\x00\x00\x00\x00\x50\x40";
  // clang-format on

  HeapMessage<TaskInfoType> task_info;
  bool right = parse(task_info.any(), bytes, sizeof(bytes) - 1);
  const ScalarMap& limits = limits_of(task_info);
  std::map<std::string, double> found;
  right = right && limits.is_plausible(2) &&
          limits.visit([&](const std::string& key, double value) { found[key] = value; });
  if (!right || found != std::map<std::string, double>{{"cpus", 1.5}, {"mem", 64}}) {
    problem = "mesos.TaskInfo does not keep its map of limits where expected (was this Mesos built "
              "with another protobuf?)";
    return false;
  }
  return true;
}

namespace {

// Plain memory for the set below: std::allocator asks newer standard libraries for a function that
// older ones do not have.
template <typename T>
struct Memory
{
  using value_type = T;

  Memory() = default;
  template <typename Other>
  Memory(const Memory<Other>&)
  {
  }

  T* allocate(std::size_t count) { return static_cast<T*>(::operator new(count * sizeof(T))); }
  void deallocate(T* memory, std::size_t) { ::operator delete(memory); }
};

template <typename T, typename Other>
bool operator==(const Memory<T>&, const Memory<Other>&)
{
  return true;
}

template <typename T, typename Other>
bool operator!=(const Memory<T>&, const Memory<Other>&)
{
  return false;
}

}  // namespace

bool check_ids(std::string& problem)
{
  struct Hash
  {
    // Not noexcept, as the host's, so that nodes keep their hash.
    std::size_t operator()(const ContainerId& id) const
    {
      return std::hash<std::string>()(serialize(id.any()));
    }
  };
  struct Equal
  {
    bool operator()(const ContainerId& a, const ContainerId& b) const
    {
      return serialize(a.any()) == serialize(b.any());
    }
  };
  const std::set<std::string> given = {"\012\001a", "\012\001b", "\012\001c"};
  std::unordered_set<ContainerId, Hash, Equal, Memory<ContainerId>> ids;
  bool right = true;
  for (const std::string& id : given) {
    bool valid = false;
    ids.emplace(static_cast<const void*>(id.data()), id.size(), valid);
    right = right && valid;
  }
  static_assert(sizeof(ids) == sizeof(ContainerIdSet), "libstdc++ unordered_set");
  std::set<std::string> found;
  right = right && reinterpret_cast<const ContainerIdSet&>(ids).visit(
                       [&](const AnyMessage& id) { found.insert(serialize(id)); });
  if (!right || found != given) {
    problem = "a set of mesos.ContainerID does not keep its elements where expected";
    return false;
  }
  return true;
}

}  // namespace MESOS_COMMAND_STRINGS
}  // namespace abi
}  // namespace mesos_command
