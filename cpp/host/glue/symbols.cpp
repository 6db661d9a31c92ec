#include "symbols.hpp"

#include <cstring>
#include <dlfcn.h>

#include "glue.h"

namespace host {

Symbols mesos;

namespace {

#if _GLIBCXX_USE_CXX11_ABI
#define STRING "NSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE"
#define TWO_MORE "ES9_S9_"
#define STRING_MAP "SH_SH_RKS2_ISt3mapISF_SF_St4lessISF_ESaISt4pairISG_SF_EEEE"
#else
#define STRING "Ss"
#define TWO_MORE "ES3_S3_"
#define STRING_MAP "SB_SB_RKS2_ISt3mapISsSsSt4lessISsESaISt4pairISA_SsEEEE"
#endif
#define HOOKS "_ZN5mesos8internal11HookManager"
#define PB "6google8protobuf"

struct Entry
{
  void* slot;
  const char* name;
  // Mesos 1.7 does not have it.
  bool optional = false;
};

// The mangled names, each beside the pointer that it fills.
const Entry ENTRIES[] = {
    {&mesos.parse_partial, "_ZN" PB "11MessageLite21ParsePartialFromArrayEPKvi"},
    {&mesos.append_partial, "_ZNK" PB "11MessageLite21AppendPartialToStringEP" STRING},
    {&mesos.space_used, "_ZNK" PB "7Message13SpaceUsedLongEv"},
    {&mesos.generated_pool, "_ZN" PB "14DescriptorPool14generated_poolEv"},
    {&mesos.find_file, "_ZNK" PB "14DescriptorPool14FindFileByNameERK" STRING},
    {&mesos.copy_file, "_ZNK" PB "14FileDescriptor6CopyToEPNS0_19FileDescriptorProtoE"},
    {&mesos.file_proto_construct, "_ZN" PB "19FileDescriptorProtoC1Ev"},
    {&mesos.file_proto_destroy, "_ZN" PB "19FileDescriptorProtoD1Ev"},
    {&mesos.resources_construct,
     "_ZN5mesos9ResourcesC1ERKN" PB "16RepeatedPtrFieldINS_8ResourceEEE"},
    {&mesos.resources_list, "_ZNK5mesos9ResourcescvN" PB "16RepeatedPtrFieldINS_8ResourceEEEEv"},
    {&mesos.upgrade_resources,
     "_ZN5mesos16upgradeResourcesEPN" PB "16RepeatedPtrFieldINS_8ResourceEEE"},
    {&mesos.process_initialize, "_ZN7process10initializeERK6OptionI" STRING TWO_MORE},
    {&mesos.process_finalize, "_ZN7process8finalizeEb"},
    {&mesos.load_manifest, "_ZN5mesos7modules13ModuleManager12loadManifestERKNS_7ModulesE"},
    {&mesos.create_isolator,
     "_ZN5mesos7modules13ModuleManager6createINS_5slave8IsolatorEEE3TryIPT_5ErrorERK" STRING
     "RK6OptionINS_10ParametersEE"},
    {&mesos.hooks_initialize, HOOKS "10initializeERK" STRING},
    {&mesos.master_launch_task_label,
     HOOKS "30masterLaunchTaskLabelDecoratorERKNS_8TaskInfoERKNS_13FrameworkInfoERKNS_9SlaveInfoE"},
    {&mesos.master_launch_task_resource,
     HOOKS "33masterLaunchTaskResourceDecoratorERKNS_8TaskInfoERKNS_9ResourcesE", true},
    {&mesos.master_slave_lost, HOOKS "19masterSlaveLostHookERKNS_9SlaveInfoE"},
    {&mesos.slave_run_task_label,
     HOOKS "26slaveRunTaskLabelDecoratorERKNS_8TaskInfoERKNS_12ExecutorInfoERKNS_13FrameworkInfoE"
           "RKNS_9SlaveInfoE"},
    {&mesos.slave_executor_environment,
     HOOKS "33slaveExecutorEnvironmentDecoratorENS_12ExecutorInfoE"},
    {&mesos.docker, HOOKS
     "41slavePreLaunchDockerTaskExecutorDecoratorERK6OptionINS_8TaskInfoEERKNS_12ExecutorInfoE"
     "RK" STRING STRING_MAP},
    {&mesos.slave_post_fetch, HOOKS "18slavePostFetchHookERKNS_11ContainerIDERK" STRING},
    {&mesos.slave_remove_executor,
     HOOKS "23slaveRemoveExecutorHookERKNS_13FrameworkInfoERKNS_12ExecutorInfoE"},
    {&mesos.slave_task_status,
     HOOKS "24slaveTaskStatusDecoratorERKNS_11FrameworkIDENS_10TaskStatusE"},
    {&mesos.slave_resources, HOOKS "23slaveResourcesDecoratorERKNS_9SlaveInfoE"},
    {&mesos.slave_attributes, HOOKS "24slaveAttributesDecoratorERKNS_9SlaveInfoE"},
    {&mesos.driver_construct,
     "_ZN5mesos20MesosSchedulerDriverC1EPNS_9SchedulerERKNS_13FrameworkInfoERK" STRING},
    {&mesos.driver_destroy, "_ZN5mesos20MesosSchedulerDriverD1Ev"},
};

}  // namespace

void* find_symbol(const char* name)
{
  return dlsym(RTLD_DEFAULT, name);
}

}  // namespace host

size_t host_bind(HostEmit missing, void* context)
{
  size_t count = 0;
  for (const host::Entry& entry : host::ENTRIES) {
    void* address = host::find_symbol(entry.name);
    // Both are pointers of the same size; the slot's own type gives the call its signature.
    std::memcpy(entry.slot, &address, sizeof(address));
    if (address == nullptr && !entry.optional) {
      ++count;
      missing(context, reinterpret_cast<const uint8_t*>(entry.name), std::strlen(entry.name));
    }
  }
  return count;
}
