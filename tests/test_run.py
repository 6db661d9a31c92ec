"""What run.py makes of the output of its steps. Played by `make unit`."""

import contextlib
import io
import pathlib
import tempfile
import unittest
from unittest import mock

import run


def totals(text: str, status: int = 0) -> tuple[int, int]:
    found = run.Totals()
    for line in text.splitlines(keepends=True):
        found.line(line)
    found.end(status)
    return found.passed, found.failed


class Counting(unittest.TestCase):
    """Totals in the words of the programs that are run."""

    def test_cargo(self) -> None:
        text = (
            "test result: ok. 54 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n"
            "test result: FAILED. 7 passed; 2 failed; 0 ignored; 0 measured\n"
        )
        self.assertEqual(totals(text, 101), (61, 2))

    def test_unittest(self) -> None:
        self.assertEqual(totals("Ran 12 tests in 0.5s\n\nOK\n"), (12, 0))
        self.assertEqual(
            totals("Ran 12 tests in 0.5s\n\nFAILED (failures=2, errors=1)\n", 1), (9, 3)
        )
        self.assertEqual(totals("Ran 1 test in 0.5s\n\nFAILED (errors=1)\n", 1), (0, 1))

    def test_scripts(self) -> None:
        self.assertEqual(totals("108 passed, 1 failed\n", 1), (108, 1))

    def test_what_counts_nothing_is_one(self) -> None:
        self.assertEqual(totals(""), (1, 0))
        self.assertEqual(totals("error: no\n", 1), (0, 1))

    def test_a_status_is_a_failure_whatever_was_counted(self) -> None:
        self.assertEqual(totals("5 passed, 0 failed\n", 3), (5, 1))


class Going(unittest.TestCase):
    """A failed step does not hide the rest."""

    def play(self, steps: dict[str, list[run.Step]]) -> tuple[int, str]:
        patched = mock.patch.dict(run.PARTS, steps, clear=True)
        patched.start()
        self.addCleanup(patched.stop)
        played = run.Run()
        output = io.StringIO()
        with tempfile.TemporaryDirectory() as directory, contextlib.redirect_stdout(output):
            for part in steps:
                played.part(part)
            notes = pathlib.Path(directory) / "notes"
            notes.write_text("SKIPPED a: no kernel\n")
            status = played.summary(notes)
        return status, output.getvalue()

    def test_all_parts_are_played_and_the_last_line_has_the_totals(self) -> None:
        status, text = self.play(
            {
                "one": [
                    run.Step("bad", ["sh", "-c", "echo '3 passed, 2 failed'; exit 1"]),
                    run.Step("good", ["sh", "-c", "echo SKIPPED b: no tool"]),
                ],
                "two": [run.Step("good", ["true"])],
            }
        )
        self.assertEqual(status, 1)
        lines = text.splitlines()
        self.assertEqual(lines[-1], "5 passed, 2 failed")
        self.assertEqual(lines[-2], "failed parts: one")
        self.assertIn("SKIPPED a: no kernel", lines)
        self.assertIn("SKIPPED b: no tool", lines)

    def test_what_needs_a_failed_build_counts_as_failed(self) -> None:
        status, text = self.play(
            {
                "one": [run.Step("build", ["false"], prepares=True), run.Step("tests", ["true"])],
                "two": [run.Step("missing", ["/no/such/program"])],
            }
        )
        self.assertEqual(status, 1)
        self.assertEqual(text.splitlines()[-1], "0 passed, 3 failed")

    def test_good_parts_end_well(self) -> None:
        status, text = self.play(
            {"one": [run.Step("build", ["true"], prepares=True), run.Step("good", ["true"])]}
        )
        self.assertEqual((status, text.splitlines()[-1]), (0, "1 passed, 0 failed"))


if __name__ == "__main__":
    unittest.main()
