#include "host.hpp"

#include <cstdlib>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <map>
#include <set>
#include <unordered_set>

#include "containers.hpp"
#include "descriptors.hpp"
#include "message.hpp"
#include "module.hpp"

extern "C" {

// mesos::modules::ModuleManager::kindToVersion. Weak, so that a host which does not export it
// refuses our manifest by its version instead of failing to load the library.
extern const char mesos_command_host_kind_to_version[] MESOS_COMMAND_HOST_SYMBOL_OF_STRINGS(
    "_ZN5mesos7modules13ModuleManager13kindToVersion" MESOS_COMMAND_STRING_TAG "E");

}  // extern "C"

namespace mesos_command {
namespace abi {
inline namespace MESOS_COMMAND_STRINGS {

namespace {

// libstdc++'s unordered_map<string, string>.
struct StringTable
{
  struct Node
  {
    const Node* next;
    std::string key;
    std::string value;
    std::size_t hash;
  };

  void* buckets;
  std::size_t bucket_count;
  const Node* first;
  std::size_t count;
};

static_assert(offsetof(StringTable, first) == 16, "buckets, bucket count, first node");
static_assert(sizeof(StringTable::Node) == 16 + 2 * STRING, "next, key, value, hash");

constexpr const char* TESTED[] = {
#define MESOS_COMMAND_RELEASE(version) version,
#define MESOS_COMMAND_SIZES(Type, full_name, ...)
#include "known.def"
#undef MESOS_COMMAND_RELEASE
#undef MESOS_COMMAND_SIZES
};

constexpr const char* ACCEPT_VARIABLE = "MESOS_COMMAND_MODULES_ACCEPT";

// A map field adds this to the size that its message reports.
constexpr std::size_t MAP_FIELD = 24;

bool tested(const std::string& version)
{
  for (const char* release : TESTED) {
    if (version == release) {
      return true;
    }
  }
  const char* accepted = std::getenv(ACCEPT_VARIABLE);
  return accepted != nullptr && version == accepted;
}

bool check_release(const std::string& version, std::string& problem)
{
  if (tested(version)) {
    return true;
  }
  problem = "it has been tested with";
  for (const char* release : TESTED) {
    problem += ' ';
    problem += release;
  }
  problem += " only; to load it all the same, set " + std::string(ACCEPT_VARIABLE) + "=" + version +
             " in this process's environment";
  return false;
}

// The two leading numbers of a version.
bool read_release(const std::string& version, unsigned long& major, unsigned long& minor)
{
  const char* text = version.c_str();
  char* end = nullptr;
  major = std::strtoul(text, &end, 10);
  if (end == text || *end != '.') {
    return false;
  }
  const char* second = end + 1;
  minor = std::strtoul(second, &end, 10);
  return end != second;
}

// Whether the functions are there that the dynamic linker did not demand, because their names depend
// on the strings.
bool check_functions(std::string& problem)
{
  if (&mesos_command_host_append_partial != nullptr && &mesos_command_host_find_file != nullptr) {
    return true;
  }
  problem = "its protobuf is built with another std::string than its table of versions";
  return false;
}

// How many sizes of `Type` are known, if `size` is one of them; else 0.
template <typename Type>
constexpr std::size_t known(std::size_t size);

constexpr bool same(const char* a, const char* b)
{
  return *a == *b && (*a == '\0' || same(a + 1, b + 1));
}

#define MESOS_COMMAND_RELEASE(version)
#define MESOS_COMMAND_SIZES(Type, full_name, ...)                        \
  static_assert(same(Type::name(), full_name), "the name in known.def"); \
  template <>                                                            \
  constexpr std::size_t known<Type>(std::size_t size)                    \
  {                                                                      \
    const std::size_t sizes[] = {__VA_ARGS__};                           \
    std::size_t count = 0;                                               \
    bool found = false;                                                  \
    for (const std::size_t one : sizes) {                                \
      found = found || one == size;                                      \
      count++;                                                           \
    }                                                                    \
    return found ? count : 0;                                            \
  }
#include "known.def"
#undef MESOS_COMMAND_RELEASE
#undef MESOS_COMMAND_SIZES

// What is known is what templates have been compiled for.
static_assert(known<AttributeType>(sizeof(Attribute)) == 1, "");
static_assert(known<ContainerIdType>(sizeof(ContainerId)) == 1, "");
static_assert(known<ContainerLimitationType>(sizeof(ContainerLimitation)) == 1, "");
static_assert(known<ContainerStatusType>(sizeof(ContainerStatus)) == 1, "");
static_assert(
    known<DockerTaskExecutorPrepareInfoType>(sizeof(DockerTaskExecutorPrepareInfo)) == 1, "");
static_assert(known<EnvironmentType>(sizeof(Environment)) == 1, "");
static_assert(known<LabelsType>(sizeof(Labels)) == 1, "");
static_assert(known<TaskStatusType>(sizeof(TaskStatus)) == 1, "");
static_assert(known<ResourceStatisticsType>(sizeof(ResourceStatistics<400>)) == 3, "");
static_assert(known<ResourceStatisticsType>(sizeof(ResourceStatistics<408>)) == 3, "");
static_assert(known<ResourceStatisticsType>(sizeof(ResourceStatistics<488>)) == 3, "");
static_assert(known<ContainerLaunchInfoType>(sizeof(ContainerLaunchInfo<224>)) == 2, "");
static_assert(known<ContainerLaunchInfoType>(sizeof(ContainerLaunchInfo<280>)) == 2, "");

// Sets `problem`, if there is none yet, when the host's size of `Type` is none of `sizes`.
template <typename Type>
void check_size(std::initializer_list<std::size_t> sizes, std::string& problem)
{
  const std::size_t size = reported_size<Type>();
  std::string list;
  for (const std::size_t candidate : sizes) {
    if (size == candidate) {
      return;
    }
    list += (list.empty() ? "" : " or ") + std::to_string(candidate);
  }
  if (problem.empty()) {
    problem = std::string(Type::name()) + " takes " + std::to_string(size) +
              " bytes in it, but this library knows " + list;
  }
}

// All types that cross by value, or whose layout is looked into.
bool check_sizes(Host& host, std::string& problem)
{
#define MESOS_COMMAND_RELEASE(version)
#define MESOS_COMMAND_SIZES(Type, full_name, ...) check_size<Type>({__VA_ARGS__}, problem);
#include "known.def"
#undef MESOS_COMMAND_RELEASE
#undef MESOS_COMMAND_SIZES
  host.resource_statistics_size = reported_size<ResourceStatisticsType>();
  host.container_launch_info_size = reported_size<ContainerLaunchInfoType>();
  host.container_state_size = reported_size<ContainerStateType>();
  // TaskInfo got its map of limits together with the third argument of Isolator::update.
  const std::size_t task_info = reported_size<TaskInfoType>();
  if (problem.empty() && host.update_has_limits != (task_info == 224 + MAP_FIELD)) {
    problem = "mesos.TaskInfo takes " + std::to_string(task_info) +
              " bytes in it, which belongs to another release";
  }
  return problem.empty();
}

// Builds an agent's SlaveInfo with one resource and two attributes, and looks for them where
// SlaveInfo and Resources are taken to keep them.
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

// Parses a TaskInfo with two limits, and looks for the map where TaskInfo and Map are taken to keep
// them: a host of the same release may have been built with another protobuf.
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

// Whether the standard library that this was compiled with keeps a set of ContainerIDs where
// ContainerIdSet looks for them. The host's set is one of the same library, of elements whose size
// was checked.
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

}  // namespace

const char* host_version(const char* kind) noexcept
{
  // One buffer per kind. Written with the same text every time.
  static char versions[2][64];

  const auto* table = reinterpret_cast<const StringTable*>(&mesos_command_host_kind_to_version[0]);
  if (table == nullptr) {
    return nullptr;
  }
  for (const StringTable::Node* node = table->first; node != nullptr; node = node->next) {
    if (std::strcmp(node->key.c_str(), kind) != 0) {
      continue;
    }
    char* version = versions[kind[0] == 'H' ? 0 : 1];
    if (node->value.empty() || node->value.size() >= sizeof(versions[0])) {
      return nullptr;
    }
    std::memcpy(version, node->value.c_str(), node->value.size() + 1);
    return version;
  }
  return nullptr;
}

bool host_has_these_strings() noexcept
{
  const void* table = &mesos_command_host_kind_to_version[0];
  return table != nullptr;
}

bool examine_host(Host& host, std::string& problem)
{
  const char* version = host_version("Hook");
  if (version == nullptr) {
    problem = "its release cannot be read";
    return false;
  }
  host.version = version;
  unsigned long major = 0;
  unsigned long minor = 0;
  if (!read_release(host.version, major, minor)) {
    problem = "its release is no version number";
    return false;
  }
  host.update_has_limits = major > 1 || (major == 1 && minor >= 10);
  problem.clear();
  return check_release(host.version, problem) && check_functions(problem) &&
         check_sizes(host, problem) && check_lists(host, problem) && check_limits(host, problem) &&
         check_ids(problem);
}

}  // namespace MESOS_COMMAND_STRINGS
}  // namespace abi
}  // namespace mesos_command
