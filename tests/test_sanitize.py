"""How sanitize.py reads and tells what sanitizers and valgrind found. Played by `make unit`."""

import re
import unittest

import sanitize

PASSED = "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out\n"
RACE = """==================
WARNING: ThreadSanitizer: data race (pid=77)
  Write of size 8 at 0x7b04 by thread T2:
SUMMARY: ThreadSanitizer: data race src/cache/slot.rs:12 in read
"""
LEAK = """==77==ERROR: LeakSanitizer: detected memory leaks
SUMMARY: AddressSanitizer: 24 byte(s) leaked in 1 allocation(s).
"""
DESCRIPTOR = """==77== Open file descriptor 9: /run/x
==77==    at 0x4A: open
==77==    definitely lost: 16 bytes in 1 blocks
"""


class Reading(unittest.TestCase):
    """What the tools say."""

    def test_a_run_without_a_finding_is_good(self) -> None:
        row = sanitize.read("thread-units", PASSED + PASSED, 0)
        self.assertEqual(row, sanitize.Row("thread-units", 24, 0, [], 0))
        self.assertTrue(row.is_good())
        self.assertNotIn("FAILED", sanitize.report([row]))

    def test_each_tool_is_understood_although_all_tests_passed(self) -> None:
        for said, words in ((RACE, "data race"), (LEAK, "leaked"), (DESCRIPTOR, "descriptor 9")):
            row = sanitize.read("thread-units", PASSED + said, 0)
            self.assertFalse(row.is_good(), said)
            self.assertIn(words, sanitize.report([row]))

    def test_valgrind_s_leak_is_a_finding_and_no_leak_is_none(self) -> None:
        lost = "==77==    definitely lost: {} bytes in 0 blocks\n"
        self.assertEqual(sanitize.read("valgrind", PASSED + lost.format(0), 0).findings, [])
        found = sanitize.read("valgrind", PASSED + lost.format(8), 0).findings
        self.assertEqual(found, ["definitely lost: 8 bytes in 0 blocks"])

    def test_a_step_that_tests_nothing_has_failed(self) -> None:
        self.assertFalse(sanitize.read("valgrind", "", 0).is_good())
        self.assertFalse(sanitize.read("valgrind", PASSED, 1).is_good())


class Steps(unittest.TestCase):
    """What there is to play."""

    def test_tests_that_are_left_out_exist(self) -> None:
        """A name that leaves out nothing any more hides a test that was renamed."""
        sources = [*(sanitize.ROOT / "src").rglob("*.rs"), *(sanitize.ROOT / "tests").rglob("*.rs")]
        text = "\n".join(path.read_text() for path in sources)
        for step in sanitize.STEPS:
            for name in step.left_out:
                parts = [part for part in name.split("::") if part]
                is_there = any(
                    (sanitize.ROOT / "src" / ("/".join(parts) + end)).exists()
                    for end in (".rs", "/mod.rs")
                ) or re.search(rf"(fn|mod) \w*{re.escape(parts[-1])}", text)
                self.assertTrue(is_there, f"{step.name} leaves out {name}, which is not there")

    def test_the_way_to_start_is_the_other_one_where_threads_are_watched(self) -> None:
        for step in sanitize.STEPS:
            if step.name != "address-units":
                self.assertEqual(step.environment["MESOS_COMMAND_SPAWN"], "posix_spawn")


if __name__ == "__main__":
    unittest.main()
