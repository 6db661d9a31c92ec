/* The table of versions that a libmesos with the strings of C++11 has; preloaded into one that is built
 * with those before, so that its protobuf and its table seem to differ. */
#include <stddef.h>

struct text
{
  const char* data;
  size_t length;
  char room[16];
};

struct node
{
  const struct node* next;
  struct text key;
  struct text value;
  size_t hash;
};

struct table
{
  void* buckets;
  size_t bucket_count;
  const struct node* first;
  size_t count;
};

static const struct node isolator = {NULL, {"Isolator", 8, ""}, {"1.11.0", 6, ""}, 0};
static const struct node hook = {&isolator, {"Hook", 4, ""}, {"1.11.0", 6, ""}, 0};

extern const struct table table __asm__("_ZN5mesos7modules13ModuleManager13kindToVersionB5cxx11E");
const struct table table = {NULL, 1, &hook, 2};
