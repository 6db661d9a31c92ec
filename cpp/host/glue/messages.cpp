#include "messages.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <unordered_set>
#include <vector>

#include "symbols.hpp"

namespace host {

Text mangled(const char* type, const char* what)
{
  Text result = "_ZN";
  const char* part = type;
  while (*part != '\0') {
    const size_t length = std::strcspn(part, ".");
    result += std::to_string(length);
    result.append(part, length);
    part += length + (part[length] == '.' ? 1 : 0);
  }
  return result + what;
}

const Message* prototype(const char* type)
{
  void* address = find_symbol(mangled(type, "16default_instanceEv").c_str());
  if (address == nullptr) {
    return nullptr;
  }
  return reinterpret_cast<const Message* (*)()>(address)();
}

void construct(const char* type, void* place)
{
  void* address = find_symbol(mangled(type, "C1Ev").c_str());
  if (address == nullptr) {
    std::fprintf(stderr, "mesos-host: libmesos has no constructor of %s\n", type);
    std::abort();
  }
  reinterpret_cast<void (*)(void*)>(address)(place);
}

void emit_message(const void* message, HostEmit value, void* context)
{
  Text bytes;
  // Partial: the complete form throws in such a build when a required field is unset.
  mesos.append_partial(message, &bytes);
  value(context, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
}

void emit_list(const RepeatedMessages& list, HostEmit value, void* context)
{
  for (int i = 0; i < list.size; ++i) {
    emit_message(list.rep->elements[i], value, context);
  }
}

void clear_list(RepeatedMessages* list)
{
  if (list->rep == nullptr) {
    return;
  }
  for (int i = 0; i < list->rep->allocated; ++i) {
    delete static_cast<Message*>(list->rep->elements[i]);
  }
  ::operator delete(list->rep);
  *list = RepeatedMessages{};
}

namespace {

// A list of messages of one type, from serialised ones.
RepeatedMessages make_list(
    const char* type, const uint8_t* const* data, const size_t* sizes, size_t count)
{
  RepeatedMessages list{};
  if (count == 0) {
    return list;
  }
  const size_t room = offsetof(RepeatedMessages::Rep, elements) + count * sizeof(void*);
  list.rep = static_cast<RepeatedMessages::Rep*>(::operator new(room));
  for (size_t i = 0; i < count; ++i) {
    list.rep->elements[i] = host_message_new(type, data[i], sizes[i]);
  }
  list.rep->allocated = list.size = list.capacity = static_cast<int>(count);
  return list;
}

// An element of hashset<ContainerID>: the message with the room that it has in every release.
struct ContainerKey
{
  alignas(8) char message[40];
};

struct ContainerHash
{
  // Not noexcept, so that the nodes keep the hash beside the value, as Mesos's do.
  size_t operator()(const ContainerKey& key) const
  {
    Text bytes;
    mesos.append_partial(key.message, &bytes);
    return std::hash<Text>()(bytes);
  }
};

struct ContainerEqual
{
  bool operator()(const ContainerKey& left, const ContainerKey& right) const
  {
    Text a, b;
    mesos.append_partial(left.message, &a);
    mesos.append_partial(right.message, &b);
    return a == b;
  }
};

using ContainerSet = std::unordered_set<ContainerKey, ContainerHash, ContainerEqual>;
static_assert(sizeof(ContainerSet) == 56, "hashset<ContainerID>");

// google::protobuf::Map<string, Value.Scalar> as its readers see it: one bucket with a list.
struct LimitPair
{
  Text key;
  alignas(8) char scalar[32];
};
struct LimitNode
{
  Text key;
  LimitPair* pair;
  LimitNode* next;
};
struct LimitTable
{
  size_t size;
  size_t buckets;
  size_t seed;
  size_t first_used;
  void** table;
  void* arena;
};
struct LimitMap
{
  void* arena;
  int default_enum;
  LimitTable* table;
};
static_assert(sizeof(LimitNode) == 16 + TEXT && sizeof(LimitPair) == 32 + TEXT, "Map node");
static_assert(sizeof(LimitTable) == 48 && sizeof(LimitMap) == 24, "Map");

}  // namespace

}  // namespace host

using namespace host;

void host_descriptors(const char* const* names, size_t count, HostEmitNamed emit, void* context)
{
  const void* pool = mesos.generated_pool();
  for (size_t i = 0; i < count; ++i) {
    const void* file = mesos.find_file(pool, names[i]);
    if (file == nullptr) {
      continue;
    }
    alignas(16) char proto[512];
    mesos.file_proto_construct(proto);
    mesos.copy_file(file, proto);
    Text bytes;
    mesos.append_partial(proto, &bytes);
    emit(context, names[i], reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    mesos.file_proto_destroy(proto);
  }
}

void* host_message_new(const char* type, const uint8_t* data, size_t size)
{
  const Message* model = prototype(type);
  if (model == nullptr) {
    return nullptr;
  }
  Message* message = model->create();
  if (!mesos.parse_partial(message, data, static_cast<int>(size))) {
    delete message;
    return nullptr;
  }
  return message;
}

void host_message_free(void* message)
{
  delete static_cast<Message*>(message);
}

size_t host_message_size(const char* type)
{
  const Message* model = prototype(type);
  return model == nullptr ? 0 : mesos.space_used(model);
}

void* host_resources_new(const uint8_t* const* data, const size_t* sizes, size_t count)
{
  RepeatedMessages list = make_list("mesos.Resource", data, sizes, count);
  mesos.upgrade_resources(&list);
  // Resources is 264 bytes in every release known; more room costs nothing.
  void* resources = ::operator new(512);
  mesos.resources_construct(resources, list);
  clear_list(&list);
  return resources;
}

void* host_limits_new(const char* const* keys, const double* values, size_t count)
{
  LimitMap* map = new LimitMap{};
  // Two buckets: a reader takes two equal neighbours for the root of a tree.
  map->table = new LimitTable{count, 2, 0, count == 0 ? size_t{2} : size_t{0}, nullptr, nullptr};
  map->table->table = new void*[2]{};
  for (size_t i = 0; i < count; ++i) {
    LimitPair* pair = new LimitPair{keys[i], {}};
    construct("mesos.Value_Scalar", pair->scalar);
    // Value.Scalar is one double with field number 1.
    uint8_t bytes[9] = {0x09};
    std::memcpy(bytes + 1, &values[i], sizeof(double));
    mesos.parse_partial(pair->scalar, bytes, sizeof(bytes));
    LimitNode* next = static_cast<LimitNode*>(map->table->table[0]);
    map->table->table[0] = new LimitNode{keys[i], pair, next};
  }
  return map;
}

void* host_states_new(const uint8_t* const* data, const size_t* sizes, size_t count)
{
  const char* type = "mesos.slave.ContainerState";
  const size_t stride = host_message_size(type);
  // The layout of std::vector, whose elements' size is only known now.
  struct Vector
  {
    char* begin;
    char* end;
    char* room;
  };
  const size_t room = count == 0 ? stride : stride * count;
  char* place = static_cast<char*>(::operator new(room));
  for (size_t i = 0; i < count; ++i) {
    construct(type, place + i * stride);
    mesos.parse_partial(place + i * stride, data[i], static_cast<int>(sizes[i]));
  }
  return new Vector{place, place + count * stride, place + count * stride};
}

void* host_orphans_new(const uint8_t* const* data, const size_t* sizes, size_t count)
{
  ContainerSet* set = new ContainerSet();
  for (size_t i = 0; i < count; ++i) {
    ContainerKey key;
    construct("mesos.ContainerID", key.message);
    mesos.parse_partial(key.message, data[i], static_cast<int>(sizes[i]));
    // Bytewise: a message may be moved as long as the old place is forgotten.
    set->insert(key);
  }
  return set;
}
