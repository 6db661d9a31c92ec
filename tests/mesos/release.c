/* Makes a libmesos say that it is another release, for tests. Preloaded, it stands in for dlopen():
 * before a command module is opened, the releases in ModuleManager's table, which is filled by then,
 * become $SIMULATED_RELEASE (at most 15 bytes, which every std::string holds in itself). The
 * libmesos is $SIMULATED_LIBRARY. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

struct text {
  char* data;
  size_t length;
  char room[16];
};

struct node {
  struct node* next;
  struct text key;
  struct text value;
};

struct table {
  void* buckets;
  size_t count;
  struct node* first;
};

typedef void* open_function(const char*, int);

static void rename_release(open_function* open)
{
  const char* library = getenv("SIMULATED_LIBRARY");
  const char* release = getenv("SIMULATED_RELEASE");
  void* mesos = library ? open(library, RTLD_NOW | RTLD_NOLOAD) : NULL;
  struct table* table =
      mesos ? dlsym(mesos, "_ZN5mesos7modules13ModuleManager13kindToVersionB5cxx11E") : NULL;
  if (!table || !table->first || !release || strlen(release) > 15) {
    abort();
  }
  for (struct node* node = table->first; node; node = node->next) {
    strcpy(node->value.data, release);
    node->value.length = strlen(release);
  }
}

void* dlopen(const char* file, int flags)
{
  open_function* open;
  *(void**)&open = dlsym(RTLD_NEXT, "dlopen");
  if (file && strstr(file, "libmesos_command_modules")) {
    rename_release(open);
  }
  return open(file, flags);
}
