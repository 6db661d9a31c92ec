"""How sanitize.py reads and tells what sanitizers and valgrind found. Played by `make unit`."""

import pathlib
import re
import tempfile
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
OURS = """Direct leak of 48 byte(s) in 2 object(s) allocated from:
    #0 malloc asan_malloc_linux.cpp:67:3 (/t/mesos-host)
    #1 mesos_command::shim::keep() cpp/shim/hook.cpp:12:3 (/t/libmesos_command_modules.so)

"""
THEIRS = """Direct leak of 8 byte(s) in 1 object(s) allocated from:
    #0 malloc asan_malloc_linux.cpp:67:3 (/t/mesos-host)
    #1 google::Init() (/t/libmesos.so)

"""
OVERFLOW = "==7==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x60 at pc 0x55\n"


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

    def test_a_descriptor_that_the_process_keeps_is_no_finding(self) -> None:
        place = "==77==    by 0x4B: <mesos_command::reactor::epoll::Reactor>::start (epoll.rs:97)\n"
        end = "==77== \n"
        kept = DESCRIPTOR.splitlines(keepends=True)[0] + place + end
        self.assertEqual(sanitize.read("valgrind", PASSED + kept, 0).findings, [])
        found = sanitize.read("valgrind", PASSED + kept + DESCRIPTOR, 0).findings
        self.assertIn("Open file descriptor 9: /run/x", found)

    def test_scenarios_count_as_tests(self) -> None:
        row = sanitize.read("address-module", "Mesos    result\n10 passed, 1 failed\n", 1)
        self.assertEqual((row.passed, row.failed), (10, 1))

    def test_what_libmesos_keeps_is_no_leak_of_ours(self) -> None:
        with tempfile.TemporaryDirectory() as place:
            directory = pathlib.Path(place)
            (directory / "report.7").write_text(THEIRS)
            self.assertEqual(sanitize.reported(directory), [])
            (directory / "report.8").write_text(THEIRS + OURS + THEIRS)
            [leak] = sanitize.reported(directory)
            self.assertRegex(leak, r"^Direct leak of 48 byte.*: #1 mesos_command::shim::keep")
            (directory / "report.9").write_text(OVERFLOW)
            self.assertIn("heap-buffer-overflow", sanitize.reported(directory)[1])

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

    def test_scenarios_that_are_played_exist(self) -> None:
        folder = sanitize.ROOT / "tests/mesos"
        text = "\n".join(path.read_text() for path in folder.glob("*.py"))
        for name in [name for names in sanitize.SCENARIOS.values() for name in names]:
            self.assertIn(f'"{name}"', text)

    def test_the_way_to_start_is_the_other_one_where_threads_are_watched(self) -> None:
        for step in sanitize.STEPS:
            if step.name != "address-units":
                self.assertEqual(step.environment["MESOS_COMMAND_SPAWN"], "posix_spawn")


if __name__ == "__main__":
    unittest.main()
