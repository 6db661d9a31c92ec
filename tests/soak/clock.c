/* Preloaded into the host of the soak: a wall clock of its own that can be set, so that nobody
 * else's is. The file that SOAK_CLOCK names holds the seconds by which it is ahead, as an int64.
 * The monotonic clocks are left alone. Commands do not inherit it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int (*real_clock_gettime)(clockid_t, struct timespec*);
static const volatile int64_t* ahead;

__attribute__((constructor)) static void set_up(void)
{
  const char* path = getenv("SOAK_CLOCK");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

  if (file >= 0) {
    void* place = mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, file, 0);

    if (place != MAP_FAILED)
      ahead = place;
    close(file);
  }
  unsetenv("LD_PRELOAD");
  unsetenv("SOAK_CLOCK");
}

int clock_gettime(clockid_t clock, struct timespec* time)
{
  int done;

  if (!real_clock_gettime)
    real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
  done = real_clock_gettime(clock, time);
  if (done == 0 && ahead && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
    time->tv_sec += *ahead;
  return done;
}

int gettimeofday(struct timeval* restrict now, void* restrict zone)
{
  struct timespec time;

  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &time) != 0)
    return -1;
  now->tv_sec = time.tv_sec;
  now->tv_usec = time.tv_nsec / 1000;
  return 0;
}

time_t time(time_t* now)
{
  struct timespec found;
  time_t seconds = clock_gettime(CLOCK_REALTIME, &found) == 0 ? found.tv_sec : (time_t)-1;

  if (now)
    *now = seconds;
  return seconds;
}
