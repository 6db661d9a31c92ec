#include "inputs.hpp"

#include <utility>

#include "log.hpp"

namespace mesos_command {
namespace shim {
inline namespace MESOS_COMMAND_STRINGS {

Input& Inputs::next(InputKind kind)
{
  if (count == CAPACITY) {
    throw Unexpected("an event has more inputs than expected");
  }
  Input& input = values[count++];
  input.kind = kind;
  return input;
}

void Inputs::absent()
{
  next(InputKind::Absent);
}

void Inputs::message(const abi::AnyMessage& value)
{
  Input& input = next(InputKind::Message);
  std::string& bytes = message_bytes[count - 1];
  abi::append(value, bytes);
  input.bytes = bytes_of(bytes);
}

void Inputs::optional_message(const abi::OptionalMessage& value)
{
  if (const abi::AnyMessage* given = value.get()) {
    message(*given);
  } else {
    absent();
  }
}

void Inputs::integer(std::int64_t value)
{
  next(InputKind::Integer).integer = value;
}

void Inputs::text(const std::string& value)
{
  next(InputKind::Text).bytes = bytes_of(value);
}

void Inputs::optional_map(const abi::Option<abi::StringMap>& value)
{
  if (!value.is_some()) {
    absent();
    return;
  }
  Input& input = next(InputKind::TextMap);
  std::vector<Item>& items = list_items[count - 1];
  for (const auto& entry : value.get()) {
    Item item;
    item.key = bytes_of(entry.first);
    item.value = bytes_of(entry.second);
    item.number = 0;
    items.push_back(item);
  }
  input.items = {items.data(), items.size()};
}

void Inputs::messages(std::vector<std::string>&& serialised)
{
  Input& input = next(InputKind::Messages);
  std::vector<std::string>& bytes = list_bytes[count - 1];
  std::vector<Item>& items = list_items[count - 1];
  bytes = std::move(serialised);
  items.reserve(bytes.size());
  for (const std::string& message : bytes) {
    Item item;
    item.value = bytes_of(message);
    item.number = 0;
    items.push_back(item);
  }
  input.items = {items.data(), items.size()};
}

void Inputs::resources(const abi::AnyResources& value)
{
  // The host's own conversion works for every layout of Resources.
  const abi::ResourceField field = abi::host_resource_field(&value);
  std::vector<std::string> serialised;
  serialised.reserve(field.size());
  for (std::size_t i = 0; i < field.size(); i++) {
    serialised.push_back(abi::serialize(field[i]));
  }
  messages(std::move(serialised));
}

void Inputs::scalars(const abi::ScalarMap& value)
{
  Input& input = next(InputKind::ScalarMap);
  std::vector<Item>& items = list_items[count - 1];
  const bool complete = value.visit([&](const std::string& key, double number) {
    Item item;
    item.key = bytes_of(key);
    item.number = number;
    items.push_back(item);
  });
  if (!complete) {
    log_error(__FILE__, __LINE__, "update", "some limits cannot be read and are left out");
  }
  input.items = {items.data(), items.size()};
}

void Inputs::states(const abi::ContainerStates& value, std::size_t size)
{
  std::vector<std::string> serialised;
  serialised.reserve(value.bytes() / size);
  value.visit(
      size, [&](const abi::AnyMessage& state) { serialised.push_back(abi::serialize(state)); });
  messages(std::move(serialised));
}

void Inputs::container_ids(const abi::ContainerIdSet& value)
{
  std::vector<std::string> serialised;
  serialised.reserve(value.size());
  if (!value.visit([&](const abi::AnyMessage& id) { serialised.push_back(abi::serialize(id)); })) {
    throw Unexpected("the set of orphans is not laid out as expected");
  }
  messages(std::move(serialised));
}

}  // namespace MESOS_COMMAND_STRINGS
}  // namespace shim
}  // namespace mesos_command
