// Numbers of the events, as the engine counts them.
#ifndef MESOS_COMMAND_SHIM_EVENTS_HPP
#define MESOS_COMMAND_SHIM_EVENTS_HPP

#include <cstdint>

namespace mesos_command {
namespace shim {

// In the order of mesos_command::event::Event, which cpp/tests/events.rs compares.
enum Event : std::uint8_t {
  MasterLaunchTaskLabelDecorator,
  MasterLaunchTaskResourceDecorator,
  MasterSlaveLostHook,
  SlaveRunTaskLabelDecorator,
  SlaveExecutorEnvironmentDecorator,
  SlavePreLaunchDockerTaskExecutorDecorator,
  SlavePostFetchHook,
  SlaveRemoveExecutorHook,
  SlaveTaskStatusDecorator,
  SlaveResourcesDecorator,
  SlaveAttributesDecorator,
  Recover,
  Prepare,
  Isolate,
  Watch,
  Update,
  Usage,
  Status,
  Cleanup,
};

}  // namespace shim
}  // namespace mesos_command

#endif  // MESOS_COMMAND_SHIM_EVENTS_HPP
