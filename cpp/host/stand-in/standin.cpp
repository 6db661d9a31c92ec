// Everything but the log and the manager of hooks.
#include "standin.hpp"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>

namespace process {

// Not null while libprocess is up.
void* socket_manager = nullptr;

bool initialize(const Option<std::string>&, const Option<std::string>&, const Option<std::string>&)
{
  static int manager;
  __atomic_store_n(&socket_manager, &manager, __ATOMIC_RELEASE);
  return true;
}

void finalize(bool)
{
  __atomic_store_n(&socket_manager, nullptr, __ATOMIC_RELEASE);
}

template class Future<mesos::ResourceStatistics>;

}  // namespace process

namespace mesos {

namespace {

bool is_empty(const Resource& resource)
{
  return resource.type() == Value::SCALAR && resource.scalar().value() == 0;
}

}  // namespace

Resources::Resources(const ResourceList& list)
    : first(reinterpret_cast<Element*>(room)), count(0), capacity(15)
{
  for (const Resource& resource : list) {
    if (!validate(resource).isSome() && !is_empty(resource)) {
      add(std::make_shared<Resource>(resource));
    }
  }
}

Resources::Resources(const Resources& that)
    : first(reinterpret_cast<Element*>(room)), count(0), capacity(15)
{
  for (std::size_t i = 0; i < that.count; i++) {
    add(that.first[i]);
  }
}

Resources::~Resources()
{
  for (std::size_t i = 0; i < count; i++) {
    first[i].~Element();
  }
  if (static_cast<void*>(first) != room) {
    ::operator delete(first);
  }
}

void Resources::add(const Element& element)
{
  if (count == capacity) {
    Element* wider = static_cast<Element*>(::operator new(2 * capacity * sizeof(Element)));
    for (std::size_t i = 0; i < count; i++) {
      new (wider + i) Element(std::move(first[i]));
      first[i].~Element();
    }
    if (static_cast<void*>(first) != room) {
      ::operator delete(first);
    }
    first = wider;
    capacity *= 2;
  }
  new (first + count) Element(element);
  count++;
}

Resources::operator ResourceList() const
{
  ResourceList list;
  for (std::size_t i = 0; i < count; i++) {
    *list.Add() = *first[i];
  }
  return list;
}

Option<Error> Resources::validate(const Resource& resource)
{
  if (resource.name().empty()) {
    return Error("Empty resource name");
  }
  const bool one = resource.has_scalar() + resource.has_ranges() + resource.has_set() == 1;
  const bool right = resource.type() == Value::SCALAR   ? resource.has_scalar()
                     : resource.type() == Value::RANGES ? resource.has_ranges()
                     : resource.type() == Value::SET    ? resource.has_set()
                                                        : false;
  if (!one || !right) {
    return Error("The value is not one of the resource's type");
  }
  if (resource.has_scalar() &&
      (!std::isfinite(resource.scalar().value()) || resource.scalar().value() < 0)) {
    return Error("Invalid scalar resource: value < 0");
  }
  if (resource.reservations_size() > 0 && (resource.has_role() || resource.has_reservation())) {
    return Error("Both formats of reservations");
  }
  return Option<Error>();
}

void upgradeResources(ResourceList* list)
{
  for (Resource& resource : *list) {
    if (Resources::validate(resource).isSome()) {
      std::abort();
    }
    if (resource.has_role() && resource.role() != "*") {
      Resource::ReservationInfo* reservation = resource.add_reservations();
      if (resource.has_reservation()) {
        *reservation = resource.reservation();
      }
      reservation->set_role(resource.role());
      reservation->set_type(
          resource.has_reservation() ? Resource::ReservationInfo::DYNAMIC
                                     : Resource::ReservationInfo::STATIC);
    }
    resource.clear_role();
    resource.clear_reservation();
  }
}

namespace modules {

std::unordered_map<std::string, std::string> ModuleManager::kindToVersion;

namespace {

// Manifest of a module of any kind.
struct Module
{
  const char* api_version;
  const char* mesos_version;
  const char* kind;
  const char* author;
  const char* email;
  const char* description;
  bool (*compatible)();
  void* (*create)(const Parameters& parameters);
};

struct Loaded
{
  const Module* module;
  Parameters parameters;
};

std::unordered_map<std::string, Loaded> loaded;

Option<Error> verify(
    const std::string& name,
    const Module& module,
    const std::unordered_map<std::string, std::string>& versions)
{
  if (std::strcmp(module.api_version, "2") != 0) {
    return Error("Module API version mismatch");
  }
  const auto version = versions.find(module.kind);
  if (version == versions.end()) {
    return Error(std::string("Unknown module kind: ") + module.kind);
  }
  if (version->second != module.mesos_version) {
    return Error(
        std::string("Module has Mesos version ") + module.mesos_version + ", this is " +
        version->second);
  }
  if (!module.compatible()) {
    return Error("Module " + name + " has determined to be incompatible");
  }
  return Option<Error>();
}

}  // namespace

void ModuleManager::initialize()
{
  kindToVersion["Hook"] = "1.11.0";
  kindToVersion["Isolator"] = "1.11.0";
}

Try<Nothing> ModuleManager::loadManifest(const Modules& modules)
{
  initialize();
  for (const Modules::Library& library : modules.libraries()) {
    void* handle = dlopen(library.file().c_str(), RTLD_NOW);
    if (handle == nullptr) {
      return Error(std::string("Error opening library: ") + dlerror());
    }
    for (const Modules::Library::Module& one : library.modules()) {
      const Module* module = static_cast<const Module*>(dlsym(handle, one.name().c_str()));
      if (module == nullptr) {
        return Error("Error loading module '" + one.name() + "'");
      }
      const Option<Error> problem = verify(one.name(), *module, kindToVersion);
      if (problem.isSome()) {
        return Error("Error verifying module '" + one.name() + "': " + problem.get().message);
      }
      Loaded& entry = loaded[one.name()];
      entry.module = module;
      entry.parameters.mutable_parameter()->CopyFrom(one.parameters());
    }
  }
  return Nothing();
}

template <typename T>
Try<T*> ModuleManager::create(const std::string& name, const Option<Parameters>& parameters)
{
  const auto found = loaded.find(name);
  if (found == loaded.end()) {
    return Error("Module '" + name + "' unknown");
  }
  const Loaded& entry = found->second;
  void* made = entry.module->create(parameters.isSome() ? parameters.get() : entry.parameters);
  if (made == nullptr) {
    return Error("Error creating Module instance for '" + name + "'");
  }
  return static_cast<T*>(made);
}

template Try<slave::Isolator*> ModuleManager::create<slave::Isolator>(
    const std::string& name, const Option<Parameters>& parameters);
template Try<Hook*> ModuleManager::create<Hook>(
    const std::string& name, const Option<Parameters>& parameters);

}  // namespace modules

MesosSchedulerDriver::MesosSchedulerDriver(Scheduler*, const FrameworkInfo&, const std::string&)
{
  std::fprintf(stderr, "a stand-in has no cluster\n");
  std::abort();
}

MesosSchedulerDriver::~MesosSchedulerDriver() = default;

}  // namespace mesos
