// Lets a library that is built on today's system be loaded on systems of the age of Mesos.
//
// A symbol of libc is bound with the version that it had on the system of the build. Where newer
// versions only moved a function to another file (glibc 2.34 took in libpthread and libdl), or
// changed what nobody here sees, the linker (--wrap, in build.rs) sends calls to the functions
// below, which are bound to the old version or ask the kernel. `old_libc.txt` lists the names.
// Only for x86-64, whose symbols go back to glibc 2.2.5.
#include <features.h>

#if defined(__x86_64__) && defined(__GLIBC__)

#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OLD(name, version) asm(".symver mesos_command_old_" #name "," #name "@GLIBC_" version)
#define WRAPPED(name) __wrap_##name

#pragma GCC visibility push(hidden)

extern "C" {

// `OLD_CALL(result, name, version, parameters, arguments)`: the function of that version.
#define OLD_CALL(result, name, version, parameters, arguments)                       \
  OLD(name, version);                                                                \
  result mesos_command_old_##name parameters __attribute__((visibility("default"))); \
  result WRAPPED(name) parameters;                                                   \
  result WRAPPED(name) parameters                                                    \
  {                                                                                  \
    return mesos_command_old_##name arguments;                                       \
  }

OLD_CALL(void*, dlsym, "2.2.5", (void* handle, const char* name), (handle, name))
OLD_CALL(
    int,
    pthread_create,
    "2.2.5",
    (pthread_t * thread, const pthread_attr_t* attributes, void* (*start)(void*), void* argument),
    (thread, attributes, start, argument))
OLD_CALL(int, pthread_join, "2.2.5", (pthread_t thread, void** result), (thread, result))
OLD_CALL(int, pthread_detach, "2.2.5", (pthread_t thread), (thread))
OLD_CALL(
    int, pthread_key_create, "2.2.5", (pthread_key_t * key, void (*destroy)(void*)), (key, destroy))
OLD_CALL(int, pthread_key_delete, "2.2.5", (pthread_key_t key), (key))
OLD_CALL(int, pthread_setspecific, "2.2.5", (pthread_key_t key, const void* value), (key, value))
OLD_CALL(int, pthread_setname_np, "2.12", (pthread_t thread, const char* name), (thread, name))
OLD_CALL(
    int,
    pthread_getattr_np,
    "2.2.5",
    (pthread_t thread, pthread_attr_t* attributes),
    (thread, attributes))
OLD_CALL(
    int,
    pthread_attr_setstacksize,
    "2.2.5",
    (pthread_attr_t * attributes, size_t size),
    (attributes, size))
OLD_CALL(
    int,
    pthread_attr_getstack,
    "2.2.5",
    (const pthread_attr_t* attributes, void** address, size_t* size),
    (attributes, address, size))
OLD_CALL(
    int,
    pthread_attr_getguardsize,
    "2.2.5",
    (const pthread_attr_t* attributes, size_t* size),
    (attributes, size))
OLD_CALL(
    int, pthread_sigmask, "2.2.5", (int how, const sigset_t* set, sigset_t* old), (how, set, old))
// They used to report errors to a function of the program's; the results are the same.
OLD_CALL(double, exp, "2.2.5", (double x), (x))
OLD_CALL(double, log, "2.2.5", (double x), (x))
OLD_CALL(double, log2, "2.2.5", (double x), (x))
OLD_CALL(double, pow, "2.2.5", (double x, double y), (x, y))

// No functions of libc before 2.33. The kernel's structure is libc's on this machine.
#define STAT(name, Type)                                      \
  int WRAPPED(name)(const char* path, Type* result);          \
  int WRAPPED(name)(const char* path, Type* result)           \
  {                                                           \
    return static_cast<int>(syscall(SYS_stat, path, result)); \
  }
#define LSTAT(name, Type)                                      \
  int WRAPPED(name)(const char* path, Type* result);           \
  int WRAPPED(name)(const char* path, Type* result)            \
  {                                                            \
    return static_cast<int>(syscall(SYS_lstat, path, result)); \
  }
#define FSTAT(name, Type)                                    \
  int WRAPPED(name)(int fd, Type* result);                   \
  int WRAPPED(name)(int fd, Type* result)                    \
  {                                                          \
    return static_cast<int>(syscall(SYS_fstat, fd, result)); \
  }
#define FSTATAT(name, Type)                                                    \
  int WRAPPED(name)(int fd, const char* path, Type* result, int flags);        \
  int WRAPPED(name)(int fd, const char* path, Type* result, int flags)         \
  {                                                                            \
    return static_cast<int>(syscall(SYS_newfstatat, fd, path, result, flags)); \
  }

STAT(stat, struct stat)
STAT(stat64, struct stat)
LSTAT(lstat, struct stat)
LSTAT(lstat64, struct stat)
FSTAT(fstat, struct stat)
FSTAT(fstat64, struct stat)
FSTATAT(fstatat, struct stat)
FSTATAT(fstatat64, struct stat)

static_assert(sizeof(struct stat) == 144, "the kernel's");

// Younger than the oldest system; those who call them cope with a kernel that has none (ENOSYS).
#ifndef SYS_statx
#define SYS_statx 332
#endif
#ifndef SYS_getrandom
#define SYS_getrandom 318
#endif

pid_t WRAPPED(gettid)();
pid_t WRAPPED(gettid)()
{
  return static_cast<pid_t>(syscall(SYS_gettid));
}

ssize_t WRAPPED(getrandom)(void* buffer, size_t size, unsigned flags);
ssize_t WRAPPED(getrandom)(void* buffer, size_t size, unsigned flags)
{
  return syscall(SYS_getrandom, buffer, size, flags);
}

int WRAPPED(statx)(int fd, const char* path, int flags, unsigned mask, void* result);
int WRAPPED(statx)(int fd, const char* path, int flags, unsigned mask, void* result)
{
  return static_cast<int>(syscall(SYS_statx, fd, path, flags, mask, result));
}

// Registers the destructor of an object of a thread: in glibc since 2.18, before that in libstdc++,
// which passes on to glibc where that can do it.
int __cxa_thread_atexit(void (*destroy)(void*), void* object, void* library)
    __attribute__((visibility("default")));
int WRAPPED(__cxa_thread_atexit_impl)(void (*destroy)(void*), void* object, void* library);
int WRAPPED(__cxa_thread_atexit_impl)(void (*destroy)(void*), void* object, void* library)
{
  return __cxa_thread_atexit(destroy, object, library);
}

// libstdc++ asks it whether it may count references without atomic instructions: never.
extern char __libc_single_threaded;
char __libc_single_threaded = 0;

}  // extern "C"

#pragma GCC visibility pop

#endif
