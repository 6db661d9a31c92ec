// What the manifests call: passed on to the set that is compiled for the host's strings.
#include "factory.hpp"

namespace mesos_command {
namespace shim {

namespace {

// A host exports its table of versions under one name or the other. One that exports neither is
// refused by the first set as well as by the second.
const Factory& chosen() noexcept
{
  return cow_strings::factory.fits() && !cxx11_strings::factory.fits() ? cow_strings::factory
                                                                       : cxx11_strings::factory;
}

}  // namespace

}  // namespace shim
}  // namespace mesos_command

extern "C" {

const char* mesos_command_shim_version(const char* kind) noexcept
{
  return mesos_command::shim::chosen().version(kind);
}

bool mesos_command_shim_compatible() noexcept
{
  return mesos_command::shim::chosen().compatible();
}

void* mesos_command_shim_create_hook(const char* symbol, const void* parameters) noexcept
{
  return mesos_command::shim::chosen().create_hook(symbol, parameters);
}

void* mesos_command_shim_create_isolator(const char* symbol, const void* parameters) noexcept
{
  return mesos_command::shim::chosen().create_isolator(symbol, parameters);
}

}  // extern "C"
