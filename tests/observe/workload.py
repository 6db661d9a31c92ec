"""What is called inside libmesos, and what has to be counted of it.

`modules()` and `Workload.scenario()` are the two files that mesos-host plays. Each command
misbehaves as its container's name says, so the outcome of every call is known beforehand:
`Workload.expected` counts them by module, event and outcome while the steps are written down.
"""

import collections
import pathlib
import sys
from collections.abc import Iterable, Mapping

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "mesos"))
from files import Json, Step, modules_file

# Of commands that must not meet their deadline, on a busy machine either; and of those that must.
TIMEOUT_MS = 20000
SHORT_MS = 400
GRACE_MS = 100
# One request of a worker sleeps through it.
WORKER_TIMEOUT_MS = 3000
# Hooks hang for longer, so that their 99th percentile is what the alert about slow hooks wants.
HOOK_TIMEOUT_MS = 1100
# A hook that timed out three times is suspended for four timeouts.
SUSPENDED_MS = 4 * HOOK_TIMEOUT_MS

CONFIG = {"command_info": {"value": "x"}, "directory": "/sandbox"}
LAUNCH = ["isolator_prepare", "isolator_isolate", "isolator_update"]
SAMPLING = ["isolator_usage", "isolator_status"]
# Their output is not read, so nothing can be wrong with it.
IGNORES_OUTPUT = {"isolator_isolate", "isolator_update", "isolator_cleanup"}
HOOK = "hook_slave_executor_environment_decorator"
HANGING_HOOK = "hook_slave_remove_executor_hook"

# What the command does, and how the call ends.
FAULTS = {
    "exits": "exit",
    "not-found": "exit",
    "dies": "signal",
    "killed": "signal",
    "hangs": "timeout",
    "ignores-term": "timeout",
    "garbage": "invalid_output",
    "huge": "output_too_large",
    "lossy": "ok",
    "background": "ok",
}

# A call: its module, event and outcome. Without an outcome it is not counted.
Key = tuple[str, str, str | None]
Counted = tuple[str, str, str]

# Module names and the instances that they belong to.
ISOLATORS = {
    "faults": "com_criteo_mesos_CommandIsolator",
    "cached": "com_criteo_mesos_CommandIsolator2",
    "worker": "com_criteo_mesos_CommandIsolator3",
    "missing": "com_criteo_mesos_CommandIsolator4",
    "not-ready": "com_criteo_mesos_CommandIsolator5",
    "hanging": "com_criteo_mesos_CommandIsolator6",
}
HOOKS = "hooks"

# Alerts that this workload has to raise, at once or after their time ("for").
ALERTS = {
    "MesosCommandLaunchesFail",
    "MesosCommandFailureRatioHigh",
    "MesosCommandTimeouts",
    "MesosCommandHookSlow",
    "MesosCommandHookSuspended",
    "MesosCommandNotRunnable",
    "MesosCommandCacheIneffective",
    "MesosCommandWorkersDown",
    "MesosCommandWorkersRestart",
    "MesosCommandStrays",
    "MesosCommandSigkills",
    "MesosCommandCleanupFails",
    "MesosCommandOutputInvalid",
    "MesosCommandOutputLossy",
}


def modules(metrics_address: str) -> Json:
    """The modules file; every instance names the same metrics address."""
    isolator = ["isolator_recover", *LAUNCH, *SAMPLING, "isolator_cleanup"]

    def parameters(name: str, pairs: Mapping[str, str]) -> dict[str, str]:
        return {
            "module_name": name,
            "metrics_address": metrics_address,
            "temp_dir": "${SCRATCH}/tmp",
            "kill_grace": f"{GRACE_MS}ms",
            **pairs,
        }

    def commands(events: Iterable[str], command: str, timeout_ms: int) -> dict[str, str]:
        pairs = {f"{event}_command": command for event in events}
        return pairs | {f"{event}_timeout": f"{timeout_ms}ms" for event in events}

    script = "${HERE}/command.sh"
    state = {"state_dir": "${SCRATCH}/contexts"}
    uncached = state | {"isolator_usage_cache_ttl": "0"}
    own = {
        "hanging": commands(isolator, script, SHORT_MS) | uncached,
        "faults": commands(isolator, script, TIMEOUT_MS)
        | uncached
        | {
            "isolator_watch_command": script,
            "isolator_watch_frequence": "200ms",
            "max_output_bytes": "65536",
        },
        "cached": commands(["isolator_usage"], script, TIMEOUT_MS)
        | state
        | {"isolator_usage_stale_while_revalidate": "2secs"},
        "worker": commands(["isolator_usage"], "${HERE}/worker.py", WORKER_TIMEOUT_MS)
        | uncached
        | {"isolator_usage_mode": "worker", "isolator_usage_workers": "2"},
        "missing": commands(
            ["isolator_prepare", "isolator_usage"], "${HERE}/no-such-command", TIMEOUT_MS
        )
        | uncached,
        "not-ready": commands(["isolator_usage"], "${HERE}/never-ready.py", TIMEOUT_MS)
        | uncached
        | {"isolator_usage_mode": "worker"},
    }
    hooks = commands([HOOK], script, TIMEOUT_MS)
    hooks |= commands([HANGING_HOOK], script, HOOK_TIMEOUT_MS)
    listed = [("com_criteo_mesos_CommandHook", parameters(HOOKS, hooks))]
    listed += [(instance, parameters(name, own[name])) for name, instance in ISOLATORS.items()]
    return modules_file(listed)


