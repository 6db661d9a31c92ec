"""A directory in which a test plays commands of examples/ as the module would call them."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest
from typing import Any

EXAMPLES = pathlib.Path(__file__).resolve().parent.parent / "examples"


class PlayedExample(unittest.TestCase):
    """Below `root` are the files of a call, the state of the examples, /proc and the cgroups."""

    # The directory of the commands, below examples/.
    place = "."

    def setUp(self) -> None:
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.root = pathlib.Path(place.name)

    def write(self, path: str, text: str, mode: int = 0o644) -> pathlib.Path:
        """A file below the root."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
        return file

    def play(
        self, script: str, given: Any, container: str = "c", **environment: str
    ) -> tuple[int, str, str]:
        """Exit status, output and error of a command."""
        files = [self.root / name for name in ["input", "output", "error"]]
        for path, text in zip(files, [json.dumps(given), "", ""], strict=True):
            path.write_text(text)
        variables = {
            "EXAMPLE_STATE": str(self.root / "state"),
            "EXAMPLE_CGROUPS": str(self.root / "cgroup"),
            "EXAMPLE_PROC": str(self.root / "proc"),
            "MESOS_CONTAINER_ID": container,
            **environment,
        }
        command = [EXAMPLES / self.place / script, *files]
        done = subprocess.run(command, env={**os.environ, **variables}, check=False)
        return done.returncode, files[1].read_text(), files[2].read_text()
