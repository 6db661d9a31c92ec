#!/usr/bin/env python3
"""A new author's way: `new`, `call`, `test`, `check`, and what was written in a real library."""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
REAL = pathlib.Path(os.environ.get("REAL_MESOS_DIR", ROOT / "target/real-mesos"))
HOOK, ISOLATOR = "com_criteo_mesos_CommandHook", "com_criteo_mesos_CommandIsolator"
# In the order of a container's life.
WRITTEN = [
    ("hook_slave_run_task_label_decorator", "sh"),
    ("hook_slave_executor_environment_decorator", "worker-python"),
    ("isolator_prepare", "bash"),
    ("isolator_isolate", "sh"),
    ("isolator_usage", "python"),
    ("isolator_status", "worker-python"),
    ("isolator_cleanup", "python"),
]


def run(*command: str | pathlib.Path) -> str:
    """The output of a program, which has to end well."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        shown = " ".join(map(str, command))
        sys.exit(f"{shown}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def modules(library: pathlib.Path, place: pathlib.Path) -> dict[str, Any]:
    """A configuration that names all that was written."""
    found = []
    for symbol, prefix in [(HOOK, "hook_"), (ISOLATOR, "isolator_")]:
        pairs = {"module_name": "beginner"}
        if symbol == ISOLATOR:
            pairs["state_dir"] = str(place / "state")
        for event, language in WRITTEN:
            if event.startswith(prefix):
                pairs[f"{event}_command"] = str(place / event)
                if language.startswith("worker"):
                    pairs[f"{event}_mode"] = "worker"
        parameters = [{"key": key, "value": value} for key, value in pairs.items()]
        found.append({"name": symbol, "parameters": parameters})
    return {"libraries": [{"file": str(library), "modules": found}]}


def step(tool: pathlib.Path, event: str) -> dict[str, Any]:
    """The call of an event, with what `sample` says is answered."""
    asked: list[str | pathlib.Path] = [tool, "sample", "--answer", event]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    expected = {"json": json.loads(answer)} if answer else {"answer": "nothing"}
    about = {"container": "web-1"} if event.startswith("isolator_") else {}
    return {"do": "call", "event": event, **about, "expect": expected}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", type=pathlib.Path, default=ROOT / "target/release/mesos-host")
    parser.add_argument("--mesos", default="1.11.0")
    arguments = parser.parse_args()
    host = arguments.host.resolve()
    tool, library = host.with_name("mesos-command"), host.with_name("libmesos_command_modules.so")
    with tempfile.TemporaryDirectory(prefix="mesos-beginner-") as directory:
        place = pathlib.Path(directory)
        for event, language in WRITTEN:
            path = place / event
            run(tool, "new", event, "--lang", language, "--output", path)
            run(tool, "call", "--command", path, event)
            run(tool, "test", f"{path}.test.json")
        file = place / "modules.json"
        file.write_text(json.dumps(modules(library, place), indent=1))
        run(tool, "check", file, f"--hooks={HOOK}", f"--isolation={ISOLATOR}")
        inputs = json.loads(run(tool, "sample", "--all"))
        inputs["container_config"]["directory"] = directory
        steps: list[dict[str, Any]] = [step(tool, event) for event, _ in WRITTEN]
        scenario = place / "scenario.json"
        about = "what `mesos-command new` writes"
        scenario.write_text(json.dumps({"about": about, "inputs": inputs, "steps": steps}))
        command = [host, "run", "--mesos", arguments.mesos, "--mesos-dir", REAL]
        print(run(*command, "--modules", file, "--scenario", scenario, "--log", place / "log"))


if __name__ == "__main__":
    main()
