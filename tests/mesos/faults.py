"""The fault table: what a misbehaving command makes Mesos hear, event by event.

`scenario()` and `modules()` give the two files that mesos-host plays. Every fault is played
with every event; the answer must come within deadline + grace + SLACK_MS, and afterwards no child,
zombie, file descriptor, memfd or temporary file may be left.
"""

from collections.abc import Iterable

from files import Json, Step, call, modules_file

DEADLINE_MS = 1000
GRACE_MS = 300
SLACK_MS = 100
LIMIT_MS = DEADLINE_MS + GRACE_MS + SLACK_MS

# Each with the inputs that name the fault.
HOOKS = {
    "hook_master_launch_task_label_decorator": ["task_info", "slave_info"],
    "hook_master_launch_task_resource_decorator": ["task_info"],
    "hook_slave_run_task_label_decorator": ["executor_info", "slave_info", "task_info"],
    "hook_slave_executor_environment_decorator": ["executor_info"],
    "hook_slave_pre_launch_docker_task_executor_decorator": ["executor_info", "task_info"],
    "hook_slave_remove_executor_hook": ["executor_info"],
    "hook_slave_task_status_decorator": ["task_status"],
    "hook_slave_resources_decorator": ["slave_info"],
    "hook_slave_attributes_decorator": ["slave_info"],
}
ISOLATOR = ["isolator_isolate", "isolator_update", "isolator_usage", "isolator_status"]
ALL_ISOLATOR = [
    "isolator_recover",
    "isolator_prepare",
    *ISOLATOR,
    "isolator_watch",
    "isolator_cleanup",
]
# Their output is not read, so nothing can be wrong with it.
IGNORES_OUTPUT = {"isolator_isolate", "isolator_update", "isolator_cleanup", "isolator_recover"}
# What fails towards Mesos when the command fails.
FAILS = {"isolator_prepare", "isolator_isolate"}

# fault: (part of the failure's text, whether the output alone is at fault)
FAULTS: dict[str, tuple[str, bool]] = {
    "exits": ("exited with return code 3. Cause: the reason", False),
    "dies": ("exited via signal 9", False),
    "hangs": ("took too long to execute", False),
    "ignores-term": ("took too long to execute", False),
    "garbage": ("Malformed JSON", True),
    "huge": ("max_output_bytes accepts 1048576", False),
    "symlink": ("link", True),
    "fifo": ("regular file", True),
    "removes": ("", True),
}
# Faults that are none: the command has said what it had to say.
HARMLESS = ["fine", "background", "huge-stderr"]

CONFIG = {"command_info": {"value": "x"}, "directory": "/sandbox"}


def parameters(command: str, events: Iterable[str], own: str) -> dict[str, str]:
    """A module's parameters: `command` for all `events`."""
    pairs = {"module_name": own, "temp_dir": "${SCRATCH}/tmp", "kill_grace": f"{GRACE_MS}ms"}
    for event in events:
        pairs |= {f"{event}_command": command, f"{event}_timeout": f"{DEADLINE_MS}ms"}
    return pairs


def modules() -> Json:
    """Instances: well-meant and misbehaving commands, and commands that cannot run."""
    isolators = [
        ("", "${HERE}/fault.sh"),
        ("2", "${HERE}/no-such-command"),
        ("3", "${HERE}/not-executable"),
        ("4", "${HERE}/no-shebang"),
    ]
    listed = [("com_criteo_mesos_CommandHook", parameters("${HERE}/fault.sh", HOOKS, "faults"))]
    events = [event for event in ALL_ISOLATOR if event != "isolator_watch"]
    for suffix, command in isolators:
        own = parameters(command, events, f"faults{suffix}")
        own |= {
            "isolator_watch_command": command,
            "isolator_watch_frequence": "100ms",
            "isolator_usage_cache_ttl": "0",
            "state_dir": "${SCRATCH}/contexts",
        }
        listed.append((in_module(suffix), own))
    return modules_file(listed)


def in_module(suffix: str) -> str:
    """The symbol of one of the isolators."""
    return f"com_criteo_mesos_CommandIsolator{suffix}"


def isolator_answer(event: str, text: str | None, output_only: bool) -> Json:
    """What Mesos hears of an isolator command; without a text it is not at fault."""
    if text is None or (output_only and event in IGNORES_OUTPUT):
        return {"answer": "nothing"}
    if event in FAILS:
        return {"answer": "failure", "text": text}
    return {"answer": "nothing"}


def isolator_steps(fault: str, text: str | None, output_only: bool) -> list[Step]:
    timed = {"at_most_ms": LIMIT_MS}
    early = {"at_least_ms": DEADLINE_MS} if (text or "").startswith("took") else {}
    steps = []
    for event in ["isolator_prepare", *ISOLATOR]:
        if event == "isolator_usage":
            steps.append(call("isolator_watch", fault, name=f"watch {fault}"))
        expect = isolator_answer(event, text, output_only)
        steps.append(call(event, fault, {**expect, **timed, **early}))
    # A watch command that fails is no limitation: the future stays as it is.
    steps.append(
        {
            "do": "await",
            "name": f"watch {fault}",
            "timeout_ms": 300,
            "expect": {"answer": "pending"},
        }
    )
    # The watch command has to be ended first: one more grace.
    late = {"at_most_ms": LIMIT_MS + GRACE_MS + SLACK_MS}
    steps.append(call("isolator_cleanup", fault, {"answer": "nothing", **late}))
    steps.append({"do": "leftovers", "threads": 4, "directories": 1, "within_ms": 4000})
    return steps