class Workload:
    """Steps, and the counts that belong to them."""

    def __init__(self, rounds: int, metrics_address: str) -> None:
        self._metrics_address = metrics_address
        self.steps: list[Step] = []
        self.expected: collections.Counter[Key] = collections.Counter()
        self.failures: collections.Counter[Counted] = collections.Counter()
        # Lines that mesos-host prints: named calls have none.
        self.lines = 0
        self._recover()
        self._suspend_hook()
        for number in range(rounds):
            self._round(number)

    def scenario(self, until: pathlib.Path) -> Json:
        """The scenario; the process stays until the file `until` says "done"."""
        wait = {"do": "file", "path": str(until), "contains": "done", "within_ms": 120000}
        return {
            "about": "commands that fail in every way, for what is counted of them",
            "inputs": {
                "container_config": CONFIG,
                "framework_info": {"user": "u", "name": "f"},
                "states": [],
                "orphans": [],
                "resource_requests": [{"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}}],
            },
            "steps": [*self.steps, wait],
        }

    def _call(
        self,
        module: str,
        event: str,
        outcome: str | None,
        container: str | None = None,
        calls: int = 1,
        **more: object,
    ) -> None:
        step = {"do": "call", "event": event, "repeat": calls, **more}
        if container:
            step["container"] = container
        if module in ISOLATORS:
            step["module"] = ISOLATORS[module]
        if "name" in step:
            del step["repeat"]
        else:
            self.lines += 1
        self.steps.append(step)
        self.expected[module, event, outcome] += calls

    def _workers_are_back(self, reason: str) -> None:
        """Waits for both workers after one was lost; without any, calls would be plain runs."""
        labels = 'module="worker",event="isolator_usage"'
        for series in [
            f'worker_restarts_total{{{labels},reason="{reason}"}} 1\n',
            f"worker_up{{{labels}}} 2\n",
        ]:
            self.steps.append(
                {
                    "do": "metrics",
                    "address": self._metrics_address,
                    "contains": f"mesos_command_{series}",
                    "within_ms": 60000,
                }
            )
            self.lines += 1

    def _sleep(self, ms: int) -> None:
        self.steps.append({"do": "sleep", "ms": ms})

    def _hook(self, event: str, executor: str, outcome: str, calls: int = 1) -> None:
        inputs = {"executor_info": {"executor_id": {"value": executor}, "command": {"value": "x"}}}
        self._call(HOOKS, event, outcome, calls=calls, inputs=inputs)
        if outcome not in ("ok", "cancelled"):
            self.failures[HOOKS, event, outcome] += calls

    def _recover(self) -> None:
        self._call("faults", "isolator_recover", "ok")

    def _suspend_hook(self) -> None:
        self._hook(HANGING_HOOK, "hangs", "timeout", calls=3)
        # Answered at once, without a run.
        self._hook(HANGING_HOOK, "fine", "cancelled", calls=5)
        self.failures[HOOKS, HANGING_HOOK, "suspended"] += 5

    def _round(self, number: int) -> None:
        self._traffic(number, 0)
        for place, (fault, outcome) in enumerate(FAULTS.items(), 1):
            self._container(f"{fault}-{number}", fault, outcome)
            self._traffic(number, place)
        self._watches(number)
        self._withdrawn(number)
        self._workers(number)
        for event in ["isolator_prepare", "isolator_usage"]:
            self._call("missing", event, "spawn_error", f"any-{number}", calls=1)
            self.failures["missing", event, "command_missing"] += 1
        self._call("not-ready", "isolator_prepare", None, f"any-{number}")
        self._call("not-ready", "isolator_usage", "ok", f"any-{number}", calls=3)
        for executor, outcome in [("fine", "ok"), ("exits", "exit"), ("garbage", "invalid_output")]:
            self._hook(HOOK, executor, outcome)
        if number == 0:
            self._sleep(SUSPENDED_MS)
        # The first is the probe that ends the suspension.
        self._hook(HANGING_HOOK, "fine", "ok", calls=2)

    def _container(self, container: str, fault: str, outcome: str) -> None:
        """A container's life, every command of which has the same fault."""
        module = "hanging" if outcome == "timeout" else "faults"
        # Enough of them for the alerts that count strays.
        calls = 5 if fault == "background" else 1
        for event in [*LAUNCH, *SAMPLING, "isolator_cleanup"]:
            if outcome == "output_too_large" and event in IGNORES_OUTPUT:
                # Nobody reads it; whether its growth is seen before the end is a matter of luck.
                continue
            harmless = outcome == "invalid_output" and event in IGNORES_OUTPUT
            times = calls if event in SAMPLING else 1
            counted = "ok" if harmless else outcome
            self._call(module, event, counted, container, calls=times)
            if counted != "ok":
                reason = {"not-found": "exit_not_runnable", "killed": "signal_kill"}
                self.failures[module, event, reason.get(fault, outcome)] += times

    def _traffic(self, number: int, place: int) -> None:
        """What a healthy agent asks for: cached usage, and some that is not cached."""
        if place == 0:
            for container in range(8):
                self._call("cached", "isolator_prepare", None, f"fine-{number}-{container}")
            # Many callers at once: one run, for which the others wait.
            self._call("cached", "isolator_prepare", None, f"slow-{number}")
            self._call("cached", "isolator_usage", "ok", f"slow-{number}", calls=8, parallel=8)
            self._call("faults", "isolator_prepare", "ok", f"fine-{number}")
        self._call("cached", "isolator_usage", "ok", f"fine-{number}", calls=400, containers=8)
        self._call("faults", "isolator_usage", "ok", f"fine-{number}", calls=15)
        self._sleep(200)

    def _watches(self, number: int) -> None:
        """Watches end with a limitation or with their container, however often they ran."""
        for fault in ["fine", "exits"]:
            container = f"{fault}-{number}-watched"
            outcome = FAULTS.get(fault, "ok")
            self._call("faults", "isolator_prepare", outcome, container)
            if outcome != "ok":
                self.failures["faults", "isolator_prepare", outcome] += 1
            self._call(
                "faults", "isolator_watch", "cancelled", container, name=f"watch {container}"
            )
        container = f"limits-{number}"
        self._call("faults", "isolator_prepare", "ok", container)
        self._call("faults", "isolator_watch", "ok", container)
        self._sleep(500)
        self._call("faults", "isolator_cleanup", "ok", f"fine-{number}-watched")
        self._call("faults", "isolator_cleanup", "exit", f"exits-{number}-watched")
        self.failures["faults", "isolator_cleanup", "exit"] += 1
        self._call("faults", "isolator_cleanup", "ok", container)

    def _withdrawn(self, number: int) -> None:
        """A cleanup that comes while usage runs."""
        container = f"hangs-in-usage-{number}"
        self._call("faults", "isolator_prepare", "ok", container)
        self._call("faults", "isolator_usage", "cancelled", container, name=f"usage {container}")
        self._call("faults", "isolator_cleanup", "ok", container)

    def _workers(self, number: int) -> None:
        def usage(fault: str, outcome: str, calls: int = 1) -> None:
            container = f"{fault}-{number}"
            self._call("worker", "isolator_prepare", None, container)
            self._call("worker", "isolator_usage", outcome, container, calls=calls)

        usage("fine", "ok", calls=20)
        usage("complains", "exit")
        self.failures["worker", "isolator_usage", "worker_error"] += 1
        # Restarts pause ever longer; more losses would leave no worker to lose.
        if number == 0:
            usage("crashes", "exit")
            self.failures["worker", "isolator_usage", "exit"] += 1
            self._workers_are_back("exit")
            usage("babbles", "worker_protocol")
            self.failures["worker", "isolator_usage", "worker_protocol"] += 1
            self._workers_are_back("protocol")
            usage("sleeps", "timeout")
            self.failures["worker", "isolator_usage", "timeout"] += 1


def calls(counter: Mapping[Key, int]) -> dict[Counted, int]:
    """The counted ones: an event without a command is answered and not counted."""
    return {
        (module, event, outcome): count
        for (module, event, outcome), count in counter.items()
        if outcome is not None
    }
