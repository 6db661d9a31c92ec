// The log of glog, which clusterd has in a library of its own.
#include <cstdio>
#include <cstring>
#include <ctime>
#include <sstream>
#include <sys/syscall.h>
#include <unistd.h>

#include "standin.hpp"

namespace google {

struct LogMessage::Text
{
  std::ostringstream stream;
};

LogMessage::LogMessage(const char* file, int line, int severity) : text(new Text())
{
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  tm parts;
  localtime_r(&now.tv_sec, &parts);
  char head[128];
  std::snprintf(
      head, sizeof(head), "%c%02d%02d %02d:%02d:%02d.%06ld %5ld ", "IWEF"[severity & 3],
      parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
      now.tv_nsec / 1000, syscall(SYS_gettid));
  const char* slash = std::strrchr(file, '/');
  text->stream << head << (slash == nullptr ? file : slash + 1) << ':' << line << "] ";
}

std::ostream& LogMessage::stream()
{
  return text->stream;
}

LogMessage::~LogMessage()
{
  text->stream << '\n';
  const std::string line = text->stream.str();
  // One call, so that lines of several threads stay whole.
  if (write(STDERR_FILENO, line.data(), line.size()) < 0) {
    // There is nowhere to say so.
  }
  delete text;
}

}  // namespace google
