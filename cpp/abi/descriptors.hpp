// The host's own protobuf schema, as serialised FileDescriptorProtos.
#ifndef MESOS_COMMAND_ABI_DESCRIPTORS_HPP
#define MESOS_COMMAND_ABI_DESCRIPTORS_HPP

#include <string>
#include <vector>

#include "message.hpp"

namespace mesos_command {
namespace abi MESOS_COMMAND_HIDDEN {
inline namespace MESOS_COMMAND_STRINGS {

// google::protobuf::DescriptorPool and FileDescriptor.
class DescriptorPool;
class FileDescriptor;

}  // namespace MESOS_COMMAND_STRINGS
}  // namespace abi
}  // namespace mesos_command

extern "C" {

const mesos_command::abi::DescriptorPool* mesos_command_host_generated_pool()
    MESOS_COMMAND_HOST_SYMBOL("_ZN6google8protobuf14DescriptorPool14generated_poolEv");
const mesos_command::abi::FileDescriptor* mesos_command_host_find_file(
    const mesos_command::abi::DescriptorPool* self, const std::string* name)
    MESOS_COMMAND_HOST_SYMBOL_OF_STRINGS(
        "_ZNK6google8protobuf14DescriptorPool14FindFileByNameERK" MESOS_COMMAND_STRING_MANGLED);
void mesos_command_host_copy_file(
    const mesos_command::abi::FileDescriptor* self, mesos_command::abi::AnyMessage* proto)
    MESOS_COMMAND_HOST_SYMBOL(
        "_ZNK6google8protobuf14FileDescriptor6CopyToEPNS0_19FileDescriptorProtoE");

}  // extern "C"

namespace mesos_command {
namespace abi MESOS_COMMAND_HIDDEN {
inline namespace MESOS_COMMAND_STRINGS {

// The files that hold the messages of the two interfaces, imported ones before their importers. A
// file that the host does not have is left out.
inline std::vector<std::string> descriptor_files()
{
  static const char* const names[] = {
      "mesos/mesos.proto",
      "mesos/appc/spec.proto",
      "mesos/docker/v1.proto",
      "mesos/seccomp/seccomp.proto",
      "mesos/module/module.proto",
      "mesos/module/hook.proto",
      "mesos/slave/containerizer.proto",
  };

  std::vector<std::string> files;
  const DescriptorPool* pool = mesos_command_host_generated_pool();
  for (const char* name : names) {
    const std::string text(name);
    const FileDescriptor* file = mesos_command_host_find_file(pool, &text);
    if (file != nullptr) {
      HeapMessage<FileDescriptorProtoType> proto;
      mesos_command_host_copy_file(file, &proto.any());
      files.push_back(serialize(proto.any()));
    }
  }
  return files;
}

}  // namespace MESOS_COMMAND_STRINGS
}  // namespace abi
}  // namespace mesos_command

#endif  // MESOS_COMMAND_ABI_DESCRIPTORS_HPP
