"""Tests of the examples for cgroups, on directories that look like them."""

import json
import os
import unittest
from typing import Any

from played_example import PlayedExample

STAT = "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\nnr_periods 3\nnr_throttled 0\n"
MEMORY = "anon 4096\nfile 8192\nkernel 1\nfile_mapped 512\n"


class CgroupV2(PlayedExample):
    place = "cgroup-v2"

    def setUp(self) -> None:
        super().setUp()
        self.cgroup = self.root / "cgroup/mesos/c"
        self.cgroup.mkdir(parents=True)
        self.write("proc/42/cgroup", "5:pids:/x\n0::/mesos/c\n")

    def isolated(self) -> None:
        self.assertEqual(self.play("isolate.sh", {"pid": 42}), (0, "", ""))

    def test_a_process_outside_of_cgroup_v2_is_an_error(self) -> None:
        self.write("proc/42/cgroup", "5:pids:/x\n")
        status, _, error = self.play("isolate.sh", {"pid": 42})
        self.assertEqual(status, 1)
        self.assertIn("process 42 is in no cgroup of version 2", error)

    def test_a_container_without_a_note_is_left_alone(self) -> None:
        self.assertEqual(self.play("usage.sh", {}), (0, "", ""))
        self.assertEqual(self.play("update.py", {"resource_requests": []}), (0, "", ""))

    def test_usage_has_what_the_kernel_tells(self) -> None:
        self.isolated()
        for name, text in [("cpu.stat", STAT), ("memory.stat", MEMORY), ("pids.current", "7\n")]:
            (self.cgroup / name).write_text(text)
        status, output, error = self.play("usage.sh", {})
        self.assertEqual((status, error), (0, ""))
        self.assertEqual(
            json.loads(output),
            {
                "cpus_user_time_secs": 1.0,
                "cpus_system_time_secs": 0.5,
                "cpus_nr_periods": 3,
                "cpus_nr_throttled": 0,
                "mem_anon_bytes": 4096,
                "mem_file_bytes": 8192,
                "mem_mapped_file_bytes": 512,
                "threads": 7,
            },
        )

    def test_usage_of_an_empty_cgroup_is_no_answer(self) -> None:
        self.isolated()
        self.assertEqual(self.play("usage.sh", {}), (0, "", ""))

    def update(self, limits: Any, **requests: float) -> None:
        resources = [
            {"name": name, "type": "SCALAR", "scalar": {"value": value}}
            for name, value in requests.items()
        ]
        given = {"resource_limits": limits, "resource_requests": resources}
        self.assertEqual(self.play("update.py", given), (0, "", ""))

    def files(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in self.cgroup.iterdir()}

    def test_memory_alone_leaves_the_rest_as_it_is(self) -> None:
        self.isolated()
        self.update({}, cpus=2, mem=100)
        both = {"memory.high": "94371840", "io.weight": "default 200"}
        self.assertEqual(self.files(), both)
        self.update({"mem": {"value": 200}}, mem=100)
        self.assertEqual(self.files(), {**both, "memory.high": "188743680"})
        self.update({"mem": {"value": "Infinity"}}, mem=100)
        self.assertEqual(self.files(), {**both, "memory.high": "max"})
        self.update({}, cpus=0.001)
        self.assertEqual(self.files(), {"memory.high": "max", "io.weight": "default 1"})

    def test_a_limit_that_cannot_be_set_is_told(self) -> None:
        self.isolated()
        self.cgroup.rmdir()
        resources = [{"name": "mem", "scalar": {"value": 1}}]
        status, _, error = self.play("update.py", {"resource_requests": resources})
        self.assertEqual(status, 1)
        self.assertIn("a limit was not set", error)


class CgroupV1(PlayedExample):
    place = "cgroup-v1"

    def setUp(self) -> None:
        super().setUp()
        self.write("proc/42/cgroup", "4:memory:/mesos/c\n3:cpu,cpuacct:/mesos/c\n0::/mesos/c\n")

    def isolated(self) -> None:
        self.assertEqual(self.play("isolate.sh", {"pid": 42}), (0, "", ""))

    def test_a_process_outside_of_cgroup_v1_is_an_error(self) -> None:
        self.write("proc/42/cgroup", "0::/mesos/c\n")
        status, _, error = self.play("isolate.sh", {"pid": 42})
        self.assertEqual((status, error), (1, "process 42 is in no cgroup of version 1\n"))

    def test_a_container_without_a_note_or_a_cgroup_is_left_alone(self) -> None:
        self.assertEqual(self.play("usage.sh", {}), (0, "", ""))
        self.isolated()
        self.assertEqual(self.play("usage.sh", {}), (0, "", ""))

    def test_usage_has_what_the_kernel_tells(self) -> None:
        self.isolated()
        cpu, memory = "cgroup/cpu,cpuacct/mesos/c", "cgroup/memory/mesos/c"
        self.write(f"{cpu}/cpuacct.stat", "user 100\nsystem 50\n")
        self.write(f"{cpu}/cpu.stat", "nr_periods 3\nnr_throttled 1\nthrottled_time 2500000\n")
        self.write(f"{memory}/memory.stat", "rss 1\ntotal_rss 4096\ntotal_cache 8192\n")
        self.write(f"{memory}/memory.usage_in_bytes", "12288\n")
        status, output, error = self.play("usage.sh", {})
        self.assertEqual((status, error), (0, ""))
        ticks = os.sysconf("SC_CLK_TCK")
        self.assertEqual(
            json.loads(output),
            {
                "cpus_user_time_secs": 100 / ticks,
                "cpus_system_time_secs": 50 / ticks,
                "cpus_nr_periods": 3,
                "cpus_nr_throttled": 1,
                "cpus_throttled_time_secs": 0.0025,
                "mem_rss_bytes": 4096,
                "mem_cache_bytes": 8192,
                "mem_total_bytes": 12288,
            },
        )


if __name__ == "__main__":
    unittest.main()
