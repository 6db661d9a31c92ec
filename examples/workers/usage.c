/* isolator_usage_command, with isolator_usage_mode=worker: memory of a container, from its cgroup.
 * cc -O2 -o usage usage.c */
#define _GNU_SOURCE
#include "mesos_worker.h"

/* Writes the JSON of the answer; nothing when there is nothing to say. */
static int usage(const char* input, FILE* out, FILE* why)
{
  /* A nested container, which has no cgroup of its own, has the key "parent" first. */
  static const char key[] = "\"container_id\":{\"value\":\"";
  const char* cgroups = getenv("CGROUPS");
  char path[4096], id[256];
  unsigned long long bytes;
  const char* at = strstr(input, key);
  FILE* file;

  (void)why;
  if (!at || sscanf(at + sizeof key - 1, "%255[^\"/\\]", id) != 1)
    return 0;
  snprintf(
      path, sizeof path, "%s/%s/memory.current", cgroups ? cgroups : "/sys/fs/cgroup/mesos", id);
  if (!(file = fopen(path, "re")))
    return 0;
  if (fscanf(file, "%llu", &bytes) == 1)
    fprintf(out, "{\"mem_rss_bytes\":%llu}\n", bytes);
  fclose(file);
  return 0;
}

int main(int argc, char** argv)
{
  return mesos_worker_main(argc, argv, usage, 0);
}
