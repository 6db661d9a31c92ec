"""How fuzz.py reads and tells what libFuzzer found. Played by `make unit`."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "fuzz"))
import fuzz

QUIET = """#2	INITED cov: 900 ft: 901 corp: 12/3Kb exec/s: 0 rss: 40Mb
#4194304	pulse  cov: 950 ft: 1200 corp: 170/9Kb lim: 4096 exec/s: 70000 rss: 80Mb
Done 4300000 runs in 61 second(s)
stat::number_of_executed_units: 4300000
stat::average_exec_per_sec:     70491
"""
FOUND = """#2	INITED cov: 900 ft: 901 corp: 12/3Kb exec/s: 0 rss: 40Mb
thread '<unnamed>' panicked at targets/json.rs:61:5:
Test unit written to /x/target/fuzz/findings/json/crash-0123
stat::number_of_executed_units: 77
"""


class Reading(unittest.TestCase):
    """The output of a target."""

    def test_a_run_without_a_finding(self) -> None:
        row = fuzz.read("json", QUIET, 61.2, 0)
        self.assertEqual(row, fuzz.Row("json", 4_300_000, 61.2, 170, [], 0))
        self.assertTrue(row.is_good())
        self.assertNotIn("FAILED", fuzz.report([row]))

    def test_a_finding_is_told_with_how_to_play_it(self) -> None:
        row = fuzz.read("json", FOUND, 0.5, 77)
        self.assertEqual((row.executions, row.corpus), (77, 12))
        self.assertFalse(row.is_good())
        told = fuzz.report([fuzz.read("http", QUIET, 61, 0), row])
        path = "/x/target/fuzz/findings/json/crash-0123"
        self.assertIn(f"FUZZ_INPUT={path} cargo test --test fuzz json", told)
        self.assertIn("tests/fuzz/regressions/json/", told)

    def test_a_target_that_ends_without_a_word_has_failed(self) -> None:
        row = fuzz.read("json", "", 0, -9)
        self.assertFalse(row.is_good())
        self.assertIn("FAILED: json ended with -9", fuzz.report([row]))


class Targets(unittest.TestCase):
    """What there is to run."""

    def test_every_target_is_known(self) -> None:
        self.assertIn("parameters", fuzz.targets())
        self.assertGreaterEqual(len(fuzz.targets()), 9)


if __name__ == "__main__":
    unittest.main()
