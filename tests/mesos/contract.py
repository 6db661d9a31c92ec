"""The original modules' contract, point by point, inside a real Mesos.

`scenario(state)` expects that `write_state(state)` has put a context file of the original's there.
"""

import json
import pathlib
import time

from files import Json, Step, call, modules_file

CONFIG = {"command_info": {"shell": True, "value": "sleep"}, "directory": "/tmp/x"}
# As the original wrote it: keys sorted, no spaces, no newline, mode 0644.
CONTEXT = '{"command_info":{"shell":true,"value":"sleep"},"directory":"/tmp/x"}'

# What prepare's command answers -> what Mesos gets.
PREPARE: list[tuple[str, Json]] = [
    ("empty", {"answer": "nothing"}),
    ("blank", {"answer": "nothing"}),
    ("braces", {"answer": "nothing"}),
    (
        "number",
        {
            "answer": "failure",
            "text": "Unable to deserialize ContainerLaunchInfo: Malformed Protobuf. "
            "JSON object is expected.",
        },
    ),
    ("environment", {"json": {"environment": {"variables": [{"name": "N", "value": "V"}]}}}),
    ("moved", {"json": {"environment": {"variables": [{"name": "N", "value": "moved"}]}}}),
    ("success-with-error-file", {"answer": "nothing"}),
    ("only-stdout", {"answer": "nothing"}),
    (
        "exits-7",
        {"answer": "failure", "text": 'contract.sh" exited with return code 7. Cause: because'},
    ),
    ("exits-silently", {"answer": "failure", "text": "exited with return code 7."}),
    ("dies", {"answer": "failure", "text": "exited via signal 15"}),
    (
        "misspelt",
        {
            "answer": "failure",
            "text": "Error while converting JSON to protobuf. Missing required fields: "
            "environment.variables[0].name",
        },
    ),
    ("lenient", {"json": {"environment": {"variables": [{"name": "N", "value": "V"}]}}}),
    # These would fail the launch, or abort the agent.
    ("rootfs", {"answer": "failure", "text": "'rootfs'"}),
    ("user", {"answer": "failure", "text": "'user'"}),
    ("namespaces", {"answer": "failure", "text": "CLONE_NEWNS"}),
    ("value", {"json": {"command": {"value": "id"}}}),
]
# The same for a command task, for which Mesos aborts over any command but arguments.
COMMAND_TASK: list[tuple[str, Json]] = [
    ("arguments", {"json": {"command": {"arguments": ["a"]}}}),
    ("value", {"answer": "failure", "text": "'command.value'"}),
]


def modules() -> Json:
    isolator = {
        "module_name": "contract",
        "temp_dir": "${STATE}.calls",
        "state_dir": "${STATE}",
        "isolator_usage_cache_ttl": "0",
        "isolator_watch_frequence": "1",
    }
    for event in ["prepare", "isolate", "watch", "usage", "cleanup"]:
        isolator[f"isolator_{event}_command"] = "${HERE}/contract.sh"
    hook = {"module_name": "contract", "temp_dir": "${STATE}.calls"}
    for event in [
        "run_task_label_decorator",
        "executor_environment_decorator",
        "remove_executor_hook",
    ]:
        hook[f"hook_slave_{event}_command"] = "${HERE}/contract.sh"
    return modules_file(
        [("com_criteo_mesos_CommandHook", hook), ("com_criteo_mesos_CommandIsolator", isolator)]
    )


def write_state(state: pathlib.Path) -> None:
    """A context of a container that the original prepared."""
    directory = pathlib.Path(state, "contract")
    directory.mkdir(parents=True)
    pathlib.Path(f"{state}.calls").mkdir()
    for name in ["live", "parent.child", "orphan", "lost"]:
        path = directory / name
        path.write_text(CONTEXT)
        path.chmod(0o644)


def observed(text: str, within_ms: int = 0) -> Step:
    return {"do": "file", "path": "${SCRATCH}/observed", "contains": text, "within_ms": within_ms}


def recover_steps() -> list[Step]:
    states = [
        {"container_id": {"value": "live"}, "pid": 1, "directory": "/tmp/x"},
        {
            "container_id": {"value": "child", "parent": {"value": "parent"}},
            "pid": 1,
            "directory": "/tmp/x",
        },
    ]
    steps = [
        call(
            "isolator_recover",
            None,
            {"answer": "nothing"},
            inputs={"states": states, "orphans": [{"value": "orphan"}]},
        )
    ]
    for name in ["live", "parent.child", "orphan"]:
        own = f'"container_id":{{"value":"{name}"}}'
        if name == "parent.child":
            own = '"container_id":{"parent":{"value":"parent"},"value":"child"}'
        steps.append(call("isolator_cleanup", name, {"answer": "nothing"}))
        steps.append(observed(f'stdin: {{"container_config":{CONTEXT},{own}}}'))
        steps.append(observed(f"event: isolator_cleanup of contract for {name}"))
    return steps


