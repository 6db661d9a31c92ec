#!/usr/bin/env python3
"""Two agents on one machine that keep their contexts in one directory, ended and started in turn.

Each is a process with a real libmesos. Whichever starts first, and whether the other one runs or
not: every cleanup command gets its container's context, and nobody's file goes but the contexts
of an agent's own containers that its Mesos no longer knows.
"""

import json
import pathlib
import signal
import subprocess
from collections.abc import Sequence

import verdicts
from files import Json, call, modules_file
from live import PATIENCE, start, wait_for

CLEANUP = """#!/bin/sh
cp "$1" "{root}/cleaned.$MESOS_CONTAINER_ID"
"""
PREPARE = """#!/bin/sh
: >"{root}/prepared.$MESOS_CONTAINER_ID"
"""


def container(agent: str, number: int) -> str:
    """An ID as Mesos makes them."""
    return f"{agent * 8}-3b7d-4d7e-9d0c-{number:012d}"


class Machine:
    """The directory that both agents use."""

    def __init__(self, host: pathlib.Path, release: str, root: pathlib.Path) -> None:
        self.host, self.release, self.root = host, release, root
        self.state = root / "state"
        self.started = 0
        for name, text in [("prepare", PREPARE), ("cleanup", CLEANUP)]:
            path = root / name
            path.write_text(text.format(root=root))
            path.chmod(0o755)
        pairs = {
            "module_name": "shared",
            "state_dir": str(self.state),
            "temp_dir": "${SCRATCH}/tmp",
            "isolator_prepare_command": str(root / "prepare"),
            "isolator_cleanup_command": str(root / "cleanup"),
        }
        self.modules = root / "modules.json"
        instance = ("com_criteo_mesos_CommandIsolator", pairs)
        self.modules.write_text(json.dumps(modules_file([instance])))

    def context(self, agent: str, number: int) -> pathlib.Path:
        return self.state / "shared" / container(agent, number)

    def sandbox(self, agent: str, number: int) -> str:
        return (
            f"{self.root}/work-{agent}/slaves/S/frameworks/F/executors/E/runs/"
            f"{container(agent, number)}"
        )

    def start(
        self,
        agent: str,
        live: Sequence[int] = (),
        prepare: Sequence[int] = (),
        cleanup: Sequence[int] = (),
        stay: bool = False,
    ) -> subprocess.Popen[str]:
        """An agent's process. It recovers, then prepares, cleans up, and ends or stays."""
        scenario = self.scenario(agent, live, prepare, cleanup)
        if stay:
            scenario["steps"].append({"do": "sleep", "ms": PATIENCE * 10_000})
        self.started += 1
        path = self.root / f"{self.started}.scenario.json"
        path.write_text(json.dumps(scenario))
        command: list[str | pathlib.Path] = [self.host, "run", "--mesos", self.release]
        command += ["--modules", self.modules, "--scenario", path]
        command += ["--log", self.root / f"{self.started}.log"]
        process = start(command)
        if stay:
            for number in prepare:
                self.wait_for_prepared(container(agent, number), process)
            if process.poll() is not None:
                raise SystemExit(f"agent {agent} ended:\n{process.communicate()[0]}")
        return process

    def wait_for_prepared(self, own: str, process: subprocess.Popen[str]) -> None:
        path = self.root / f"prepared.{own}"
        wait_for(path.name, lambda: path.exists() or process.poll() is not None)

    def scenario(
        self, agent: str, live: Sequence[int], prepare: Sequence[int], cleanup: Sequence[int]
    ) -> Json:
        states = [
            {
                "container_id": {"value": container(agent, number)},
                "pid": 1,
                "directory": self.sandbox(agent, number),
            }
            for number in live
        ]
        nothing = {"answer": "nothing"}
        recovered = {"states": states, "orphans": []}
        steps = [call("isolator_recover", None, nothing, inputs=recovered)]
        for number in prepare:
            sandbox = self.sandbox(agent, number)
            config = {"command_info": {"value": "x"}, "directory": sandbox}
            own = container(agent, number)
            inputs = {"container_config": config}
            steps.append(call("isolator_prepare", own, nothing, inputs=inputs))
        steps += [
            call("isolator_cleanup", container(agent, number), nothing, inputs={})
            for number in cleanup
        ]
        return {
            "about": f"agent {agent}",
            "steps": steps,
            "environment": {"MESOS_WORK_DIR": f"{self.root}/work-{agent}"},
        }

    def play(self, agent: str, live: Sequence[int], cleanup: Sequence[int] = ()) -> None:
        process = self.start(agent, live=live, cleanup=cleanup)
        output, _ = process.communicate(timeout=PATIENCE)
        if process.returncode:
            raise SystemExit(f"agent {agent}: exit status {process.returncode}\n{output}")


def complaints(machine: Machine) -> list[str]:
    """Plays the agents' lives; what is wrong afterwards."""
    wrong: list[str] = []

    def there(agent: str, numbers: Sequence[int], when: str) -> None:
        wrong.extend(
            f"{when} the context of {agent}{number} is gone"
            for number in numbers
            if not machine.context(agent, number).exists()
        )

    first = machine.start("a", prepare=[1, 2, 3], stay=True)
    second = machine.start("b", prepare=[1, 2, 3], stay=True)
    try:
        stranger = machine.state / "shared" / "notes.txt"
        stranger.write_text("not ours")
        # a dies without a word and comes back, while b runs.
        first.send_signal(signal.SIGKILL)
        first.wait(PATIENCE)
        machine.play("a", live=[1, 2])
        there("a", [1, 2, 3], "beside a living agent")
        there("b", [1, 2, 3], "after the other agent's start")
    finally:
        for process in (first, second):
            process.kill()
            process.wait(PATIENCE)
    # Now each alone. Mesos no longer knows the third container.
    machine.play("a", live=[1, 2], cleanup=[1])
    if machine.context("a", 3).exists():
        wrong.append("alone, a does not remove the context of a container that is gone")
    there("b", [1, 2, 3], "while b was down")
    machine.play("b", live=[1, 2], cleanup=[1])
    if machine.context("b", 3).exists():
        wrong.append("alone, b does not remove the context of a container that is gone")
    there("a", [2], "while a was down")
    machine.play("a", live=[2], cleanup=[2])
    machine.play("b", live=[2], cleanup=[2])
    for agent in "ab":
        for number in [1, 2]:
            cleaned = machine.root / f"cleaned.{container(agent, number)}"
            text = cleaned.read_text() if cleaned.exists() else "nothing"
            if machine.sandbox(agent, number) not in text:
                wrong.append(f"the cleanup of {agent}{number} got {text}")
    left = sorted(path.name for path in stranger.parent.iterdir())
    return wrong + ([] if left == ["notes.txt"] else [f"left are {left}"])


def play(host: pathlib.Path, release: str, root: pathlib.Path) -> tuple[list[str], str]:
    """What is wrong, and what was seen."""
    machine = Machine(host, release, root)
    wrong = complaints(machine)
    return wrong, f"{machine.started} agents, 4 cleanups with their contexts"


def main() -> None:
    verdicts.played(__doc__, play)


if __name__ == "__main__":
    main()
