// Futures of the host's types, and how they are completed.
#ifndef MESOS_COMMAND_SHIM_FUTURES_HPP
#define MESOS_COMMAND_SHIM_FUTURES_HPP

#include <cstdint>
#include <string>

#include "../abi/future.hpp"
#include "completion.hpp"
#include "rust/cxx.h"

namespace mesos_command {
namespace shim {
inline namespace MESOS_COMMAND_STRINGS {

// Makes a pending future of T; `what` names the method in log lines.
template <typename T>
Pending make_pending(Fallback fallback, const char* what);

// Makes a ready future of T from the wire bytes of its message; false if they are no valid
// encoding.
template <typename T>
bool make_ready(rust::Slice<const std::uint8_t> bytes, abi::Future& future);

// Makes a future of T that has been resolved by `fallback`.
template <typename T>
abi::Future make_fallback(Fallback fallback);

// "internal error", of which a copy takes no memory, which may be what has run out: it is short
// enough for the strings of C++11, and those before share their text. The first call, which a
// constructor of an adapter makes, takes memory.
const std::string& internal_error();

}  // namespace MESOS_COMMAND_STRINGS
}  // namespace shim
}  // namespace mesos_command

#endif  // MESOS_COMMAND_SHIM_FUTURES_HPP
