"""What reload_load.py refuses: mixes, lost calls, versions that came too late or not at all.

Played by `make unit`; the load itself needs a real Mesos.
"""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "mesos"))
import reload_load
from reload_load import Answered, Reload, Times

RELOADS = [Reload(2, 10.0, 10.5), Reload(3, 20.0, 20.5)]
GOOD = {1: Answered(5, 1.0, 10.2), 2: Answered(3, 10.1, 20.5), 3: Answered(2, 20.25, 30.0)}
REPORT = {"made": 10, "answers": 10, "outcomes": {"ok": 10}, "problems": []}


class Answers(unittest.TestCase):
    """The numbers of the answers."""

    def test_two_numbers_of_one_version_are_no_mix(self) -> None:
        one = {"numbers": [2, 2], "answers": 3, "first": 10.1, "last_begun": 20.5}
        self.assertEqual(reload_load.answered([one]), ({2: GOOD[2]}, []))
        for numbers in ([1, 2], [None, None], [1, None]):
            by_version, wrong = reload_load.answered([{**one, "numbers": numbers}])
            self.assertEqual((by_version, len(wrong)), ({}, 1))

    def test_calls_answers_and_counts_are_the_same(self) -> None:
        self.assertEqual(reload_load.wrong_counts(REPORT, GOOD), [])
        for key, value in [
            ("answers", 9),
            ("outcomes", {"ok": 9, "timeout": 1}),
            ("outcomes", {"ok": 11}),
            ("problems", ["1 of 10 calls were never answered"]),
        ]:
            self.assertEqual(len(reload_load.wrong_counts({**REPORT, key: value}, GOOD)), 1)
        some = {version: GOOD[version] for version in (1, 2)}
        self.assertEqual(len(reload_load.wrong_counts(REPORT, some)), 1)

    def test_a_version_ends_with_the_reload_to_the_next(self) -> None:
        self.assertEqual(reload_load.wrong_versions(GOOD, RELOADS, 0), [])
        late = {**GOOD, 2: Answered(3, 10.1, 20.6)}
        self.assertEqual(len(reload_load.wrong_versions(late, RELOADS, 0)), 1)
        self.assertEqual(reload_load.wrong_versions(late, RELOADS, 1), [], "its refresh was slow")
        strange = {**GOOD, reload_load.REFUSED: Answered(1, 12.0, 12.0)}
        self.assertEqual(len(reload_load.wrong_versions(strange, RELOADS, 1)), 1)

    def test_times_count_from_when_a_reload_was_asked_for(self) -> None:
        expected = [Times(2, 0.5, 0.1, 0.2), Times(3, 0.5, 0.25, 0.5)]
        for found, wanted in zip(reload_load.times(GOOD, RELOADS), expected, strict=True):
            self.assertEqual(found.version, wanted.version)
            for is_so, should_be in zip(found[1:], wanted[1:], strict=True):
                self.assertAlmostEqual(is_so, should_be)
        unseen = {version: GOOD[version] for version in (1, 3)}
        self.assertEqual([it.version for it in reload_load.times(unseen, RELOADS)], [3])


if __name__ == "__main__":
    unittest.main()
