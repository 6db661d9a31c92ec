// A master and an agent in this process.
//
// The constructor of MesosSchedulerDriver starts both when its master is called "local", before
// anything of the driver itself runs. The driver is never started: it registers no framework and
// takes no offers. Tasks come from outside, by HTTP, as on any cluster.

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>

#include "glue.h"
#include "layout.hpp"
#include "symbols.hpp"

namespace host {
namespace {

// mesos::Scheduler: ten callbacks, of which a driver that was not started calls only the last, for
// flags that it cannot read.
struct Scheduler
{
  virtual ~Scheduler() {}
  virtual void registered(void*, const void*, const void*) {}
  virtual void reregistered(void*, const void*) {}
  virtual void disconnected(void*) {}
  virtual void resource_offers(void*, const void*) {}
  virtual void offer_rescinded(void*, const void*) {}
  virtual void status_update(void*, const void*) {}
  virtual void framework_message(void*, const void*, const void*, const Text&) {}
  virtual void slave_lost(void*, const void*) {}
  virtual void executor_lost(void*, const void*, const void*, int) {}
  virtual void error(void*, const Text& message)
  {
    std::fprintf(stderr, "mesos-host: the cluster did not start: %s\n", message.c_str());
    std::exit(EXIT_FAILURE);
  }
};

struct Cluster
{
  Scheduler scheduler;
  // sizeof(MesosSchedulerDriver) is below 256 in every release.
  alignas(16) char driver[1024];
};

}  // namespace
}  // namespace host

void* host_cluster_start(const void* framework_info)
{
  host::Cluster* cluster = new host::Cluster();
  host::mesos.driver_construct(cluster->driver, &cluster->scheduler, framework_info, "local");
  return cluster;
}

void host_cluster_stop(void* cluster)
{
  host::Cluster* running = static_cast<host::Cluster*>(cluster);
  host::mesos.driver_destroy(running->driver);
  delete running;
}
