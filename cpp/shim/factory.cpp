// What the manifests call, for one kind of strings: the host check and the creation of instances.
#include <exception>
#include <string>
#include <vector>

#include "../abi/descriptors.hpp"
#include "../abi/host.hpp"
#include "../abi/module.hpp"
#include "adapters.hpp"
#include "factory.hpp"
#include "inputs.hpp"
#include "log.hpp"

namespace mesos_command {
namespace shim {
inline namespace MESOS_COMMAND_STRINGS {

namespace {

const char* const LIBRARY = "libmesos_command_modules.so";

// Fills `host`; false, after a log line, if we cannot live in it. Examined at each call: calls are
// few, and a host that is not an agent may make the first one before it is ready.
bool examine(abi::Host& host)
{
  std::string problem;
  if (abi::examine_host(host, problem)) {
    return true;
  }
  const std::string refusal = std::string(LIBRARY) + " refuses to run in this Mesos " +
                              (host.version.empty() ? "of an unknown release" : host.version);
  log_error(__FILE__, __LINE__, refusal.c_str(), problem.c_str());
  return false;
}

// Gives Rust what it needs of the host. Rust keeps the first of it.
void introduce(const abi::Host& host)
{
  const std::vector<std::string> files = abi::descriptor_files();
  std::vector<Item> items;
  for (const std::string& file : files) {
    Item item;
    item.value = bytes_of(file);
    item.number = 0;
    items.push_back(item);
  }
  install_host(bytes_of(host.version), rust::Slice<const Item>(items.data(), items.size()));
}

// Makes an instance with `make(host, parameters)`.
template <typename Make>
void* create(const char* symbol, const void* parameters, Make make) noexcept
{
  try {
    abi::Host host;
    if (!examine(host)) {
      return nullptr;
    }
    introduce(host);
    return make(host, abi::serialize(*static_cast<const abi::AnyMessage*>(parameters)));
  } catch (const rust::Error& error) {
    log_error(__FILE__, __LINE__, symbol, error.what());
  } catch (...) {
    log_exception(__FILE__, __LINE__, symbol);
  }
  return nullptr;
}

bool compatible() noexcept
{
  try {
    abi::Host host;
    return examine(host);
  } catch (...) {
    log_exception(__FILE__, __LINE__, "examining the host");
    return false;
  }
}

void* create_hook_for(const char* symbol, const void* parameters) noexcept
{
  return create(symbol, parameters, [](const abi::Host& host, const std::string& bytes) {
    return make_hook(host, create_hook(bytes_of(bytes), hook_events_never_called(host)));
  });
}

void* create_isolator_for(const char* symbol, const void* parameters) noexcept
{
  return create(symbol, parameters, [](const abi::Host& host, const std::string& bytes) {
    return make_isolator(host, create_isolator(bytes_of(bytes)));
  });
}

}  // namespace

const Factory factory = {
    abi::host_has_these_strings, abi::host_version, compatible, create_hook_for,
    create_isolator_for,
};

}  // namespace MESOS_COMMAND_STRINGS
}  // namespace shim
}  // namespace mesos_command
