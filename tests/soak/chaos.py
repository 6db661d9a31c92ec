"""Doing what the schedule says to the commands, the workers, the files and the host itself."""

import contextlib
import errno
import http.client
import pathlib
import resource
import shutil
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import cgroups
import plan
import processes
import setting

# How long a command is looked for.
LOOK = 3.0
# How long commands misbehave, the temporary directory is full, descriptors are lacking.
MOOD, FULL, EXHAUSTED = 1.5, 1.0, 1.0
# Connections that stall, and for how long; more than the module has places for.
CLIENTS, STALLED = 48, 3.0
# What a file says for the commands of a kind of action.
MOODS = {
    "kill": "lingers",
    "stop": "lingers",
    "hang": "hangs",
    "deaf": "deaf",
    "child": "child",
    "flood": "flood",
    "fail": "fails",
}


class NotPossible(Exception):
    """Why an action cannot be done on this machine."""


class Done:
    """What became of an action. Times are of the monotonic clock."""

    def __init__(self, action: plan.Action) -> None:
        self.action = action
        self.began = self.ended = time.monotonic()
        self.text = ""
        self.possible = True
        # What should not have happened.
        self.wrong = ""


class Chaos:
    """Actions on one host; each is done in a thread of its own, one of a kind at a time."""

    def __init__(self, place: setting.Place, host: int, port: int) -> None:
        self.place, self.host, self.port = place, host, port
        self.done: list[Done] = []
        # Cgroups of commands that were seen.
        self.cgroups: set[pathlib.Path] = set()
        self._locks = {kind: threading.Lock() for kind in plan.KINDS}
        self._actions: dict[str, Callable[[plan.Action], str]] = {
            **dict.fromkeys(["kill", "stop"], self._signal),
            **dict.fromkeys(["hang", "deaf", "child", "flood", "fail"], self._misbehave),
            **dict.fromkeys(["worker-kill", "worker-stop"], self._signal_worker),
            "worker-hang": self._hang_worker,
            "replace-worker": lambda _: self._replace(self.place.worker),
            "replace": lambda _: self._replace(self.place.command),
            "full": self._fill,
            "descriptors": self._exhaust,
            "clock": self._set_clock,
            "clients": self._stall,
            "cgroups": self._remove_cgroups,
        }

    def play(self, actions: list[plan.Action], begun: float) -> None:
        """Does all of them, when they are due after `begun`, and waits for their end."""
        threads = []
        for action in actions:
            time.sleep(max(0.0, begun + action.at - time.monotonic()))
            threads.append(threading.Thread(target=self._do, args=[action]))
            threads[-1].start()
        for thread in threads:
            thread.join()

    def _do(self, action: plan.Action) -> None:
        with self._locks[action.kind]:
            done = Done(action)
            try:
                done.text = self._actions[action.kind](action)
            except NotPossible as reason:
                done.possible, done.text = False, str(reason)
            except (OSError, AssertionError, http.client.HTTPException) as error:
                done.wrong = f"{type(error).__name__}: {error}"
            done.ended = time.monotonic()
            self.done.append(done)

    @contextlib.contextmanager
    def _mood(self, action: plan.Action) -> Iterator[None]:
        """Commands of the action's container and event are in its mood."""
        # The batch's and the hooks' commands are of no container.
        path = self.place.moods / f"{action.container}.{action.event}"
        whole = path.with_suffix(f"{path.suffix}.new")
        whole.write_text(MOODS[action.kind] + "\n")
        whole.rename(path)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)

    def _find(self, wanted: Callable[[dict[str, str]], bool]) -> tuple[int, dict[str, str]] | None:
        end = time.monotonic() + LOOK
        while time.monotonic() < end:
            for pid, environment in processes.commands(self.host):
                if wanted(environment):
                    return pid, environment
            time.sleep(0.02)
        return None

    def _signal(self, action: plan.Action) -> str:
        number = signal.SIGKILL if action.kind == "kill" else signal.SIGSTOP

        def wanted(environment: dict[str, str]) -> bool:
            container = environment.get("MESOS_CONTAINER_ID", "").partition("_")[0]
            event = environment.get("MESOS_COMMAND_EVENT")
            # An event without a container is its instance's.
            return event == action.event and (not action.container or container == action.container)

        with self._mood(action):
            found = self._find(wanted)
        if not found:
            return "no such command ran"
        sent = processes.send(found[0], number, found[1])
        return f"{number.name} to {found[0]}" if sent else "it had ended"

    def _misbehave(self, action: plan.Action) -> str:
        with self._mood(action):
            time.sleep(MOOD)
        return f"{MOODS[action.kind]} for {MOOD} s"

    def _signal_worker(self, action: plan.Action) -> str:
        number = signal.SIGKILL if action.kind == "worker-kill" else signal.SIGSTOP
        found = self._find(lambda environment: "MESOS_COMMAND_WORKER" in environment)
        if not found:
            return "no worker was up"
        sent = processes.send(found[0], number, found[1])
        return f"{number.name} to {found[0]}" if sent else "it had ended"

    def _hang_worker(self, _: plan.Action) -> str:
        path = self.place.moods / "worker"
        path.touch()
        # All of them, and for longer than the timeout.
        time.sleep(setting.TIMEOUT + setting.GRACE + 0.5)
        path.unlink()
        return "workers hung for longer than their timeout"

    def _replace(self, path: pathlib.Path) -> str:
        new = path.with_name(f"{path.name}.new")
        shutil.copy(path, new)
        new.rename(path)
        return f"{path.name} is another file now"

    def _fill(self, _: plan.Action) -> str:
        if self.place.not_mounted:
            raise NotPossible(f"the temporary directory is no tmpfs: {self.place.not_mounted}")
        path = self.place.temporary / "filler"
        written, began = 0, time.monotonic()
        try:
            with path.open("wb", buffering=0) as file:
                # Whatever is freed meanwhile is taken too.
                while time.monotonic() < began + FULL:
                    try:
                        written += file.write(bytes(4096 * 16))
                    except OSError as error:
                        if error.errno != errno.ENOSPC:
                            raise
                        time.sleep(0.005)
        finally:
            path.unlink(missing_ok=True)
        return f"full with {written >> 20} MiB for {FULL} s"

    def _exhaust(self, _: plan.Action) -> str:
        before = resource.prlimit(self.host, resource.RLIMIT_NOFILE)
        try:
            resource.prlimit(self.host, resource.RLIMIT_NOFILE, (3, before[1]))
            time.sleep(EXHAUSTED)
        finally:
            resource.prlimit(self.host, resource.RLIMIT_NOFILE, before)
        return f"no new descriptor for {EXHAUSTED} s"

    def _set_clock(self, action: plan.Action) -> str:
        with self.place.clock.open("r+b") as file:
            (ahead,) = struct.unpack("<q", file.read(8))
            file.seek(0)
            file.write(struct.pack("<q", ahead + action.seconds))
        return f"the wall clock is {ahead + action.seconds:+} s ahead"

    def _stall(self, _: plan.Action) -> str:
        """Clients that say nothing, half of a request, or a request whose answer they let be."""
        words = [b"", b"GET /metrics HTT", b"GET /metrics HTTP/1.1\r\nHost: soak\r\n\r\n" * 64]
        clients = []
        try:
            for number in range(CLIENTS):
                client = socket.socket()
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                client.settimeout(STALLED)
                clients.append(client)
                # One that was turned away already says so, which is what it was to be.
                with contextlib.suppress(ConnectionError):
                    client.connect(("127.0.0.1", self.port))
                    client.sendall(words[number % len(words)])
            time.sleep(STALLED)
        finally:
            for client in clients:
                client.close()
        return f"{len(clients)} for {STALLED} s"

    def _remove_cgroups(self, _: plan.Action) -> str:
        end = time.monotonic() + LOOK
        while not (found := cgroups.own(self.host)):
            if time.monotonic() > end:
                raise NotPossible("no command has a cgroup of its own")
            time.sleep(0.02)
        trees = sorted(found)
        self.cgroups |= found
        removed = [directory for directory in trees if cgroups.remove(directory)]
        return f"{len(removed)} of {len(trees)} removed: {' '.join(map(str, trees))}"
