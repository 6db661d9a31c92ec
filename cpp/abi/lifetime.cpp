#include "lifetime.hpp"

#include <atomic>

extern "C" {

// process::socket_manager, which process::finalize() sets to null just before it deletes the
// manager of processes (libprocess's process.cpp, 1.8.1 to 1.11.0). Weak, because a host without it
// is no worse off than before.
extern void* mesos_command_host_socket_manager asm("_ZN7process14socket_managerE")
    __attribute__((weak, visibility("default")));

}  // extern "C"

namespace mesos_command {
namespace abi {

namespace {

std::atomic<bool> was_up{false};

// The host writes it on another thread, and not as an atomic.
bool is_up() noexcept
{
  void* const* manager = &mesos_command_host_socket_manager;
  return manager != nullptr && __atomic_load_n(manager, __ATOMIC_ACQUIRE) != nullptr;
}

}  // namespace

void note_host_is_up() noexcept
{
  if (!was_up.load(std::memory_order_relaxed) && is_up()) {
    was_up.store(true, std::memory_order_relaxed);
  }
}

bool host_is_finalized() noexcept
{
  return was_up.load(std::memory_order_relaxed) && !is_up();
}

}  // namespace abi
}  // namespace mesos_command
