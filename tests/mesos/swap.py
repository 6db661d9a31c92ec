#!/usr/bin/env python3
"""The steps of docs/swap.md: there and back, with containers that live through both restarts.

The command lines are read out of the page and run, with the places of a test in them. What the page
has an operator do with the modules file is done with it. The host that stands for an agent is ended
and started anew with the other library; a copy of the module under the original's name is where the
original is on an agent, whose context files tests/mesos/contract.py has.

Exit status: 0 all as the page says; 1 not.
"""

import argparse
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

from files import Json, Step, call, parameters

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PAGE = ROOT / "docs/swap.md"
REAL = pathlib.Path(os.environ.get("REAL_MESOS_DIR", ROOT / "target/real-mesos"))
NAME = "libmesos_command_modules.so"
ISOLATOR = "com_criteo_mesos_CommandIsolator"
EVENTS = ["isolator_prepare", "isolator_usage", "isolator_cleanup"]
# Of the page; each has to be there once.
LINES = ["mesos-command inspect", "mesos-command check", "install"]


class Wrong(Exception):
    """What is not as the page says."""


def command_lines() -> dict[str, str]:
    """The lines of the page that an operator types, by how they begin."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    lines = [line.split(" #")[0].strip() for block in blocks for line in block.splitlines()]
    found = {}
    for start in LINES:
        fitting = [line for line in lines if line.startswith(f"{start} ")]
        if len(fitting) != 1:
            raise Wrong(f"docs/swap.md has {len(fitting)} lines that begin with '{start}'")
        found[start] = fitting[0]
    return found


class Agent:
    """A machine's files, and the host that stands for its agent."""

    def __init__(self, host: pathlib.Path, release: str, place: pathlib.Path) -> None:
        self.host, self.release, self.place = host, release, place
        self.mesos = REAL / release
        self.libraries, self.state = place / "lib", place / "state"
        self.modules, self.seen = place / "modules.json", place / "seen"
        self.built = host.with_name(NAME)
        self.old = self.libraries / NAME
        self.libraries.mkdir()
        shutil.copy(self.built, self.old)
        # Not the same bytes: an ELF file may have some behind its end.
        with self.old.open("ab") as old:
            old.write(b"\0")
        command = place / "command.sh"
        command.write_text(
            "#!/bin/sh\n"
            f'(cat "$1"; echo) >>{self.seen}\n'
            '[ "$MESOS_COMMAND_EVENT" != isolator_usage ] ||'
            ' echo \'{"mem_rss_bytes":4096}\' >"$2"\n'
        )
        command.chmod(0o755)
        pairs = {"module_name": "swap", "state_dir": str(self.state)}
        pairs.update({f"{event}_command": str(command) for event in EVENTS})
        module = {"name": ISOLATOR, "parameters": parameters(pairs)}
        library = {"file": str(self.old), "modules": [module]}
        self.modules.write_text(json.dumps({"libraries": [library]}, indent=1))

    def type(self, line: str) -> str:
        """Runs a line of the page, with this machine's places in it."""
        places = {
            "/usr/lib/libmesos.so": self.mesos / "libmesos.so",
            "/usr/lib/mesos/": f"{self.libraries}/",
            "/etc/mesos/modules.json": self.modules,
        }
        for page, here in places.items():
            line = line.replace(page, str(here))
        words = shlex.split(line)
        if words[0] == "mesos-command":
            words[0] = str(self.host.with_name(words[0]))
        words = [str(self.built) if word in {NAME, f"./{NAME}"} else word for word in words]
        # What that libmesos takes from a system of its time.
        stubs = self.mesos / "stubs"
        python = " ".join(str(path) for path in sorted(stubs.glob("*python*.so")))
        environment = {**os.environ}
        if "inspect" in words:
            environment |= {"LD_LIBRARY_PATH": str(stubs), "LD_PRELOAD": python}
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=300, env=environment
        )
        if done.returncode:
            raise Wrong(f"{line}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
        return words[-1]

    def name(self, library: str | pathlib.Path) -> None:
        """What an operator changes in the modules file: `file`, and nothing else."""
        text = self.modules.read_text()
        was: Json = json.loads(text)
        self.modules.write_text(text.replace(was["libraries"][0]["file"], str(library)))

    def run(self, about: str, steps: list[Step]) -> None:
        """A life of the agent."""
        scenario = self.place / "scenario.json"
        config = {"command_info": {"value": "x"}, "directory": "/tmp/sandbox-of-web"}
        inputs = {"container_config": config}
        scenario.write_text(json.dumps({"about": about, "inputs": inputs, "steps": steps}))
        words: list[str | pathlib.Path] = [
            self.host,
            "run",
            "--mesos",
            self.release,
            "--mesos-dir",
            REAL,
        ]
        words += ["--modules", self.modules, "--scenario", scenario, "--log", self.place / "log"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
        print(done.stdout)
        if done.returncode:
            raise Wrong(f"{about}: exit status {done.returncode}\n{done.stderr}")

    def contexts(self) -> int:
        return sum(1 for path in self.state.rglob("*") if path.is_file())


def recover(*containers: str) -> Step:
    states = [
        {"container_id": {"value": name}, "pid": 1, "directory": "/tmp/x"} for name in containers
    ]
    inputs = {"states": states, "orphans": []}
    return call("isolator_recover", None, {"answer": "nothing"}, inputs=inputs)


def usage(container: str) -> Step:
    return call("isolator_usage", container, {"json": {"mem_rss_bytes": 4096}})


def swap(agent: Agent) -> None:
    lines = command_lines()
    agent.run("the old library starts a container", [call("isolator_prepare", "web-1")])
    kept = agent.old.read_bytes()
    agent.type(lines["mesos-command inspect"])
    agent.type(lines["mesos-command check"])
    new = agent.type(lines["install"])
    if pathlib.Path(new) == agent.old or agent.old.read_bytes() != kept:
        raise Wrong("the old library is not as it was")
    agent.name(new)
    agent.type(lines["mesos-command check"])
    agent.run(
        "the new library has the old one's container, and starts another",
        [recover("web-1"), usage("web-1"), call("isolator_prepare", "web-2")],
    )
    agent.name(agent.old)
    agent.run(
        "the old library is back, and has both",
        [
            recover("web-1", "web-2"),
            usage("web-1"),
            usage("web-2"),
            call("isolator_cleanup", "web-1", {"answer": "nothing"}),
            call("isolator_cleanup", "web-2", {"answer": "nothing"}),
        ],
    )
    # Every command had the config that prepare was called with, through both restarts.
    inputs: list[Json] = [json.loads(line) for line in agent.seen.read_text().splitlines() if line]
    directories = [one["container_config"]["directory"] for one in inputs]
    if len(inputs) < 7 or set(directories) != {"/tmp/sandbox-of-web"}:
        raise Wrong(f"commands saw {directories}")
    if agent.contexts():
        raise Wrong(f"{agent.contexts()} contexts are left")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--host", type=pathlib.Path, default=ROOT / "target/release/mesos-host")
    parser.add_argument("--mesos", default="1.11.0", metavar="RELEASE")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mesos-swap-") as name:
        try:
            swap(Agent(arguments.host.resolve(), arguments.mesos, pathlib.Path(name)))
        except Wrong as reason:
            print(f"FAILED: {reason}")
            return 1
    print("there and back, as docs/swap.md says")
    return 0


if __name__ == "__main__":
    sys.exit(main())
