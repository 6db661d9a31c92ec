// Lets a library that is built with today's compiler be loaded beside the libstdc++ of GCC 4.8.
//
// What the compiler calls and that libstdc++ does not have yet is defined here, hidden, under its own
// name; `old_libc.cpp` does the same for libc.
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>

// GCC 12's headers declare the members of the strings of C++11 as instances that libstdc++ has, which
// it has since GCC 5. The instances of this library's own are local to it. Those of the strings before
// must not be made here: all of a process share one empty string by its address, libstdc++'s, and what
// is not at that address is freed.
template class std::__cxx11::basic_string<char>;

namespace std {
// Of the same age as basic_string; declared in <bits/functexcept.h>.
void __throw_out_of_range(const char*) __attribute__((noreturn));
void __throw_bad_alloc() __attribute__((noreturn));
}

#pragma GCC visibility push(hidden)

extern "C" {

// operator delete with a size, of which the others have no need: since GCC 5.
void mesos_command_delete(void* memory, std::size_t size) noexcept asm("_ZdlPvm");
void mesos_command_delete(void* memory, std::size_t) noexcept
{
  ::operator delete(memory);
}

void mesos_command_delete_array(void* memory, std::size_t size) noexcept asm("_ZdaPvm");
void mesos_command_delete_array(void* memory, std::size_t) noexcept
{
  ::operator delete[](memory);
}

// std::__throw_out_of_range_fmt, since GCC 4.9. The format says what was called.
[[noreturn]] void mesos_command_throw_out_of_range(const char* format, ...) asm(
    "_ZSt24__throw_out_of_range_fmtPKcz");
void mesos_command_throw_out_of_range(const char* format, ...)
{
  std::__throw_out_of_range(format);
}

// std::__throw_bad_array_new_length, since GCC 11.
[[noreturn]] void mesos_command_throw_bad_array_new_length() asm(
    "_ZSt28__throw_bad_array_new_lengthv");
void mesos_command_throw_bad_array_new_length()
{
  std::__throw_bad_alloc();
}

// std::__glibcxx_assert_fail, since GCC 12, for builds with assertions.
[[noreturn]] void mesos_command_assert_fail(
    const char* file, int line, const char* function, const char* condition) noexcept
    asm("_ZSt21__glibcxx_assert_failPKciS0_S0_");
void mesos_command_assert_fail(
    const char* file, int line, const char* function, const char* condition) noexcept
{
  std::fprintf(stderr, "%s:%d: %s: assertion %s failed\n", file, line, function, condition);
  std::abort();
}

}  // extern "C"

#pragma GCC visibility pop
