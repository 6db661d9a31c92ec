// What the host is: its release and the sizes of its types, and whether we can live in it.
#ifndef MESOS_COMMAND_ABI_HOST_HPP
#define MESOS_COMMAND_ABI_HOST_HPP

#include <cstddef>
#include <string>

#include "resources.hpp"

namespace mesos_command {
namespace abi MESOS_COMMAND_HIDDEN {
inline namespace MESOS_COMMAND_STRINGS {

// The release that the host demands of a module of this kind ("Hook", "Isolator"): its own. Null
// if it cannot be read. The text lives for ever. Allocates nothing; may run while a library is
// being loaded.
const char* host_version(const char* kind) noexcept;

// Whether the host exports the table of versions under the name that it has with these strings.
bool host_has_these_strings() noexcept;

// Which functions mesos::Hook has; see module.hpp. There is no choice that serves both.
enum class HookLayout {
  UNKNOWN,
  // Without masterLaunchTaskResourceDecorator, as in Mesos 1.7.
  HOOK_17,
  // With it, as since Mesos 1.8.0.
  HOOK,
};

// The host's choices where hosts differ.
struct Host
{
  std::string version;
  HookLayout hook = HookLayout::UNKNOWN;
  // Isolator::update has its third argument (since Mesos 1.10).
  bool update_has_limits = false;
  std::size_t resource_statistics_size = 0;
  std::size_t container_launch_info_size = 0;
  std::size_t container_state_size = 0;
  ResourcesLayout resources = ResourcesLayout::UNKNOWN;
};

// Fills `host` and returns true if the release is among the tested ones (or named by the
// environment variable MESOS_COMMAND_MODULES_ACCEPT), every type that crosses by value has a size
// that this build knows, and everything that tells the functions of mesos::Hook says the same.
// Otherwise `problem` says in one line what is different. Throws nothing but std::bad_alloc and what
// the host's own functions throw.
bool examine_host(Host& host, std::string& problem);

}  // namespace MESOS_COMMAND_STRINGS
}  // namespace abi
}  // namespace mesos_command

#endif  // MESOS_COMMAND_ABI_HOST_HPP
