// What the manifests call: the host check and the creation of instances. Nothing is thrown out.
#include <exception>
#include <string>
#include <vector>

#include "../abi/descriptors.hpp"
#include "../abi/host.hpp"
#include "../abi/module.hpp"
#include "adapters.hpp"
#include "inputs.hpp"
#include "log.hpp"

namespace mesos_command {
namespace shim {

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

}  // namespace

}  // namespace shim
}  // namespace mesos_command

extern "C" {

const char* mesos_command_shim_version(const char* kind) noexcept
{
  return mesos_command::abi::host_version(kind);
}

bool mesos_command_shim_compatible() noexcept
{
  try {
    mesos_command::abi::Host host;
    return mesos_command::shim::examine(host);
  } catch (...) {
    mesos_command::shim::log_exception(__FILE__, __LINE__, "examining the host");
    return false;
  }
}

void* mesos_command_shim_create_hook(const char* symbol, const void* parameters) noexcept
{
  using namespace mesos_command;
  return shim::create(symbol, parameters, [](const abi::Host& host, const std::string& bytes) {
    return shim::make_hook(host, shim::create_hook(shim::bytes_of(bytes)));
  });
}

void* mesos_command_shim_create_isolator(const char* symbol, const void* parameters) noexcept
{
  using namespace mesos_command;
  return shim::create(symbol, parameters, [](const abi::Host& host, const std::string& bytes) {
    return shim::make_isolator(host, shim::create_isolator(shim::bytes_of(bytes)));
  });
}

}  // extern "C"
