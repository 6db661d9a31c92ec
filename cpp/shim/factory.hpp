// What the manifests call, once for each kind of strings that a host may be built with.
#ifndef MESOS_COMMAND_SHIM_FACTORY_HPP
#define MESOS_COMMAND_SHIM_FACTORY_HPP

namespace mesos_command {
namespace shim {

// Nothing of it throws.
struct Factory
{
  // Whether the host is built with these strings.
  bool (*fits)();
  // The release that the host demands of this kind of module, or null. Allocates nothing.
  const char* (*version)(const char* kind);
  // Whether this library can live in the host; if not, a log line says why.
  bool (*compatible)();
  // An instance from a mesos.Parameters, or null after a log line that names `symbol`.
  void* (*create_hook)(const char* symbol, const void* parameters);
  void* (*create_isolator)(const char* symbol, const void* parameters);
};

// Both are constants, to be used while the library is being loaded.
namespace cxx11_strings {
extern const Factory factory;
}
namespace cow_strings {
extern const Factory factory;
}

}  // namespace shim
}  // namespace mesos_command

#endif  // MESOS_COMMAND_SHIM_FACTORY_HPP
