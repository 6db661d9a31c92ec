#include "host.hpp"

#include <cstdlib>
#include <cstring>
#include <initializer_list>

#include "descriptors.hpp"
#include "message.hpp"
#include "module.hpp"

extern "C" {

// mesos::modules::ModuleManager::kindToVersion. Weak, so that a host which does not export it
// refuses our manifest by its version instead of failing to load the library.
extern const char mesos_command_host_kind_to_version[]
    asm("_ZN5mesos7modules13ModuleManager13kindToVersionB5cxx11E")
        __attribute__((weak, visibility("default")));

}  // extern "C"

namespace mesos_command {
namespace abi {

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
static_assert(sizeof(StringTable::Node) == 80, "next, key, value, hash");

// Releases on which the whole test suite has run.
constexpr const char* TESTED[] = {"1.8.1", "1.9.0", "1.10.0", "1.11.0"};

constexpr const char* ACCEPT_VARIABLE = "MESOS_COMMAND_MODULES_ACCEPT";
constexpr const char* TEST_SIZES_VARIABLE = "MESOS_COMMAND_MODULES_TEST_SIZES";

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
  problem += " only; to load it all the same, set " + std::string(ACCEPT_VARIABLE) + "=" +
             version + " in this process's environment";
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

// The size that the test-only variable gives `name`, else `size`.
std::size_t simulated(const std::string& name, std::size_t size)
{
  const char* text = std::getenv(TEST_SIZES_VARIABLE);
  while (text != nullptr && *text != '\0') {
    if (std::strncmp(text, name.c_str(), name.size()) == 0 && text[name.size()] == '=') {
      return std::strtoul(text + name.size() + 1, nullptr, 10);
    }
    text = std::strchr(text, ',');
    text = text != nullptr ? text + 1 : nullptr;
  }
  return size;
}

// The size of `Type` in the host, which must be one of `known`; 0 if it is not.
template <typename Type>
std::size_t check_size(std::initializer_list<std::size_t> known, std::string& problem)
{
  const std::size_t size = simulated(Type::name(), reported_size<Type>());
  std::string list;
  for (const std::size_t candidate : known) {
    if (size == candidate) {
      return size;
    }
    list += (list.empty() ? "" : " or ") + std::to_string(candidate);
  }
  if (problem.empty()) {
    problem = std::string(Type::name()) + " takes " + std::to_string(size) +
              " bytes in it, but this library knows " + list;
  }
  return 0;
}

// All types that cross by value, or whose layout is looked into.
bool check_sizes(Host& host, std::string& problem)
{
  check_size<AttributeType>({sizeof(Attribute)}, problem);
  check_size<ContainerIdType>({sizeof(ContainerId)}, problem);
  check_size<ContainerLimitationType>({sizeof(ContainerLimitation)}, problem);
  check_size<ContainerStatusType>({sizeof(ContainerStatus)}, problem);
  check_size<DockerTaskExecutorPrepareInfoType>(
      {sizeof(DockerTaskExecutorPrepareInfo)}, problem);
  check_size<EnvironmentType>({sizeof(Environment)}, problem);
  check_size<LabelsType>({sizeof(Labels)}, problem);
  check_size<TaskStatusType>({sizeof(TaskStatus)}, problem);
  check_size<ResourceType>({144}, problem);
  check_size<SlaveInfoType>({104}, problem);
  host.resource_statistics_size = check_size<ResourceStatisticsType>(
      {sizeof(ResourceStatistics<400>), sizeof(ResourceStatistics<408>),
       sizeof(ResourceStatistics<488>)},
      problem);
  host.container_launch_info_size = check_size<ContainerLaunchInfoType>(
      {sizeof(ContainerLaunchInfo<224>), sizeof(ContainerLaunchInfo<280>)}, problem);
  host.container_state_size = check_size<ContainerStateType>({56, 88}, problem);
  // TaskInfo got its map of limits together with the third argument of Isolator::update.
  const std::size_t task_info = check_size<TaskInfoType>({152, 224 + MAP_FIELD}, problem);
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
  static const char bytes[] =
      "\x1a\x13\x0a\x04" "cpus" "\x10\x00\x1a\x09\x09\x00\x00\x00\x00\x00\x00\xf0\x3f"
      "\x2a\x05\x0a\x01" "a" "\x10\x03"
      "\x2a\x05\x0a\x01" "b" "\x10\x03";

  HeapMessage<SlaveInfoType> slave_info;
  if (!parse(slave_info.any(), bytes, sizeof(bytes) - 1) ||
      resources_of(slave_info).size() != 1 || attributes_of(slave_info).size() != 2 ||
      resources_of(slave_info).on_arena() || attributes_of(slave_info).on_arena()) {
    problem = "mesos.SlaveInfo does not keep its resources and attributes where expected";
    return false;
  }
  host.resources = resources_layout(resources_of(slave_info));
  const std::size_t size =
      host.resources == ResourcesLayout::VECTOR         ? sizeof(VectorResources)
      : host.resources == ResourcesLayout::SMALL_VECTOR ? sizeof(SmallVectorResources)
                                                        : 0;
  if (size == 0) {
    problem = "mesos.Resources has a layout in it that this library does not know (it knows those "
              "of " + std::to_string(sizeof(VectorResources)) + " and " +
              std::to_string(sizeof(SmallVectorResources)) + " bytes)";
    return false;
  }
  if (simulated("mesos.Resources", size) != size) {
    problem = "mesos.Resources takes " + std::to_string(simulated("mesos.Resources", size)) +
              " bytes in it, but its constructor fills " + std::to_string(size);
    return false;
  }
  return true;
}

}  // namespace

const char* host_version(const char* kind) noexcept
{
  // One buffer per kind. Written with the same text every time.
  static char versions[2][64];

  const auto* table =
      reinterpret_cast<const StringTable*>(&mesos_command_host_kind_to_version[0]);
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
  return check_release(host.version, problem) && check_sizes(host, problem) &&
         check_lists(host, problem);
}

}  // namespace abi
}  // namespace mesos_command
