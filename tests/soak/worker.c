/* The worker of the soak: answers usage with the number at the end of its container's name. Plainly
 * started, it does the same. Hangs while $SOAK_PLACE/moods/worker exists. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The number of the container that a request or an input is about, behind the BASE of soak.rs. */
static unsigned long value(const char* input)
{
  static const char key[] = "\"container_id\":{\"value\":\"load-";
  const char* at = strstr(input, key);

  return at ? 1000000 + strtoul(at + sizeof key - 1, NULL, 10) : 0;
}

static void obey_mood(void)
{
  char path[4096];
  const char* place = getenv("SOAK_PLACE");

  snprintf(path, sizeof path, "%s/moods/worker", place ? place : "");
  while (access(path, F_OK) == 0)
    usleep(100 * 1000);
}

int main(int argc, char** argv)
{
  char* line = NULL;
  size_t size = 0;

  if (!getenv("MESOS_COMMAND_WORKER")) {
    FILE* out = argc > 2 ? fopen(argv[2], "w") : NULL;

    if (!out || getline(&line, &size, stdin) < 0)
      return 1;
    fprintf(out, "{\"mem_rss_bytes\":%lu}", value(line));
    return fclose(out) ? 1 : 0;
  }
  while (getline(&line, &size, stdin) > 0) {
    unsigned long long id;

    obey_mood();
    if (sscanf(line, "{\"id\":%llu,", &id) == 1)
      printf("{\"id\":%llu,\"output\":{\"mem_rss_bytes\":%lu}}\n", id, value(line));
    else
      puts("{\"ready\":1}");
    fflush(stdout);
  }
  return 0;
}
