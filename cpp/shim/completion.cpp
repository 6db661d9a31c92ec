#include "completion.hpp"

#include "log.hpp"

namespace mesos_command {
namespace shim {

void Sink::take(rust::Slice<const std::uint8_t> bytes) noexcept
{
  try {
    taken_ = make(bytes, future_);
  } catch (...) {
    log_exception(__FILE__, __LINE__, "a cached answer");
  }
}

}  // namespace shim
}  // namespace mesos_command
