// How symbols of this directory are seen by the linker.
#ifndef MESOS_COMMAND_ABI_VISIBILITY_HPP
#define MESOS_COMMAND_ABI_VISIBILITY_HPP

// Behind the name of a namespace: what it declares is ours alone, templates over types of the host
// included, and never taken for a symbol of the host with the same name.
#define MESOS_COMMAND_HIDDEN __attribute__((visibility("hidden")))

// Behind a declaration: a function or object that the host exports under this mangled name. The
// visibility is spelt out because the module is compiled with -fvisibility=hidden.
#define MESOS_COMMAND_HOST_SYMBOL(mangled) asm(mangled) __attribute__((visibility("default")))

#endif  // MESOS_COMMAND_ABI_VISIBILITY_HPP
