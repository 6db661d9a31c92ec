"""mesos-host as a child: the workload inside a real libmesos, until it is told to end."""

import argparse
import json
import pathlib
import subprocess
from typing import Self

import prometheus
import workload

HERE = pathlib.Path(__file__).resolve().parent


def parser(doc: str) -> argparse.ArgumentParser:
    """The arguments that say what is run inside which Mesos."""
    found = argparse.ArgumentParser(description=doc.splitlines()[0])
    found.add_argument(
        "--host", type=pathlib.Path, default=prometheus.ROOT / "target/release/mesos-host"
    )
    found.add_argument("--mesos", default="1.11.0", metavar="RELEASE")
    return found


class Inside:
    """Plays a workload; a context manager."""

    def __init__(
        self,
        host: pathlib.Path,
        release: str,
        directory: pathlib.Path,
        metrics_address: str,
        work: workload.Workload,
    ) -> None:
        self.work, self.log = work, directory / "mesos.log"
        self._done = directory / "done"
        modules = directory / "modules.json"
        # ${HERE} is the directory of the modules file, which this one is not.
        text = json.dumps(workload.modules(metrics_address), indent=1)
        modules.write_text(text.replace("${HERE}", str(HERE)))
        scenario = directory / "scenario.json"
        scenario.write_text(json.dumps(work.scenario(self._done), indent=1))
        self._command: list[str | pathlib.Path] = [host, "run", "--mesos", release]
        self._command += ["--modules", modules, "--scenario", scenario]
        self._command += ["--json", "--log", self.log]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None  # It is a pipe.
        self._output = self._process.stdout
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def play(self) -> int:
        """Returns how many calls were made, once all of them are."""
        lines = made = 0
        while lines < self.work.lines:
            line = self._output.readline()
            if not line:
                raise RuntimeError(
                    f"mesos-host ended early ({self._process.wait()}); its log "
                    f"ends with:\n{self.tail()}"
                )
            step = json.loads(line)
            if "step" in step:
                lines += 1
                made += step.get("calls", 0)
                if not step["ok"]:
                    raise RuntimeError(f"a step went wrong: {line}")
        return made

    def end(self) -> int:
        """Lets it end; its exit status."""
        self._done.write_text("done")
        self._output.read()
        return self._process.wait()

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])
