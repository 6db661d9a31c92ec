#include "log.hpp"

#include <cstring>
#include <exception>

namespace mesos_command {
namespace shim {

void log_line(
    std::uint8_t severity,
    rust::Slice<const std::uint8_t> file,
    std::uint32_t line,
    rust::Slice<const std::uint8_t> text) noexcept
{
  const abi::Severity level = severity == 0   ? abi::Severity::INFO
                              : severity == 1 ? abi::Severity::WARNING
                                              : abi::Severity::ERROR;
  abi::log_line(
      level,
      reinterpret_cast<const char*>(file.data()),
      static_cast<int>(line),
      reinterpret_cast<const char*>(text.data()),
      text.size());
}

void log_error(const char* file, int line, const std::string& text) noexcept
{
  abi::log_line(abi::Severity::ERROR, file, line, text.data(), text.size());
}

void log_exception(const char* file, int line, const char* what) noexcept
{
  // Memory may be what has run out, so the line is put together on the stack.
  char text[512];
  std::size_t used = 0;
  const auto add = [&](const char* part) noexcept {
    while (*part != '\0' && used < sizeof(text)) {
      text[used++] = *part++;
    }
  };
  add("internal error while ");
  add(what);
  add(": ");
  try {
    throw;
  } catch (const std::exception& exception) {
    add(exception.what());
  } catch (...) {
    add("an exception of an unknown type");
  }
  abi::log_line(abi::Severity::ERROR, file, line, text, used);
}

}  // namespace shim
}  // namespace mesos_command
