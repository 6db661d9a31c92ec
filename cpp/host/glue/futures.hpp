// Futures that libmesos or a module gave us.
//
// A future's shared state is read by the offsets that it has for the size of its value, and its end
// is learnt by an onAny callback, exactly as a caller inside Mesos does, so that the time of
// completion is measured on the completing thread and not by polling.
#ifndef MESOS_HOST_FUTURES_HPP
#define MESOS_HOST_FUTURES_HPP

#include "glue.h"
#include "layout.hpp"

namespace host {

// What a future's value is made of.
struct ValueShape
{
  // sizeof(T), 0 for Nothing.
  size_t size;
  // Whether T is Option<message>.
  bool optional;
};

// Takes over a future. It may be completed already or at any later time, on any thread.
HostFuture* take_future(FutureState state, ValueShape shape);

// The state of a future that needs no waiting.
int state_now(const FutureState& state);

// The shape of the value of an isolator method's future.
ValueShape shape_of(int event);

// A ready future with a copy of this ResourceStatistics, made by Mesos's own constructor, which is
// what `return value;` runs in a module that is compiled against Mesos.
FutureState ready_statistics(const void* statistics);

}  // namespace host

#endif
