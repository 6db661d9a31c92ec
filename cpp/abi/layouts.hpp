// Checks of layouts that no size shows, for host.cpp. Each says in `problem`, in one line, what is
// different, and returns false; or leaves it alone and returns true.
#ifndef MESOS_COMMAND_ABI_LAYOUTS_HPP
#define MESOS_COMMAND_ABI_LAYOUTS_HPP

#include <string>

#include "host.hpp"

namespace mesos_command {
namespace abi MESOS_COMMAND_HIDDEN {
inline namespace MESOS_COMMAND_STRINGS {

// Builds an agent's SlaveInfo with one resource and two attributes, and looks for them where
// SlaveInfo and Resources are taken to keep them. Sets host.resources.
bool check_lists(Host& host, std::string& problem);

// Parses a TaskInfo with two limits, and looks for the map where TaskInfo and Map are taken to keep
// them: a host of the same release may have been built with another protobuf.
bool check_limits(const Host& host, std::string& problem);

// Whether the standard library that this was compiled with keeps a set of ContainerIDs where
// ContainerIdSet looks for them. The host's set is one of the same library, of elements whose size
// was checked.
bool check_ids(std::string& problem);

}  // namespace MESOS_COMMAND_STRINGS
}  // namespace abi
}  // namespace mesos_command

#endif  // MESOS_COMMAND_ABI_LAYOUTS_HPP
