/* isolator_usage_command, with isolator_usage_mode=worker: memory of a container, from its cgroup.
 * cc -O2 -o usage usage.c */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Writes the JSON of the answer; empty when there is nothing to say. */
static void usage(const char* input, FILE* out, const char* before, const char* after)
{
  /* A nested container, which has no cgroup of its own, has the key "parent" first. */
  static const char key[] = "\"container_id\":{\"value\":\"";
  const char* cgroups = getenv("CGROUPS");
  char path[4096], id[256];
  unsigned long long bytes;
  const char* at = strstr(input, key);
  FILE* file;

  if (!at || sscanf(at + sizeof key - 1, "%255[^\"/\\]", id) != 1)
    return;
  snprintf(
      path, sizeof path, "%s/%s/memory.current", cgroups ? cgroups : "/sys/fs/cgroup/mesos", id);
  if (!(file = fopen(path, "re")))
    return;
  if (fscanf(file, "%llu", &bytes) == 1)
    fprintf(out, "%s{\"mem_rss_bytes\":%llu}%s", before, bytes, after);
  fclose(file);
}

int main(int argc, char** argv)
{
  char* line = NULL;
  size_t size = 0;

  if (!getenv("MESOS_COMMAND_WORKER")) { /* No worker is up: an ordinary call. */
    FILE* out = argc > 2 ? fopen(argv[2], "w") : NULL;

    if (!out || getline(&line, &size, stdin) < 0)
      return 1;
    usage(line, out, "", "\n");
    return fclose(out) ? 1 : 0;
  }
  while (getline(&line, &size, stdin) > 0) {
    unsigned long long id;

    if (strstr(line, "\"mesos_command_worker\"") == line + 1) {
      puts("{\"ready\":1}");
    } else if (sscanf(line, "{\"id\":%llu,", &id) == 1) {
      /* The id is always the first key of a request. */
      printf("{\"id\":%llu", id);
      usage(line, stdout, ",\"output\":", "");
      puts("}");
    } else {
      fprintf(stderr, "not a request: %s", line);
      return 1;
    }
    fflush(stdout);
  }
  return 0;
}
