"""mesos-host as a child, and what is seen of it once a second."""

import json
import os
import pathlib
import subprocess
import threading
import time
from typing import Any, NamedTuple, Self

import processes
import scrape
import setting

Json = dict[str, Any]
# How long a scrape may take on a busy machine.
SCRAPE = 10.0


class Host:
    """Makes the calls until their time is over, and stays until it is told to end."""

    def __init__(
        self,
        program: pathlib.Path,
        release: str,
        place: setting.Place,
        port: int,
        load: list[str],
    ) -> None:
        self._place = place
        modules = place.root / "modules.json"
        modules.write_text(setting.modules(place, port))
        self._command: list[str | pathlib.Path] = [program, "soak", "--mesos", release]
        self._command += ["--modules", modules, "--log", place.log, "--json", "--quiet"]
        self._command += ["--containers", str(setting.CONTAINERS), "--lives", str(setting.SLOTS)]
        self._command += ["--shares", ",".join(str(it) for it in setting.SHARES.values()), *load]
        self.troubles: list[Json] = []
        # CLOCK_MONOTONIC of the first call.
        self.begun = 0.0
        self.end: Json = {}
        self._heard = threading.Condition()

    def __enter__(self) -> Self:
        more = {
            "LD_PRELOAD": str(self._place.root / "clock.so"),
            "SOAK_CLOCK": str(self._place.clock),
            "SOAK_PLACE": str(self._place.root),
        }
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | more,
        )
        self.pid = self._process.pid
        self._reader = threading.Thread(target=self._listen)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join()

    def _listen(self) -> None:
        assert self._process.stdout is not None  # It is a pipe.
        for line in self._process.stdout:
            said = json.loads(line)
            with self._heard:
                if "trouble" in said:
                    self.troubles.append(said)
                elif "begun" in said:
                    self.begun = said["begun"]
                elif "load" in said:
                    self.end = said
                self._heard.notify_all()
        with self._heard:
            self._heard.notify_all()

    def wait_for(self, what: str, patience: float) -> None:
        """Waits until it has said `begun` or `end`."""
        with self._heard:
            if self._heard.wait_for(lambda: getattr(self, what) or not self.lives(), patience):
                if getattr(self, what):
                    return
                raise RuntimeError(f"mesos-host ended early; its log ends with:\n{self.tail()}")
        raise TimeoutError(f"mesos-host did not come to its {what} within {patience:.0f} s")

    def lives(self) -> bool:
        return self._process.poll() is None

    def close(self, patience: float) -> int:
        """Lets it end; its exit status."""
        assert self._process.stdin is not None  # It is a pipe.
        self._process.stdin.close()
        return self._process.wait(patience)

    def tail(self) -> str:
        return "\n".join(self._place.log.read_text(errors="replace").splitlines()[-20:])


class Second(NamedTuple):
    """What was seen at one moment, in seconds after the first call."""

    at: float
    process: processes.Sample
    # Nothing when the listener did not answer; then there is a reason.
    outcomes: dict[str, int]
    running: int
    queued: int
    reason: str

    @property
    def calls(self) -> int:
        return sum(self.outcomes.values())


def look(pid: int, port: int, begun: float) -> Second:
    """Looks at a host that lives."""
    seen, reason, series = processes.sample(pid), "", {}
    try:
        series = scrape.get(port, SCRAPE)
    except (OSError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
    by_outcome = scrape.total(series, "calls_total", "outcome")
    return Second(
        at=time.monotonic() - begun,
        process=seen,
        outcomes={outcome: count for (outcome,), count in by_outcome.items()},
        running=scrape.total(series, "running").total(),
        queued=scrape.total(series, "queued").total(),
        reason=reason,
    )


class Watcher(threading.Thread):
    """Looks once a second, until it is stopped."""

    def __init__(self, host: Host, port: int) -> None:
        super().__init__()
        self._host, self._port = host, port
        self._stopped = threading.Event()
        self.seconds: list[Second] = []

    def run(self) -> None:
        due = time.monotonic()
        while not self._stopped.wait(max(0.0, due - time.monotonic())):
            # Looks that are late, because an answer was, are left out.
            due = max(due + 1, time.monotonic() + 0.5)
            try:
                self.seconds.append(look(self._host.pid, self._port, self._host.begun))
            except OSError:
                # It is gone, which whoever waits for it will say.
                return

    def stop(self) -> list[Second]:
        self._stopped.set()
        self.join()
        return self.seconds
