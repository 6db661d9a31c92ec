// Whether the host still has libprocess.
#ifndef MESOS_COMMAND_ABI_LIFETIME_HPP
#define MESOS_COMMAND_ABI_LIFETIME_HPP

#include "visibility.hpp"

namespace mesos_command {
namespace abi MESOS_COMMAND_HIDDEN {

// Whether the host has taken down libprocess, which continuations of its futures need: an agent does
// that when it exits, after it has deleted its isolators, but hooks are not told. False while it is
// not up yet, and in a host that does not export what tells it.
bool host_is_finalized() noexcept;

// To be called while the host calls us, when libprocess is up.
void note_host_is_up() noexcept;

}  // namespace abi
}  // namespace mesos_command

#endif  // MESOS_COMMAND_ABI_LIFETIME_HPP
