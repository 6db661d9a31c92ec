/* The protocol of workers: mesos_worker_main(argc, argv, answer, cancels).
 *
 * `answer(input, out, why)` gets the JSON that a command finds in its input file, and writes to
 * `out` what a command would write to its output file, or nothing. To fail the call it writes the
 * reason to `why`, and returns another value than 0. The program answers an ordinary call
 * (COMMAND INPUT OUTPUT ERROR) too, as is done while no worker is up.
 *
 * With `cancels` other than 0 a request is cancelled at its deadline, or when its container ends:
 * `answer` has to ask mesos_worker_is_cancelled() now and then, and to return soon when it says so.
 * Else a worker that is late is killed, and another one started.
 *
 * stdout belongs to the protocol: while a worker serves, what is printed goes to stderr. Copy this
 * file beside your worker; it needs C99 and POSIX 2008, and _GNU_SOURCE or the like for these. */
#ifndef MESOS_WORKER_H
#define MESOS_WORKER_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int (*mesos_worker_answer)(const char* input, FILE* out, FILE* why);

/* What was read from the module and not used, and the request that is being answered. */
static struct
{
  int in;
  char* data;
  size_t used, size;
  unsigned long long id;
  int is_cancelled;
} mesos_worker;

/* The next line, without its end, to be freed. None at the end of the input or, without `wait`,
 * when there is no whole line yet. */
static inline char* mesos_worker_line(int wait)
{
  for (;;) {
    char* end = mesos_worker.used ? memchr(mesos_worker.data, '\n', mesos_worker.used) : NULL;
    struct pollfd readable = {mesos_worker.in, POLLIN, 0};
    ssize_t count;

    if (end) {
      size_t length = (size_t)(end - mesos_worker.data);
      char* line = malloc(length + 1);

      if (!line)
        abort();
      memcpy(line, mesos_worker.data, length);
      line[length] = 0;
      mesos_worker.used -= length + 1;
      memmove(mesos_worker.data, end + 1, mesos_worker.used);
      return line;
    }
    if (mesos_worker.used == mesos_worker.size) {
      mesos_worker.size = mesos_worker.size ? 2 * mesos_worker.size : 65536;
      if (!(mesos_worker.data = realloc(mesos_worker.data, mesos_worker.size)))
        abort();
    }
    if (!wait && poll(&readable, 1, 0) <= 0)
      return NULL;
    count = read(
        mesos_worker.in, mesos_worker.data + mesos_worker.used,
        mesos_worker.size - mesos_worker.used);
    if (count == 0 || (count < 0 && errno != EINTR))
      return NULL;
    mesos_worker.used += count > 0 ? (size_t)count : 0;
  }
}

/* Notes a cancel; one of a request that is answered already means nothing. */
static inline void mesos_worker_cancel(const char* line)
{
  unsigned long long id;

  if (sscanf(line, "{\"cancel\":%llu", &id) == 1 && id == mesos_worker.id)
    mesos_worker.is_cancelled = 1;
}

/* Whether the request that is being answered was cancelled. */
static inline int mesos_worker_is_cancelled(void)
{
  char* line;

  while (!mesos_worker.is_cancelled && mesos_worker.id && (line = mesos_worker_line(0))) {
    mesos_worker_cancel(line);
    free(line);
  }
  return mesos_worker.is_cancelled;
}

/* Ends the input of a request behind its JSON: other keys may follow it. */
static inline char* mesos_worker_input(char* line)
{
  static const char key[] = "\"input\":";
  char* input = strstr(line, key);
  char* at;
  int depth = 0, is_text = 0;

  if (!input)
    return NULL;
  input += sizeof key - 1;
  for (at = input; *at; at++) {
    if (is_text) {
      if (*at == '\\' && at[1])
        at++;
      else if (*at == '"')
        is_text = 0;
    } else if (*at == '"') {
      is_text = 1;
    } else if (*at == '{' || *at == '[') {
      depth++;
    } else if ((*at == '}' || *at == ']') && --depth <= 0) {
      at[depth == 0] = 0;
      break;
    } else if (*at == ',' && depth == 0) {
      *at = 0;
      break;
    }
  }
  return input;
}

/* Writes text as a JSON string. */
static inline void mesos_worker_string(FILE* to, const char* text)
{
  fputc('"', to);
  for (; *text; text++) {
    if ((unsigned char)*text < ' ')
      fprintf(to, "\\u%04x", (unsigned)*text);
    else
      fprintf(to, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
  }
  fputc('"', to);
}

/* Answers a request. */
static inline void mesos_worker_reply(FILE* to, char* line, mesos_worker_answer answer)
{
  char *output = NULL, *reason = NULL, *input = mesos_worker_input(line), *at;
  size_t output_size, reason_size;
  FILE* out = open_memstream(&output, &output_size);
  FILE* why = open_memstream(&reason, &reason_size);
  int failed;

  if (!out || !why)
    abort();
  failed = answer(input ? input : "{}", out, why);
  if (fclose(out) || fclose(why))
    abort();
  /* In JSON a line feed stands only where a space may. */
  for (at = output; (at = strchr(at, '\n'));)
    *at = ' ';
  fprintf(to, "{\"id\":%llu", mesos_worker.id);
  if (failed) {
    fputs(",\"error\":", to);
    mesos_worker_string(to, *reason ? reason : "failed");
  } else if (output[strspn(output, " ")]) {
    fprintf(to, ",\"output\":%s", output);
  }
  fputs("}\n", to);
  free(output);
  free(reason);
}

/* An ordinary call. */
static inline int mesos_worker_call(char** argv, mesos_worker_answer answer)
{
  char* input = NULL;
  size_t size = 0;
  FILE* in = fopen(argv[1], "r");
  FILE* out = fopen(argv[2], "w");
  FILE* why = fopen(argv[3], "w");
  int failed;

  if (!in || !out || !why || getdelim(&input, &size, 0, in) < 0) {
    perror("the files of a call");
    return 1;
  }
  failed = answer(input, out, why);
  return fclose(out) || fclose(why) || failed ? 1 : 0;
}

static inline int mesos_worker_main(int argc, char** argv, mesos_worker_answer answer, int cancels)
{
  char* line;
  FILE* to;
  int null = open("/dev/null", O_RDONLY);

  if (!getenv("MESOS_COMMAND_WORKER")) {
    if (argc == 4)
      return mesos_worker_call(argv, answer);
    fputs("usage: COMMAND INPUT OUTPUT ERROR\n", stderr);
    return 2;
  }
  /* Nobody else is to write to the pipes of the protocol, or to read from them. */
  mesos_worker.in = fcntl(0, F_DUPFD_CLOEXEC, 3);
  to = fdopen(fcntl(1, F_DUPFD_CLOEXEC, 3), "w");
  if (mesos_worker.in < 0 || !to || null < 0 || dup2(null, 0) < 0 || dup2(2, 1) < 0) {
    perror("the pipes of a worker");
    return 1;
  }
  close(null);
  while ((line = mesos_worker_line(1))) {
    if (strncmp(line, "{\"mesos_command_worker\"", 23) == 0) {
      fprintf(to, "{\"ready\":1,\"cancel\":%s}\n", cancels ? "true" : "false");
    } else if (sscanf(line, "{\"id\":%llu,", &mesos_worker.id) == 1) {
      /* The id is always the first key of a request. */
      mesos_worker.is_cancelled = 0;
      mesos_worker_reply(to, line, answer);
      mesos_worker.id = 0;
    }
    /* Other lines: a cancel that comes too late. */
    free(line);
    if (fflush(to))
      return 1;
  }
  return 0;
}

#endif
