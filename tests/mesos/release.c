/* Makes a libmesos look like another one to a command module, for tests; preloaded. The libmesos is
 * $SIMULATED_LIBRARY. What it stands in for:
 *
 * dlopen(): with $SIMULATED_RELEASE, before a command module is opened, the releases in
 * ModuleManager's table, which is filled by then, become that (at most 15 bytes, which every
 * std::string holds in itself).
 *
 * Functions that the module calls to find out how the host's types are laid out:
 * $SIMULATED_SIZES="mesos.Labels=56,mesos.slave.ContainerLaunchInfo=288" is what is reported of
 * messages; $SIMULATED_LAYOUT is "resources": their constructor fills eight bytes more, or "limits":
 * the map of limits does not have what was put in. Others who call them get the real ones. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODULE "libmesos_command_modules"

struct text
{
  char* data;
  size_t length;
  char room[16];
};

struct node
{
  struct node* next;
  struct text key;
  struct text value;
};

/* Of the strings before C++11: the count of characters stands three words before them. */
struct cow_node
{
  struct cow_node* next;
  char* key;
  char* value;
};

struct table
{
  void* buckets;
  size_t count;
  void* first;
};

typedef void* open_function(const char*, int);

static open_function* real_open(void)
{
  open_function* open;
  *(void**)&open = dlsym(RTLD_NEXT, "dlopen");
  return open;
}

/* A symbol of the libmesos, if it has it. */
static void* look_for(const char* name)
{
  const char* library = getenv("SIMULATED_LIBRARY");
  void* mesos = library ? real_open()(library, RTLD_NOW | RTLD_NOLOAD) : NULL;
  return mesos ? dlsym(mesos, name) : NULL;
}

/* The same; ends the process if there is none. */
static void* find(const char* name)
{
  void* found = look_for(name);
  if (!found) {
    abort();
  }
  return found;
}

static int from_module(void* address)
{
  Dl_info info;
  return dladdr(address, &info) && info.dli_fname && strstr(info.dli_fname, MODULE);
}

static int is_set(const char* name, const char* value)
{
  const char* text = getenv(name);
  return text && strcmp(text, value) == 0;
}

static void rename_cow_release(struct table* table, const char* release)
{
  for (struct cow_node* node = table->first; node; node = node->next) {
    size_t* count = (size_t*)node->value - 3;
    /* They fit into what malloc gives for so many: 24 bytes before the characters, 16 for them. */
    if (*count < 5 || strlen(release) > 15) {
      abort();
    }
    strcpy(node->value, release);
    *count = strlen(release);
  }
}

static void rename_release(const char* release)
{
  struct table* table = look_for("_ZN5mesos7modules13ModuleManager13kindToVersionB5cxx11E");
  if (!table) {
    rename_cow_release(find("_ZN5mesos7modules13ModuleManager13kindToVersionE"), release);
    return;
  }
  if (!table->first || strlen(release) > 15) {
    abort();
  }
  for (struct node* node = table->first; node; node = node->next) {
    strcpy(node->value.data, release);
    node->value.length = strlen(release);
  }
}

void* dlopen(const char* file, int flags)
{
  const char* release = getenv("SIMULATED_RELEASE");
  if (file && release && strstr(file, MODULE)) {
    rename_release(release);
  }
  return real_open()(file, flags);
}

/* The default instance of a message; its name has `length` bytes and parts joined by points. */
static const void* default_instance(const char* name, size_t length)
{
  char symbol[256] = "_ZN";
  size_t used = 3;
  for (size_t at = 0; at < length; at++) {
    size_t part = strcspn(name + at, ".=");
    used += snprintf(symbol + used, sizeof(symbol) - used, "%zu%.*s", part, (int)part, name + at);
    at += part;
  }
  snprintf(symbol + used, sizeof(symbol) - used, "16default_instanceEv");
  const void* (*get)(void);
  *(void**)&get = find(symbol);
  return get();
}

/* google::protobuf::Message::SpaceUsedLong() const */
size_t _ZNK6google8protobuf7Message13SpaceUsedLongEv(const void* self)
{
  const char* entry = getenv("SIMULATED_SIZES");
  while (entry && *entry && from_module(__builtin_return_address(0))) {
    size_t length = strcspn(entry, "=");
    if (default_instance(entry, length) == self) {
      return strtoul(entry + length + 1, NULL, 10);
    }
    entry = strchr(entry, ',');
    entry = entry ? entry + 1 : NULL;
  }
  size_t (*real)(const void*);
  *(void**)&real = find("_ZNK6google8protobuf7Message13SpaceUsedLongEv");
  return real(self);
}

/* mesos::Resources::Resources(const RepeatedPtrField<Resource>&) */
void _ZN5mesos9ResourcesC1ERKN6google8protobuf16RepeatedPtrFieldINS_8ResourceEEE(
    void* self, const void* list)
{
  void (*real)(void*, const void*);
  *(void**)&real =
      find("_ZN5mesos9ResourcesC1ERKN6google8protobuf16RepeatedPtrFieldINS_8ResourceEEE");
  real(self, list);
  if (is_set("SIMULATED_LAYOUT", "resources") && from_module(__builtin_return_address(0))) {
    memset((char*)self + 264, 0, 8);
  }
}

/* google::protobuf::MessageLite::ParsePartialFromArray(const void*, int) */
_Bool _ZN6google8protobuf11MessageLite21ParsePartialFromArrayEPKvi(
    void* self, const void* data, int size)
{
  char changed[256];
  /* Field 15 of TaskInfo: limits. */
  if (is_set("SIMULATED_LAYOUT", "limits") && size > 0 && size < (int)sizeof(changed) &&
      *(const char*)data == 0x7a && from_module(__builtin_return_address(0))) {
    memcpy(changed, data, size);
    changed[size - 1] ^= 1;
    data = changed;
  }
  _Bool (*real)(void*, const void*, int);
  *(void**)&real = find("_ZN6google8protobuf11MessageLite21ParsePartialFromArrayEPKvi");
  return real(self, data, size);
}