def scenario() -> Json:
    steps = recover_steps()
    for name, expect in PREPARE:
        steps.append(call("isolator_prepare", name, expect))
    for name, expect in COMMAND_TASK:
        task = {"name": "t", "task_id": {"value": "t"}, "slave_id": {"value": "s"}}
        steps.append(call("isolator_cleanup", name, {"answer": "nothing"}))
        steps.append(
            call(
                "isolator_prepare",
                name,
                expect,
                inputs={"container_config": {**CONFIG, "task_info": task}},
            )
        )
    text = f'{{"container_config":{CONTEXT},"container_id":{{"value":"environment"}}}}'
    steps += [
        # The command's surroundings.
        observed("arguments: 3"),
        observed(f"input: {text}"),
        observed(f"stdin: {text}"),
        observed("output: there and empty"),
        observed("error: there and empty"),
        observed("directory: ${DIRECTORY}"),
        observed("user: ${USER_ID}"),
        observed("variable: of the agent"),
        # Our context, where the original looks for it and as it writes it.
        {"do": "file", "path": "${STATE}/contract/environment", "contains": CONTEXT},
        call(
            "isolator_prepare",
            "environment",
            {"answer": "failure", "text": "mesos-command-module already initialized for container"},
        ),
        # isolate: with the context, and without one.
        call("isolator_isolate", "environment", {"answer": "nothing"}, inputs={"pid": 5000}),
        observed(text[:-1] + ',"pid":5000}'),
        call("isolator_isolate", "unknown", {"answer": "nothing"}, inputs={"pid": 5000}),
        observed('{"container_id":{"value":"unknown"},"pid":5000}'),
        # Ignored outputs, and exit codes that count.
        call("isolator_isolate", "number", {"answer": "nothing"}, inputs={"pid": 1}),
        call(
            "isolator_isolate",
            "exits-7",
            {"answer": "failure", "text": "return code 7"},
            inputs={"pid": 1},
        ),
        # usage: never fails; numeric strings and its own timestamp are as they were.
        call("isolator_prepare", "statistics", {"answer": "nothing"}),
        call(
            "isolator_usage",
            "statistics",
            {"equals": {"cpus_user_time_secs": 1.5, "mem_rss_bytes": 7}},
        ),
        call("isolator_usage", "empty", {"answer": "nothing"}),
        call("isolator_usage", "exits-7", {"answer": "nothing"}),
        call("isolator_usage", "unknown", {"answer": "nothing"}),
        # watch: empty output goes on, a limitation ends it, a failure is none, no context pends.
        call("isolator_prepare", "limitation", {"answer": "nothing"}),
        call("isolator_watch", "limitation", {"json": {"message": "enough"}}),
        call("isolator_watch", "empty", name="empty"),
        call("isolator_watch", "exits-7", name="failing"),
        call("isolator_watch", "unknown", name="unknown"),
        {"do": "await", "name": "empty", "timeout_ms": 1500, "expect": {"answer": "pending"}},
        {"do": "await", "name": "failing", "timeout_ms": 10, "expect": {"answer": "pending"}},
        {"do": "await", "name": "unknown", "timeout_ms": 10, "expect": {"answer": "pending"}},
        observed("event: isolator_watch of contract for exits-7"),
        *[
            observed(f"files of isolator_{event}: its own")
            for event in ["prepare", "isolate", "usage", "watch", "cleanup"]
        ],
        call("isolator_cleanup", "unknown", {"answer": "nothing"}),
    ]
    steps += hook_steps()
    names = [name for name, _ in PREPARE] + ["arguments", "statistics", "limitation"]
    steps += [call("isolator_cleanup", name, {"answer": "nothing"}) for name in names]
    steps.append({"do": "leftovers", "threads": 64, "fds": 64, "directories": 4})
    return {
        "about": "the original's contract: arguments, stdin, JSON, exit codes, empty outputs, "
        "context files",
        "environment": {"OBSERVED": "${SCRATCH}/observed", "CONTRACT_VARIABLE": "of the agent"},
        "inputs": {
            "container_config": CONFIG,
            "framework_info": {"user": "u", "name": "n"},
            "executor_info": {"executor_id": {"value": "e"}, "command": {"value": "x"}},
            "slave_info": {"hostname": "h"},
            "task_info": {"name": "t", "task_id": {"value": "t"}, "slave_id": {"value": "s"}},
        },
        "steps": steps,
    }


def hook_steps() -> list[Step]:
    executor = '{"command":{"shell":true,"value":"x"},"executor_id":{"value":"e"}}'
    framework = '{"checkpoint":false,"failover_timeout":0.0,"name":"n","user":"u"}'
    return [
        # An empty output of a decorator is an error, which changes nothing.
        call("hook_slave_run_task_label_decorator", None, {"answer": "nothing"}),
        observed(
            f'stdin: {{"executor_info":{executor},"framework_info":{framework},"slave_info":'
            '{"checkpoint":false,"hostname":"h","port":5051},"task_info":{"name":"t",'
            '"slave_id":{"value":"s"},"task_id":{"value":"t"}}}'
        ),
        call("hook_slave_executor_environment_decorator", None, {"answer": "nothing"}),
        observed(f'stdin: {{"executor_info":{executor}}}'),
        call("hook_slave_remove_executor_hook", None, {"answer": "nothing"}),
        observed(f'stdin: {{"executor_info":{executor},"framework_info":{framework}}}'),
    ]


def check_state(state: pathlib.Path) -> list[str]:
    """What is left after the scenario, other than the file whose owner is unknown.

    Nor may the directories of calls be left, once the process has ended.
    """
    left = sorted(path.name for path in pathlib.Path(state, "contract").iterdir())
    complaints = [f"context files are left: {', '.join(left)}"] if left != ["lost"] else []
    calls = pathlib.Path(f"{state}.calls")
    deadline = time.monotonic() + 10
    while any(calls.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    left = sorted(path.name for path in calls.iterdir())
    return complaints + ([f"directories of calls are left: {', '.join(left)}"] if left else [])


if __name__ == "__main__":
    print(json.dumps({"modules": modules(), "scenario": scenario()}, indent=1))
