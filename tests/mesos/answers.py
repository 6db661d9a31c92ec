"""Answers to give to every method, and what Mesos is to make of them; methods.py plays them.

What is refused and mended is the table of rules in src/event/rules, each row with an answer that
would do the harm; `mesos-command explain rules --json` prints it.
"""

import json
import pathlib
import subprocess
from typing import NamedTuple

from files import Json


class Instance(NamedTuple):
    """An instance of the module."""

    symbol: str
    name: str
    # Its <event>_failure.
    failure: str


class Decorator(NamedTuple):
    """A synchronous hook."""

    # Where the case stands in the input.
    key: str
    good: Json
    # What Mesos has after the good answer, and when nothing was changed.
    has: Json | None
    unchanged: Json | None
    # Mesos's own words when the hook failed.
    words: str


class Harmful(NamedTuple):
    """A hook's answer that would do harm."""

    event: str
    name: str
    answer: Json
    # Part of the failure; None for an answer that is no change.
    text: str | None


class Welcome(NamedTuple):
    """An answer of prepare that looks like a harmful one and is none."""

    name: str
    parent: str | None
    command_task: bool
    answer: Json


class Method(NamedTuple):
    """A method of isolators."""

    good: Json
    # What a failing command and a malformed output give when failures fail (None: nothing).
    failing: str | None
    malformed: str | None


HOOKS = [
    Instance("com_criteo_mesos_CommandHook", "hook", "fail"),
    Instance("com_criteo_mesos_CommandHook2", "hook2", "ignore"),
]
ISOLATORS = [
    Instance("com_criteo_mesos_CommandIsolator", "isolator", "fail"),
    Instance("com_criteo_mesos_CommandIsolator7", "isolator7", "ignore"),
]

CPUS: Json = {"name": "cpus", "type": "SCALAR", "scalar": {"value": 4}}
MEM = {"name": "mem", "type": "SCALAR", "scalar": {"value": 64}}
RACK = {"name": "rack", "type": "TEXT", "text": {"value": "r1"}}
ZONE = {"name": "zone", "type": "TEXT", "text": {"value": "@INSTANCE@"}}
LABELS = {"labels": [{"key": "by", "value": "@INSTANCE@"}]}
VARIABLES = {"variables": [{"name": "BY", "type": "VALUE", "value": "@INSTANCE@"}]}
STATUS = {"task_id": {"value": "t"}, "state": "TASK_RUNNING"}
CONFIG = {"command_info": {"value": "x"}, "directory": "/sandbox"}
TASK = {"name": "t", "task_id": {"value": "t"}, "slave_id": {"value": "s"}}
INVALID: list[Json] = [
    {"name": "cpus", "type": "SCALAR", "scalar": {"value": -1}},
    {"name": "cpus", "type": "SCALAR"},
    {**CPUS, "set": {"item": ["a"]}},
    {**CPUS, "role": "a", "reservations": [{"type": "STATIC", "role": "b"}]},
]

SYNCHRONOUS = {
    "hook_master_launch_task_label_decorator": Decorator(
        "task_info",
        LABELS,
        LABELS,
        None,
        "Master label decorator hook failed",
    ),
    "hook_master_launch_task_resource_decorator": Decorator(
        "task_info",
        {"resources": [MEM]},
        {"resources": [MEM]},
        {"resources": [CPUS]},
        "Master resource decorator hook failed",
    ),
    "hook_slave_run_task_label_decorator": Decorator(
        "task_info",
        LABELS,
        LABELS,
        None,
        "Agent label decorator hook failed",
    ),
    "hook_slave_executor_environment_decorator": Decorator(
        "executor_info",
        VARIABLES,
        VARIABLES,
        None,
        "Agent environment decorator hook failed",
    ),
    "hook_slave_post_fetch_hook": Decorator(
        "container_id", {}, None, None, "Agent post fetch hook failed"
    ),
    "hook_slave_remove_executor_hook": Decorator(
        "executor_info",
        {},
        None,
        None,
        "Agent remove executor hook failed",
    ),
    "hook_slave_task_status_decorator": Decorator(
        # Of a status Mesos takes the labels and the container's status alone.
        "task_status",
        {**STATUS, "state": "TASK_LOST", "labels": LABELS},
        {"state": "TASK_RUNNING", "labels": LABELS},
        {"state": "TASK_RUNNING"},
        "Agent TaskStatus decorator hook failed",
    ),
    "hook_slave_resources_decorator": Decorator(
        "slave_info",
        {"resources": [MEM]},
        {"resources": [MEM]},
        {"resources": [CPUS]},
        "Agent Resources decorator hook failed",
    ),
    "hook_slave_attributes_decorator": Decorator(
        "slave_info",
        {"attributes": [ZONE]},
        {"attributes": [ZONE]},
        {"attributes": [RACK]},
        "Agent Attributes decorator hook failed",
    ),
}
# Their output is not read, so that it cannot be malformed.
UNREAD = {"hook_slave_post_fetch_hook", "hook_slave_remove_executor_hook"}
# The original's decorators must answer something.
NEVER_EMPTY = {"hook_slave_run_task_label_decorator", "hook_slave_executor_environment_decorator"}
BEHIND = "hook_master_slave_lost_hook"
DOCKER = "hook_slave_pre_launch_docker_task_executor_decorator"
DOCKER_GOOD = {"taskEnvironment": VARIABLES}

