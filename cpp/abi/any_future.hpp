// A libprocess future behind a reference or by value, whatever its type is.
#ifndef MESOS_COMMAND_ABI_ANY_FUTURE_HPP
#define MESOS_COMMAND_ABI_ANY_FUTURE_HPP

#include <memory>

#include "visibility.hpp"

namespace mesos_command {
namespace abi MESOS_COMMAND_HIDDEN {

// A future of any type: two words. Returned through a hidden pointer, as the host's is, because
// its copy constructor and destructor are not trivial.
struct Future
{
  std::shared_ptr<void> data;
};

static_assert(sizeof(Future) == 16, "one shared pointer");

}  // namespace abi
}  // namespace mesos_command

#endif  // MESOS_COMMAND_ABI_ANY_FUTURE_HPP
