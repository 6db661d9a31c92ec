// Messages by the full name of their type, and the containers of messages that Mesos passes around.
#ifndef MESOS_HOST_MESSAGES_HPP
#define MESOS_HOST_MESSAGES_HPP

#include <cstddef>
#include <cstdint>

#include "glue.h"
#include "layout.hpp"

namespace host {

// Mangled name of the member `what` ("C1Ev", "16default_instanceEv") of the class of a message
// type with this full name.
Text mangled(const char* type, const char* what);

// The default instance of a type, null for an unknown one.
const Message* prototype(const char* type);

// Constructs an empty message in place; aborts for a type that libmesos does not have, because the
// callers name types that every release has.
void construct(const char* type, void* place);

// Serialises a message and hands the bytes on.
void emit_message(const void* message, HostEmit value, void* context);

// Hands on the elements of a list, each serialised.
void emit_list(const RepeatedMessages& list, HostEmit value, void* context);

// Frees the elements and the array of a list that lives outside of any arena.
void clear_list(RepeatedMessages* list);

}  // namespace host

#endif
