#include "host.hpp"

#include <cstdlib>
#include <cstring>
#include <initializer_list>

#include "descriptors.hpp"
#include "layouts.hpp"
#include "message.hpp"
#include "module.hpp"

extern "C" {

// mesos::modules::ModuleManager::kindToVersion. Weak, so that a host which does not export it
// refuses our manifest by its version instead of failing to load the library.
extern const char mesos_command_host_kind_to_version[] MESOS_COMMAND_HOST_SYMBOL_OF_STRINGS(
    "_ZN5mesos7modules13ModuleManager13kindToVersion" MESOS_COMMAND_STRING_TAG "E");

// mesos::internal::HookManager::masterLaunchTaskResourceDecorator: what calls the function that
// mesos::Hook has since Mesos 1.8.0. Never called here. Weak, as older hosts do not have it.
void mesos_command_host_resource_decorator() asm(
    "_ZN5mesos8internal11HookManager33masterLaunchTaskResourceDecoratorERKNS_8TaskInfoERKNS_"
    "9ResourcesE") __attribute__((weak, visibility("default")));

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

// Resources and the list that recover gets were others before Mesos 1.7: named or not, no such
// release is accepted.
bool check_release(const std::string& version, bool since_17, std::string& problem)
{
  if (since_17 && tested(version)) {
    return true;
  }
  problem = since_17 ? "it has been tested with" : "this library works with";
  for (const char* release : TESTED) {
    problem += ' ';
    problem += release;
  }
  problem += " only";
  if (since_17) {
    problem += "; to load it all the same, set " + std::string(ACCEPT_VARIABLE) + "=" + version +
               " in this process's environment";
  } else {
    problem += ", and cannot work with any older release";
  }
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
static_assert(known<ContainerLaunchInfoType>(sizeof(ContainerLaunchInfo<184>)) == 3, "");
static_assert(known<ContainerLaunchInfoType>(sizeof(ContainerLaunchInfo<224>)) == 3, "");
static_assert(known<ContainerLaunchInfoType>(sizeof(ContainerLaunchInfo<280>)) == 3, "");

// The functions of mesos::Hook in hosts whose ContainerLaunchInfo takes so many bytes. A new size
// has to be added here too, or no host with it is accepted.
constexpr HookLayout hook_of(std::size_t launch_info_size)
{
  return launch_info_size == 184                              ? HookLayout::HOOK_17
         : launch_info_size == 224 || launch_info_size == 280 ? HookLayout::HOOK
                                                              : HookLayout::UNKNOWN;
}

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

// Finds out which functions mesos::Hook has: with others than the host's, it would call one for
// another. Neither a release that is named as acceptable nor a known size may decide alone, so the
// release, the size and the host's own caller of the function have to agree.
bool check_hook(Host& host, bool since_18, std::string& problem)
{
  const bool has_caller = &mesos_command_host_resource_decorator != nullptr;
  const HookLayout by_release = since_18 ? HookLayout::HOOK : HookLayout::HOOK_17;
  const HookLayout by_caller = has_caller ? HookLayout::HOOK : HookLayout::HOOK_17;
  const HookLayout by_size = hook_of(host.container_launch_info_size);
  if (by_release == by_caller && by_release == by_size) {
    host.hook = by_size;
    return true;
  }
  problem = "mesos.slave.ContainerLaunchInfo takes " +
            std::to_string(host.container_launch_info_size) + " bytes in it and mesos::Hook has " +
            (has_caller ? "a" : "no") +
            " masterLaunchTaskResourceDecorator, which belongs to another release";
  return false;
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
  const auto since = [&](unsigned long wanted) {
    return major > 1 || (major == 1 && minor >= wanted);
  };
  host.update_has_limits = since(10);
  problem.clear();
  return check_release(host.version, since(7), problem) && check_functions(problem) &&
         check_sizes(host, problem) && check_hook(host, since(8), problem) &&
         check_lists(host, problem) && check_limits(host, problem) && check_ids(problem);
}

}  // namespace MESOS_COMMAND_STRINGS
}  // namespace abi
}  // namespace mesos_command
