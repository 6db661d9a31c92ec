// Log lines of the shim and of the engine, in the host's log.
#ifndef MESOS_COMMAND_SHIM_LOG_HPP
#define MESOS_COMMAND_SHIM_LOG_HPP

#include <cstdint>
#include <exception>

#include "../abi/glog.hpp"
#include "rust/cxx.h"

namespace mesos_command {
namespace shim {

// Thrown where something is not as this library was compiled for. The constructors of the standard
// exceptions that take a C string are younger than the oldest libstdc++ that this runs with.
class Unexpected : public std::exception
{
public:
  explicit Unexpected(const char* text_) : text(text_) {}
  const char* what() const noexcept override { return text; }

private:
  const char* text;
};

// Called by Rust. `severity`: 0 information, 1 warning, 2 error; `file` ends with a zero byte.
void log_line(
    std::uint8_t severity,
    rust::Slice<const std::uint8_t> file,
    std::uint32_t line,
    rust::Slice<const std::uint8_t> text) noexcept;

// Logs an error of the shim itself: "what: text". Needs no memory.
void log_error(const char* file, int line, const char* what, const char* text) noexcept;

// Logs the exception that is being handled, and what it interrupted. Call in a catch block only.
// Needs no memory, which may be what has run out.
void log_exception(const char* file, int line, const char* what) noexcept;

}  // namespace shim
}  // namespace mesos_command

#endif  // MESOS_COMMAND_SHIM_LOG_HPP
