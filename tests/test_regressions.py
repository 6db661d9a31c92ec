"""What regressions.py finds wrong with a table. Played by `make unit`."""

import unittest

import regressions

GOOD = "tests/support/src/wait.rs::a_dropped_sender_is_no_answer"


class Problems(unittest.TestCase):
    """Each of them is found."""

    def found(self, *rows: regressions.Row) -> list[str]:
        return [line for line in regressions.problems(rows) if not line.startswith("no row for ")]

    def row(self, **more: str | list[str]) -> regressions.Row:
        return {"entry": "1", "what": "w", **more}

    def test_good_rows(self) -> None:
        self.assertEqual(
            self.found(
                self.row(test=GOOD),
                self.row(stays="because"),
                self.row(test=["tests/mesos/suite.py#cluster"]),
                self.row(test="tests/mesos/fault.sh#faults"),
            ),
            [],
        )

    def test_tests_that_do_not_exist(self) -> None:
        for test, words in [
            ("tests/support/src/wait.rs::renamed", "no function"),
            ("tests/support/src/wait.rs::until", "is no #[test]"),
            ("tests/support/src/own_process.rs::child", "is ignored"),
            ("tests/nowhere.rs::x", "no such file"),
            ("tests/mesos/suite.py#a scenario of no name", "stands neither"),
            ("tests/mesos/suite.py", "is neither"),
        ]:
            [line] = self.found(self.row(test=test))
            self.assertIn(words, line)

    def test_rows(self) -> None:
        self.assertEqual(len(self.found(self.row())), 1)
        self.assertEqual(len(self.found(self.row(test=GOOD, stays="both"))), 1)
        self.assertEqual(len(self.found({"entry": "99", "what": "w", "stays": "s"})), 1)
        self.assertEqual(len(self.found({"entry": "1", "stays": "s"})), 1)

    def test_missing_entries(self) -> None:
        self.assertIn("no row for 2, 3,", regressions.problems([self.row(test=GOOD)])[-1])


if __name__ == "__main__":
    unittest.main()
