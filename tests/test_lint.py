"""How lint.py comes by its tools, and what it does without. Played by `make unit`."""

import contextlib
import io
import os
import pathlib
import subprocess
import tempfile
import unittest
from typing import Any
from unittest import mock

import lint


class Tools(unittest.TestCase):
    """In an environment that is not really made."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        root = pathlib.Path(directory.name)
        self.place, self.versions = root / "lint", root / "lint.txt"
        self.versions.write_text("ruff==1\n")
        places: dict[str, Any] = {
            "PLACE": self.place,
            "TOOLS": self.versions,
            "ROOT": self.place.parent,
        }
        patched = mock.patch.multiple(lint, **places)
        patched.start()
        self.addCleanup(patched.stop)

    def test_they_are_installed_once_and_again_for_other_versions(self) -> None:
        with mock.patch.object(lint, "install") as install:
            for _ in range(2):
                self.assertEqual(lint.tools(self.place), self.place / "environment/bin")
            self.assertEqual(install.call_count, 1)
            self.versions.write_text("ruff==2\n")
            lint.tools(self.place)
            self.assertEqual(install.call_count, 2)

    def test_tools_of_another_file_are_those_that_it_names(self) -> None:
        other = self.versions.with_name("other.txt")
        other.write_text("matplotlib==1\n")
        with mock.patch.object(lint, "install") as install:
            lint.tools(self.place, other)
        install.assert_called_once_with(self.place / "environment", other)

    def test_an_installation_that_failed_is_made_anew(self) -> None:
        with mock.patch.object(lint, "install", side_effect=lint.MissingTools("no network")):
            for _ in range(2):
                with self.assertRaises(lint.MissingTools):
                    lint.tools(self.place)
        self.assertFalse((self.place / "complete").exists())

    def run_offline(self, **environment: str) -> tuple[int, str]:
        failed = subprocess.CompletedProcess([], 1, "", "a\nERROR: no network\n")
        output = io.StringIO()
        with (
            mock.patch("subprocess.run", return_value=failed),
            mock.patch.dict(os.environ, environment, clear=True),
            mock.patch("sys.argv", ["lint.py"]),
            contextlib.redirect_stdout(output),
        ):
            return lint.main(), output.getvalue()

    def test_without_them_nothing_passes_by_itself(self) -> None:
        status, text = self.run_offline()
        self.assertEqual(status, 3)
        self.assertIn("could not be installed from PyPI: ERROR: no network", text)
        status, text = self.run_offline(ALLOW_OFFLINE="1")
        self.assertEqual(status, 0)
        self.assertIn("SKIPPED", text)


class Files(unittest.TestCase):
    """What is looked at."""

    def test_all_programs_are_found_and_nothing_foreign_is(self) -> None:
        found = [str(path) for path in lint.sources(".py")]
        for path in ["tests/lint.py", "cpp/host/real-mesos/fetch.py", *lint.APART]:
            self.assertIn(path, found)
        self.assertNotIn("tests/observe/never-ready.py", found)
        self.assertEqual([path for path in found if path.startswith(("target/", "."))], [])


if __name__ == "__main__":
    unittest.main()
