#include "log.hpp"

#include <cstddef>
#include <exception>

namespace mesos_command {
namespace shim {

namespace {

// A line put together on the stack, cut to size.
class StackLine
{
public:
  void add(const char* part) noexcept
  {
    while (*part != '\0' && used < sizeof(text)) {
      text[used++] = *part++;
    }
  }

  void log(const char* file, int line) const noexcept
  {
    abi::log_line(abi::Severity::ERROR, file, line, text, used);
  }

private:
  char text[2048];
  std::size_t used = 0;
};

}  // namespace

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
      level, reinterpret_cast<const char*>(file.data()), static_cast<int>(line),
      reinterpret_cast<const char*>(text.data()), text.size());
}

void log_error(const char* file, int line, const char* what, const char* text) noexcept
{
  StackLine composed;
  composed.add(what);
  composed.add(": ");
  composed.add(text);
  composed.log(file, line);
}

void log_exception(const char* file, int line, const char* what) noexcept
{
  StackLine composed;
  composed.add("internal error while ");
  composed.add(what);
  composed.add(": ");
  try {
    throw;
  } catch (const std::exception& exception) {
    composed.add(exception.what());
  } catch (...) {
    composed.add("an exception of an unknown type");
  }
  composed.log(file, line);
}

}  // namespace shim
}  // namespace mesos_command