# Lists that would leave an agent without resources, and such as only the host can tell to be
# invalid.
HARMFUL_HOOKS = [
    Harmful("hook_slave_resources_decorator", "none", {"resources": []}, None),
    Harmful("hook_slave_resources_decorator", "absent", {}, None),
    Harmful("hook_master_launch_task_resource_decorator", "none", {"resources": []}, None),
    Harmful("hook_slave_attributes_decorator", "none", {"attributes": []}, None),
    Harmful("hook_slave_attributes_decorator", "absent", {}, None),
    *[
        Harmful(event, f"invalid{index}", {"resources": [MEM, resource]}, 'Invalid resource "cpus"')
        for event in [
            "hook_slave_resources_decorator",
            "hook_master_launch_task_resource_decorator",
        ]
        for index, resource in enumerate(INVALID)
    ],
]
WELCOME_PREPARES = [
    Welcome("namespaces", None, False, {"enter_namespaces": [0x40000000]}),
    Welcome("nested-newns", "parent", False, {"enter_namespaces": [0x20000]}),
    Welcome("own-command", None, False, {"command": {"value": "id", "shell": True}}),
    Welcome("arguments", None, True, {"command": {"arguments": ["a"]}}),
]
ISOLATOR_METHODS = {
    "isolator_recover": Method({}, "because of isolator_recover", None),
    "isolator_prepare": Method(
        {"environment": VARIABLES},
        "because of isolator_prepare",
        "Malformed JSON",
    ),
    "isolator_isolate": Method({}, "because of isolator_isolate", None),
    "isolator_update": Method({}, "because of isolator_update", None),
    # These three have no failure answer to choose.
    "isolator_usage": Method(
        {"timestamp": 5, "disk_used_bytes": 4242, "mem_rss_bytes": 7}, None, None
    ),
    "isolator_status": Method({"executor_pid": 4242}, None, None),
    "isolator_watch": Method({"message": "by @INSTANCE@"}, None, None),
    "isolator_cleanup": Method({}, "because of isolator_cleanup", None),
}
UNCONFIGURABLE = {"isolator_usage", "isolator_status", "isolator_watch"}
# The rules that the engine applies, by the name of their case; see load_rules().
RULES: dict[str, Json] = {}


def load_rules(program: pathlib.Path) -> None:
    """Reads the table of rules out of the command line tool."""
    text = subprocess.run(
        [program, "explain", "rules", "--json"], check=True, stdout=subprocess.PIPE
    ).stdout
    rows = [json.loads(line) for line in text.splitlines()]
    # Those of the host's own are HARMFUL_HOOKS.
    RULES.update({f"rule{index}": row for index, row in enumerate(rows) if not row["by_host"]})


def rules(*events: str) -> list[tuple[str, Json]]:
    return [(name, rule) for name, rule in RULES.items() if rule["event"] in events]


def named(value: Json, instance: str) -> Json:
    """An answer as the command gives it."""
    answer: Json = json.loads(json.dumps(value).replace("@INSTANCE@", instance))
    return answer


def write_answers(directory: pathlib.Path) -> None:
    """The files from which the command answers."""
    directory.mkdir(parents=True)
    answers = [(event, "good", row.good) for event, row in SYNCHRONOUS.items()]
    answers += [(event, "good", row.good) for event, row in ISOLATOR_METHODS.items()]
    answers += [(DOCKER, "good", DOCKER_GOOD), (BEHIND, "good", {})]
    answers += [(row.event, row.name, row.answer) for row in HARMFUL_HOOKS]
    answers += [(rule["event"], name, rule["example"]) for name, rule in RULES.items()]
    answers += [("isolator_prepare", row.name, row.answer) for row in WELCOME_PREPARES]
    for event, name, answer in answers:
        (directory / f"{event}.{name}").write_text(json.dumps(answer))
