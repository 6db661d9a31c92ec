"""What a script says stays on one visible line, in Mesos's log and in what Mesos is told."""

import pathlib

from files import Json, call, modules_file

SHOWN = (
    r"\x1b[2J\x1b]0;owned\x07\r\x0b\u{85}\u{202e}\xff\nE1126 00:00:00.000000 1 forged.cpp:1] forged"
)
PAIRS = {
    "module_name": "foreign",
    "temp_dir": "${SCRATCH}/tmp",
    "state_dir": "${SCRATCH}/contexts",
    "isolator_prepare_command": "${HERE}/foreign.sh",
    "isolator_cleanup_command": "${HERE}/foreign.sh",
}
HOOK = {
    "module_name": "foreign",
    "temp_dir": "${SCRATCH}/tmp",
    "hook_slave_remove_executor_hook_command": "${HERE}/foreign.sh",
}


def modules() -> Json:
    return modules_file(
        [("com_criteo_mesos_CommandHook", HOOK), ("com_criteo_mesos_CommandIsolator", PAIRS)]
    )


def scenario() -> Json:
    said = {"answer": "failure", "text": f"return code 3. Cause: {SHOWN}"}
    return {
        "about": "control characters and forged lines of a script",
        "inputs": {
            "container_config": {"command_info": {"value": "x"}, "directory": "/x"},
            "framework_info": {"user": "u", "name": "n"},
            "executor_info": {"executor_id": {"value": "e"}, "command": {"value": "x"}},
        },
        "steps": [
            call("isolator_prepare", "c", said),
            call("isolator_cleanup", "c", {"answer": "nothing"}),
            call("hook_slave_remove_executor_hook"),
        ],
    }


def complaints(log: pathlib.Path) -> list[str]:
    """The log has what was said, and nothing in it that a terminal would obey."""
    text = log.read_bytes()
    wrong = [
        f"the log has a byte {byte:#04x}"
        for byte in {*range(32), 127} - {9, 10}
        if bytes([byte]) in text
    ]
    lines = text.decode(errors="replace").splitlines()
    wrong += [
        f"a forged line: {line}" for line in lines if line.startswith("E1126 00:00:00.000000 1 f")
    ]
    shown = sum(SHOWN in line for line in lines)
    # prepare, cleanup and the hook, by us; Mesos logs the hook's error too.
    return wrong + ([] if shown >= 3 else [f"{shown} lines show what the script said"])
