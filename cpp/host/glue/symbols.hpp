// The functions of libmesos that this program calls, found by name in the loaded library.
//
// Calling through pointers keeps this program free of undefined symbols, so that it starts without
// libmesos and can say what is missing in one. All of them are strong symbols in Mesos 1.7.3 to
// 1.11.0 (`master_launch_task_resource` since 1.8.0, null before), except `create_isolator`, an instance of a template that each of those exports too.
#ifndef MESOS_HOST_SYMBOLS_HPP
#define MESOS_HOST_SYMBOLS_HPP

#include "layout.hpp"

namespace host {

struct Symbols
{
  using Text_ = const Text&;
  using Any = const void*;

  // google::protobuf
  bool (*parse_partial)(void* message, const void* data, int size);
  bool (*append_partial)(Any message, Text* out);
  size_t (*space_used)(Any message);
  Any (*generated_pool)();
  Any (*find_file)(Any pool, Text_ name);
  void (*copy_file)(Any file, void* proto);
  void (*file_proto_construct)(void* proto);
  void (*file_proto_destroy)(void* proto);
  // mesos
  void (*resources_construct)(void* resources, const RepeatedMessages& list);
  RepeatedMessages* (*resources_list)(void* result, Any resources);
  void (*upgrade_resources)(RepeatedMessages* list);
  // process, mesos::modules, mesos::internal
  void (*process_initialize)(const Option<Text>&, const Option<Text>&, const Option<Text>&);
  void (*process_finalize)(bool windows_sockets);
  TryNothing (*load_manifest)(Any modules);
  TryPointer (*create_isolator)(Text_ name, const Option<NoParameters>& parameters);
  TryNothing (*hooks_initialize)(Text_ names);
  // mesos::internal::HookManager
  Returned (*master_launch_task_label)(Any task, Any framework, Any slave);
  Returned (*master_launch_task_resource)(Any task, Any resources);
  void (*master_slave_lost)(Any slave);
  Returned (*slave_run_task_label)(Any task, Any executor, Any framework, Any slave);
  Returned (*slave_executor_environment)(void* executor);
  FutureState (*docker)(
      Any task,
      Any executor,
      Text_ name,
      Text_ directory,
      Text_ sandbox,
      const Option<std::map<Text, Text>>& env);
  void (*slave_post_fetch)(Any container, Text_ directory);
  void (*slave_remove_executor)(Any framework, Any executor);
  Returned (*slave_task_status)(Any framework_id, void* status);
  Returned (*slave_resources)(Any slave);
  Returned (*slave_attributes)(Any slave);
  // mesos::MesosSchedulerDriver
  void (*driver_construct)(void* driver, void* scheduler, Any framework, Text_ master);
  void (*driver_destroy)(void* driver);
};

extern Symbols mesos;

// The address of a symbol of the process, null when there is none.
void* find_symbol(const char* name);

}  // namespace host

#endif
