"""A process with the module in it that runs, and those who ask it: the tool, and a browser."""

import json
import pathlib
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Sequence

from files import Json

PATIENCE = 60  # seconds
# The tool's exit status where nobody listens at the socket, or not yet.
UNHEARD = 3
Command = Sequence[str | pathlib.Path]


def start(command: Command) -> subprocess.Popen[str]:
    """A process whose output is one."""
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(what: str, is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > end:
            raise SystemExit(f"{what} did not come about within {PATIENCE} s")
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        return str(answer.read().decode())


class Tool:
    """mesos-command, which asks at a control socket."""

    def __init__(self, host: pathlib.Path, place: pathlib.Path) -> None:
        self._program, self.socket = host.with_name("mesos-command"), place

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command: Command = [self._program, *words, "--socket", self.socket]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=PATIENCE
        )

    def text(self, *words: str) -> str:
        """What it prints, if it ends well."""
        done = self.run(*words)
        if done.returncode:
            raise SystemExit(f"{words}: exit status {done.returncode}: {done.stderr}")
        return done.stdout

    def json(self, *words: str) -> Json:
        answer: Json = json.loads(self.text(*words, "--json"))
        return answer

    def calls(self, count: int, asked: subprocess.Popen[str]) -> list[Json]:
        """All calls that are in flight, once there are so many and the oldest one's command runs.

        What is asked is another process, which must not end before.
        """
        found: list[Json] = []

        def is_so() -> bool:
            if asked.poll() is not None:
                raise SystemExit(f"it has ended too early:\n{asked.communicate()[0]}")
            done = self.run("calls", "--json")
            if done.returncode == UNHEARD:
                return False
            if done.returncode:
                raise SystemExit(f"calls: exit status {done.returncode}: {done.stderr}")
            found[:] = json.loads(done.stdout)["calls"]
            return len(found) == count and bool(found[0]["pid"])

        wait_for(f"{count} calls in flight", is_so)
        return found


def wrong_call(one: Json, expected: Json) -> list[str]:
    """What is wrong with a call in flight; the command of one that runs is a shell's or sleeps."""
    wrong = [
        f"{key} is {one.get(key)}, not {value}"
        for key, value in expected.items()
        if one.get(key) != value
    ]
    if not 0 <= one["age_seconds"] < PATIENCE:
        wrong.append(f"age {one['age_seconds']}")
    if one["state"] == "running":
        program = pathlib.Path(f"/proc/{one['pid']}/cmdline").read_bytes()
        if b"sleep" not in program and one["command"].encode() not in program:
            wrong.append(f"process {one['pid']} is {program!r}")
    return wrong
