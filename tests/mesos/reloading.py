#!/usr/bin/env python3
"""A modules file that is reloaded while a launch waits for its command, in a real libmesos.

The launch that is on its way ends with the command that it began with. The next one has the new
one, and runs beside it, because more may run at a time now. Before that a file with a mistake is
refused, and changes nothing.
"""

import json
import pathlib

import live
import verdicts
from files import Json, call, modules_file
from live import PATIENCE

SYMBOL = "com_criteo_mesos_CommandIsolator"
INPUTS = {"container_config": {"command_info": {"value": "x"}, "directory": "/sandbox"}}


def scenario(root: pathlib.Path) -> Json:
    """Each launch fails with the version of its command, so that the real library tells it."""

    def wait(name: str, version: int) -> Json:
        expect = {"answer": "failure", "text": f"version {version}"}
        return {"do": "await", "name": name, "timeout_ms": PATIENCE * 1000, "expect": expect}

    reloaded = {"path": str(root / "reloaded"), "contains": "yes", "within_ms": PATIENCE * 1000}
    steps = [
        {**call("isolator_prepare", "one", None, inputs=INPUTS), "name": "one"},
        {"do": "file", **reloaded},
        {**call("isolator_prepare", "two", None, inputs=INPUTS), "name": "two"},
        wait("two", 2),
        wait("one", 1),
        {"do": "leftovers", "threads": 64, "fds": 64, "directories": 4},
    ]
    return {"about": "parameters change while a launch is on its way", "steps": steps}


class Operator:
    """One who has a shell on the machine."""

    def __init__(self, host: pathlib.Path, root: pathlib.Path) -> None:
        self.tool, self.root = live.Tool(host, root / "control.sock"), root

    def write(self, version: int, **more: str) -> None:
        """The modules file, replaced in one step."""
        pairs = {
            "module_name": "reloaded",
            "state_dir": str(self.root / "contexts"),
            "temp_dir": str(self.root / "calls"),
            "control_socket": str(self.tool.socket),
            "keep_failures": "0",
            "reload_from": str(self.root / "modules.json"),
            "isolator_prepare_command": str(self.root / f"prepare-{version}"),
            **more,
        }
        new = self.root / "modules.json.new"
        new.write_text(json.dumps(modules_file([(SYMBOL, pairs)])))
        new.rename(self.root / "modules.json")

    def has_begun(self) -> bool:
        return (self.root / "begun").exists()

    def has_failed(self) -> bool:
        return '"two"' in self.tool.run("failures", "--json").stdout

    def work(self) -> list[str]:
        """What is wrong with the answers to an operator."""
        live.wait_for("the first launch", self.has_begun)
        wrong = []
        self.write(2, isolator_prepare_timeout="soon")
        refused = self.tool.run("reload")
        if refused.returncode != 1 or "isolator_prepare_timeout" not in refused.stderr:
            wrong.append(f"a file with a mistake: {refused}")
        self.write(2, lifecycle_parallel="2", nested="false")
        done = self.tool.run("reload")
        for part in (
            "isolator_prepare_command = ",
            "lifecycle_parallel = 2",
            "nested needs a rest",
        ):
            if done.returncode or part not in done.stdout:
                wrong.append(f"{part}: {done}")
        (self.root / "reloaded").write_text("yes")
        live.wait_for("the second launch", self.has_failed)
        (self.root / "go").write_text("")
        return wrong


def play(host: pathlib.Path, release: str, root: pathlib.Path) -> list[str]:
    """Plays it; what is wrong."""
    (root / "calls").mkdir()
    for version in (1, 2):
        waits = f': >"{root}/begun"; while [ ! -e "{root}/go" ]; do sleep 0.05; done'
        script = root / f"prepare-{version}"
        first = waits if version == 1 else ":"
        script.write_text(f'#!/bin/sh\n{first}\necho "version {version}" >"$3"\nexit 3\n')
        script.chmod(0o755)
    operator = Operator(host, root)
    operator.write(1)
    played = root / "scenario.json"
    played.write_text(json.dumps(scenario(root)))
    command: list[str | pathlib.Path] = [host, "run", "--mesos", release]
    command += ["--modules", root / "modules.json", "--scenario", played, "--log", root / "log"]
    with live.start(command) as process:
        try:
            wrong = operator.work()
            output, _ = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    if process.returncode:
        wrong += [f"exit status {process.returncode}", output]
    log = (root / "log").read_text(errors="replace")
    for part in ("all parameters stay as they are", "isolator module 'reloaded' is reloaded"):
        if part not in log:
            wrong.append(f"the log does not say: {part}")
    return wrong


def main() -> None:
    seen = "a launch ended as it began, and the next one as reloaded"
    verdicts.played(__doc__, lambda *given: (play(*given), seen))


if __name__ == "__main__":
    main()
