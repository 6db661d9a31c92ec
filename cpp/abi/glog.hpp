// One line in the host's log.
#ifndef MESOS_COMMAND_ABI_GLOG_HPP
#define MESOS_COMMAND_ABI_GLOG_HPP

#include <cstddef>
#include <ostream>

#include "visibility.hpp"

extern "C" {

// google::LogMessage: constructor with file, line and severity, stream(), destructor.
void mesos_command_host_log_construct(void* self, const char* file, int line, int severity)
    MESOS_COMMAND_HOST_SYMBOL("_ZN6google10LogMessageC1EPKcii");
std::ostream* mesos_command_host_log_stream(void* self)
    MESOS_COMMAND_HOST_SYMBOL("_ZN6google10LogMessage6streamEv");
void mesos_command_host_log_destroy(void* self)
    MESOS_COMMAND_HOST_SYMBOL("_ZN6google10LogMessageD1Ev");

}  // extern "C"

namespace mesos_command {
namespace abi MESOS_COMMAND_HIDDEN {

// FATAL exists too and aborts the process, so it has no name here.
enum class Severity : int { INFO = 0, WARNING = 1, ERROR = 2 };

// Writes one line. Any thread; never throws. `file` must be a C string and is only read here.
inline void log_line(
    Severity severity, const char* file, int line, const char* text, std::size_t size) noexcept
{
  // 16 bytes up to glog 0.4; newer ones keep the time in the object, hence the room.
  alignas(16) unsigned char message[1024];
  try {
    mesos_command_host_log_construct(message, file, line, static_cast<int>(severity));
  } catch (...) {
    return;
  }
  try {
    mesos_command_host_log_stream(message)->write(text, static_cast<std::streamsize>(size));
  } catch (...) {
  }
  try {
    mesos_command_host_log_destroy(message);
  } catch (...) {
  }
}

}  // namespace abi
}  // namespace mesos_command

#endif  // MESOS_COMMAND_ABI_GLOG_HPP