def hook_inputs(fault: str, event: str) -> Json:
    executor = {"executor_id": {"value": fault}, "command": {"value": "x"}}
    slave = {
        "hostname": fault,
        "resources": [{"name": "cpus", "type": "SCALAR", "scalar": {"value": 4}}],
        "attributes": [{"name": "rack", "type": "TEXT", "text": {"value": "r1"}}],
    }
    task = {
        "name": "t",
        "task_id": {"value": "t.1"},
        "slave_id": {"value": "s"},
        "executor": executor,
        "resources": [{"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}}],
    }
    status = {"task_id": {"value": "t.1"}, "state": "TASK_RUNNING", "executor_id": {"value": fault}}
    every: Json = {
        "executor_info": executor,
        "slave_info": slave,
        "task_info": task,
        "task_status": status,
    }
    return {key: every[key] for key in HOOKS[event]}


# What is in the inputs must still be there: a failing hook changes nothing.
UNCHANGED = {
    "hook_master_launch_task_resource_decorator": {
        "resources": [{"name": "cpus", "scalar": {"value": 1}}]
    },
    "hook_slave_task_status_decorator": {"state": "TASK_RUNNING"},
    "hook_slave_resources_decorator": {"resources": [{"name": "cpus", "scalar": {"value": 4}}]},
    "hook_slave_attributes_decorator": {"attributes": [{"name": "rack"}]},
}


def hook_steps(fault: str) -> list[Step]:
    steps: list[Step] = []
    for event in HOOKS:
        expect: Json = {"at_most_ms": LIMIT_MS}
        if event in UNCHANGED:
            expect["json"] = UNCHANGED[event]
        else:
            expect["answer"] = "nothing"
        steps.append(
            {"do": "call", "event": event, "inputs": hook_inputs(fault, event), "expect": expect}
        )
    steps.append({"do": "leftovers", "threads": 4, "directories": 1, "within_ms": 4000})
    return steps


def command_steps() -> list[Step]:
    """Commands that cannot run, or only as a shell script."""
    steps = []
    for module, text in [("2", "does not exist"), ("3", "not executable"), ("4", None)]:
        for event in ["isolator_prepare", *ISOLATOR, "isolator_cleanup"]:
            failing = event in FAILS and text
            answer = {"answer": "failure", "text": text} if failing else {"answer": "nothing"}
            expect: Json = {**answer, "at_most_ms": LIMIT_MS}
            steps.append(call(event, "c", expect, module=in_module(module)))
    return steps


def scenario() -> Json:
    states = [{"container_id": {"value": "fine"}, "pid": 1, "directory": "/x"}]
    steps: list[Step] = [
        # The first call starts what stays: threads, directories.
        call("isolator_prepare", "fine", {"answer": "nothing"}),
        call("isolator_usage", "fine", {"answer": "nothing"}),
        call("isolator_cleanup", "fine", {"answer": "nothing"}),
        # The other instances, too, lock their directories when they first need them.
        *[
            call(event, "c", module=in_module(module))
            for module in "234"
            for event in ["isolator_prepare", "isolator_cleanup"]
        ],
        {
            "do": "call",
            "event": "hook_slave_remove_executor_hook",
            "inputs": hook_inputs("fine", "hook_slave_remove_executor_hook"),
            "expect": {"answer": "nothing"},
        },
        {"do": "baseline"},
        {
            "do": "call",
            "event": "isolator_recover",
            "inputs": {"states": states, "orphans": [{"value": "hangs"}]},
            # Its container is none, so the command ends with 99: ignored.
            "expect": {"answer": "nothing", "at_most_ms": LIMIT_MS},
        },
    ]
    for fault in HARMLESS:
        steps += isolator_steps(fault, None, True)
        steps += hook_steps(fault)
    for fault, (text, output_only) in FAULTS.items():
        steps += isolator_steps(fault, text, output_only)
        # A hook that hangs three times in a row is suspended; each event is called once per
        # fault, so none is here.
        steps += hook_steps(fault)
    steps += command_steps()
    steps.append({"do": "leftovers", "threads": 4, "directories": 1, "within_ms": 4000})
    return {
        "about": "every fault of a command with every event: what Mesos gets, when, and what stays",
        "inputs": {
            "container_config": CONFIG,
            "framework_info": {"user": "u", "name": "f"},
            "framework_id": {"value": "f"},
            "container_name": "c",
            "container_work_directory": "/w",
            "mapped_sandbox_directory": "/m",
            "directory": "/d",
            "env": {"K": "V"},
            "slave_resources": [{"name": "cpus", "type": "SCALAR", "scalar": {"value": 4}}],
            "resource_requests": [{"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}}],
        },
        "steps": steps,
    }
