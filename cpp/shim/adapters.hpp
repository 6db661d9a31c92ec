// Makes the module objects that Mesos calls.
#ifndef MESOS_COMMAND_SHIM_ADAPTERS_HPP
#define MESOS_COMMAND_SHIM_ADAPTERS_HPP

#include <cstdint>

#include "../abi/host.hpp"
#include "mesos-command-modules/src/bridge.rs.h"

namespace mesos_command {
namespace shim {
inline namespace MESOS_COMMAND_STRINGS {

// The hook events that this host never calls: a bit for each, at the event's number.
std::uint32_t hook_events_never_called(const abi::Host& host);

// The mesos::Hook of this host. Throws Unexpected if there is none for it.
void* make_hook(const abi::Host& host, rust::Box<HookInstance> instance);

// An abi::Isolator for this host.
void* make_isolator(const abi::Host& host, rust::Box<IsolatorInstance> instance);

}  // namespace MESOS_COMMAND_STRINGS
}  // namespace shim
}  // namespace mesos_command

#endif  // MESOS_COMMAND_SHIM_ADAPTERS_HPP
