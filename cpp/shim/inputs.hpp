// The inputs of one event, serialised, in the order of the event's row.
#ifndef MESOS_COMMAND_SHIM_INPUTS_HPP
#define MESOS_COMMAND_SHIM_INPUTS_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "../abi/containers.hpp"
#include "../abi/resources.hpp"
#include "mesos-command-modules/src/bridge.rs.h"
#include "rust/cxx.h"

namespace mesos_command {
namespace shim {
inline namespace MESOS_COMMAND_STRINGS {

inline rust::Slice<const std::uint8_t> bytes_of(const std::string& text)
{
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// Keeps the bytes that the inputs refer to; lives until the call into Rust has returned. Each
// function adds the next input.
class Inputs
{
public:
  Inputs() = default;
  Inputs(const Inputs&) = delete;
  Inputs& operator=(const Inputs&) = delete;

  void absent();
  void message(const abi::AnyMessage& value);
  void optional_message(const abi::OptionalMessage& value);
  void integer(std::int64_t value);
  void text(const std::string& value);
  void optional_map(const abi::Option<abi::StringMap>& value);
  void resources(const abi::AnyResources& value);
  void scalars(const abi::ScalarMap& value);
  void states(const abi::ContainerStates& value, std::size_t size);
  void container_ids(const abi::ContainerIdSet& value);

  rust::Slice<const Input> slice() const { return {values, count}; }

private:
  // The most that any event has.
  static constexpr std::size_t CAPACITY = 6;

  Input& next(InputKind kind);
  void messages(std::vector<std::string>&& serialised);

  Input values[CAPACITY];
  std::string message_bytes[CAPACITY];
  std::vector<std::string> list_bytes[CAPACITY];
  std::vector<Item> list_items[CAPACITY];
  std::size_t count = 0;
};

}  // namespace MESOS_COMMAND_STRINGS
}  // namespace shim
}  // namespace mesos_command

#endif  // MESOS_COMMAND_SHIM_INPUTS_HPP
