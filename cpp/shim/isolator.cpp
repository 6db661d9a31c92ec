// The Isolator adapter.
//
// Every method makes a pending future, hands its completion to the engine and returns at once. All
// calls reach the engine, which keeps what it knows of containers even without commands. Whatever
// is thrown on the way resolves the future by the event's fallback.
#include <string>
#include <utility>

#include "../abi/module.hpp"
#include "adapters.hpp"
#include "events.hpp"
#include "futures.hpp"
#include "inputs.hpp"
#include "log.hpp"

namespace mesos_command {
namespace shim {
inline namespace MESOS_COMMAND_STRINGS {

namespace {

using abi::AnyMessage;
using abi::Future;

// How one event makes its futures. The fallback future is made in advance and shared, for when not
// even memory for a new one is left.
class FutureMaker
{
public:
  template <typename T>
  static FutureMaker of(Event event, const char* method)
  {
    const Fallback on_drop = fallback(event);
    return FutureMaker(
        event, method, on_drop, make_pending<T>, make_ready<T>, make_fallback<T>(on_drop));
  }

  Pending pending() const { return make(on_drop, method_); }
  Sink::Make ready() const { return ready_; }
  const Future& fallen_back() const { return spare; }
  Event event() const { return event_; }
  const char* method() const { return method_; }

private:
  using Make = Pending (*)(Fallback, const char*);

  FutureMaker(
      Event event,
      const char* method,
      Fallback on_drop_,
      Make make_,
      Sink::Make ready,
      Future spare_)
      : event_(event),
        method_(method),
        on_drop(on_drop_),
        make(make_),
        ready_(ready),
        spare(std::move(spare_))
  {
  }

  Event event_;
  const char* method_;
  Fallback on_drop;
  Make make;
  Sink::Make ready_;
  Future spare;
};

FutureMaker usage_futures(std::size_t size)
{
  switch (size) {
    case 400: return FutureMaker::of<abi::ResourceStatistics<400>>(Usage, "usage");
    case 408: return FutureMaker::of<abi::ResourceStatistics<408>>(Usage, "usage");
    case 488: return FutureMaker::of<abi::ResourceStatistics<488>>(Usage, "usage");
    default: throw Unexpected("unknown size of ResourceStatistics");
  }
}

FutureMaker prepare_futures(std::size_t size)
{
  switch (size) {
    case 184:
      return FutureMaker::of<abi::Option<abi::ContainerLaunchInfo<184>>>(Prepare, "prepare");
    case 224:
      return FutureMaker::of<abi::Option<abi::ContainerLaunchInfo<224>>>(Prepare, "prepare");
    case 280:
      return FutureMaker::of<abi::Option<abi::ContainerLaunchInfo<280>>>(Prepare, "prepare");
    default: throw Unexpected("unknown size of ContainerLaunchInfo");
  }
}

class IsolatorAdapter final : public abi::Isolator
{
public:
  IsolatorAdapter(const abi::Host& host, rust::Box<IsolatorInstance> instance_)
      : instance(std::move(instance_)),
        nesting(supports_nesting(*instance)),
        standalone(supports_standalone(*instance)),
        update_has_limits(host.update_has_limits),
        state_size(host.container_state_size),
        recover_(FutureMaker::of<abi::Nothing>(Recover, "recover")),
        prepare_(prepare_futures(host.container_launch_info_size)),
        isolate_(FutureMaker::of<abi::Nothing>(Isolate, "isolate")),
        watch_(FutureMaker::of<abi::ContainerLimitation>(Watch, "watch")),
        update_(FutureMaker::of<abi::Nothing>(Update, "update")),
        usage_(usage_futures(host.resource_statistics_size)),
        status_(FutureMaker::of<abi::ContainerStatus>(Status, "status")),
        cleanup_(FutureMaker::of<abi::Nothing>(Cleanup, "cleanup"))
  {
  }

  bool supportsNesting() override { return nesting; }

  bool supportsStandalone() override { return standalone; }

  Future recover(const abi::ContainerStates& states, const abi::ContainerIdSet& orphans) override
  {
    return run(recover_, [&](Inputs& inputs) {
      inputs.container_ids(orphans);
      inputs.states(states, state_size);
    });
  }

  Future prepare(const AnyMessage& container_id, const AnyMessage& container_config) override
  {
    return run(prepare_, [&](Inputs& inputs) {
      inputs.message(container_config);
      inputs.message(container_id);
    });
  }

  Future isolate(const AnyMessage& container_id, pid_t pid) override
  {
    return run(isolate_, [&](Inputs& inputs) {
      inputs.absent();
      inputs.message(container_id);
      inputs.integer(pid);
    });
  }

  Future watch(const AnyMessage& container_id) override
  {
    return of_container(watch_, container_id);
  }

  Future update(
      const AnyMessage& container_id,
      const abi::AnyResources& resource_requests,
      const abi::ScalarMap* limits) override
  {
    return run(update_, [&](Inputs& inputs) {
      inputs.absent();
      inputs.message(container_id);
      if (update_has_limits) {
        inputs.scalars(*limits);
      } else {
        inputs.absent();
      }
      inputs.resources(resource_requests);
    });
  }

  Future usage(const AnyMessage& container_id) override { return sampled(usage_, container_id); }

  Future status(const AnyMessage& container_id) override { return sampled(status_, container_id); }

  Future cleanup(const AnyMessage& container_id) override
  {
    return of_container(cleanup_, container_id);
  }

private:
  // usage and status: Mesos asks for all containers at once and often, so an answer that is known
  // at once takes the shortest way: no completion, no waiting, one block for the future.
  Future sampled(const FutureMaker& maker, const AnyMessage& container_id) noexcept
  {
    try {
      std::string id;
      abi::append(container_id, id);
      Sink sink(maker.ready());
      if (cached(*instance, maker.event(), bytes_of(id), sink) && sink.taken()) {
        return std::move(sink.future());
      }
    } catch (...) {
      log_exception(__FILE__, __LINE__, maker.method());
    }
    return of_container(maker, container_id);
  }

  // A method whose only argument is the container.
  Future of_container(const FutureMaker& maker, const AnyMessage& container_id) noexcept
  {
    return run(maker, [&](Inputs& inputs) {
      inputs.absent();
      inputs.message(container_id);
    });
  }

  template <typename Fill>
  Future run(const FutureMaker& maker, Fill fill) noexcept
  {
    try {
      Inputs inputs;
      fill(inputs);
      Pending pending = maker.pending();
      call_isolator(*instance, maker.event(), inputs.slice(), std::move(pending.completion));
      return std::move(pending.future);
    } catch (...) {
      log_exception(__FILE__, __LINE__, maker.method());
      return maker.fallen_back();
    }
  }

  const rust::Box<IsolatorInstance> instance;
  const bool nesting;
  const bool standalone;
  const bool update_has_limits;
  const std::size_t state_size;
  const FutureMaker recover_;
  const FutureMaker prepare_;
  const FutureMaker isolate_;
  const FutureMaker watch_;
  const FutureMaker update_;
  const FutureMaker usage_;
  const FutureMaker status_;
  const FutureMaker cleanup_;
};

}  // namespace

void* make_isolator(const abi::Host& host, rust::Box<IsolatorInstance> instance)
{
  // Through the interface's type, whose address is what Mesos gets.
  return static_cast<abi::Isolator*>(new IsolatorAdapter(host, std::move(instance)));
}

}  // namespace MESOS_COMMAND_STRINGS
}  // namespace shim
}  // namespace mesos_command
