// Which of the two layouts of std::string this is compiled for.
//
// A host is built with one of them: with that of C++11, as compilers do by default since GCC 5, or
// with the one before, whose strings share a counted buffer (copy on write): CentOS 7, Apache's own
// packages. Everything that depends on it is compiled twice from the same sources, into two inline
// namespaces, so that no name of one set is ever taken for one of the other. shim/choose.cpp takes
// the set whose names the host exports.
#ifndef MESOS_COMMAND_ABI_STRINGS_HPP
#define MESOS_COMMAND_ABI_STRINGS_HPP

#include <cstddef>
#include <string>

#include "visibility.hpp"

// MESOS_COMMAND_STRING_MANGLED: std::string within the mangled name of a function.
// MESOS_COMMAND_STRING_TAG: behind the mangled name of an object that has a string in its type.
#if _GLIBCXX_USE_CXX11_ABI
#define MESOS_COMMAND_STRINGS cxx11_strings
#define MESOS_COMMAND_STRING_MANGLED "NSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE"
#define MESOS_COMMAND_STRING_TAG "B5cxx11"
#else
#define MESOS_COMMAND_STRINGS cow_strings
#define MESOS_COMMAND_STRING_MANGLED "Ss"
#define MESOS_COMMAND_STRING_TAG ""
#endif

// Behind a declaration: what the host exports under this name, or does not, because it is built with
// the other strings. Weak, as one set's names are missing in every host; examine_host() looks whether
// those of the chosen one are there.
#define MESOS_COMMAND_HOST_SYMBOL_OF_STRINGS(mangled) \
  asm(mangled) __attribute__((weak, visibility("default")))

namespace mesos_command {
namespace abi MESOS_COMMAND_HIDDEN {
inline namespace MESOS_COMMAND_STRINGS {

// Bytes of a std::string; every type that has one in it differs by as much.
constexpr std::size_t STRING = _GLIBCXX_USE_CXX11_ABI ? 32 : 8;

static_assert(sizeof(std::string) == STRING, "libstdc++'s std::string");

}  // namespace MESOS_COMMAND_STRINGS
}  // namespace abi
}  // namespace mesos_command

#endif  // MESOS_COMMAND_ABI_STRINGS_HPP
