"""Simulated agents have the faults that were planned, and nobody else has them.

Played by `make unit`; `make fleet` puts them before a real Prometheus.
"""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "fleet"))
from agents import NEW, OTHER_HASH, Agents, Sample, plan, samples

EXPOSITION = """# HELP mesos_command_calls_total Calls
# TYPE mesos_command_calls_total counter
mesos_command_calls_total{module="m",event="isolator_usage",outcome="ok"} 5
mesos_command_calls_total{module="m",event="isolator_usage",outcome="exit"} 0
# TYPE mesos_command_call_duration_seconds histogram
mesos_command_call_duration_seconds_bucket{module="m",event="isolator_usage",le="0.02"} 5
mesos_command_call_duration_seconds_bucket{module="m",event="isolator_usage",le="5"} 5
mesos_command_call_duration_seconds_bucket{module="m",event="isolator_usage",le="+Inf"} 5
# TYPE mesos_command_queued gauge
mesos_command_queued{module="m"} 0
# TYPE mesos_command_build_info gauge
mesos_command_build_info{version="0.1.0",mesos_version="1.11.0"} 1
mesos_command_config_info{module="m",hash="00"} 1
mesos_command_panics_total 0
"""


class Fleet(unittest.TestCase):
    """What each agent serves."""

    def setUp(self) -> None:
        self.agents = Agents(EXPOSITION, 1000)

    def served(self, agent: int, name: str, **labels: str) -> float:
        found = [
            sample.value
            for sample in samples(self.agents.serve(agent, 100.0))
            if sample.name == name and labels.items() <= dict(sample.labels).items()
        ]
        self.assertEqual(len(found), 1, f"{name} {labels}")
        return found[0]

    def test_faults_are_few_and_no_agent_has_two_that_hide_each_other(self) -> None:
        for count in (100, 1000, 3000):
            planned = plan(count)
            few = [*planned][:5]
            for index, these in enumerate(few):
                self.assertGreaterEqual(len(these), 5)
                self.assertLess(max(these), count)
                for others in few[index + 1 :]:
                    self.assertFalse(these & others)
            self.assertLess(len(planned.new), count / 2)

    def test_each_fault_shows_and_others_have_none(self) -> None:
        planned = self.agents.planned
        bad = set().union(*planned)
        well = next(agent for agent in range(1000) if agent not in bad)
        calls = "mesos_command_calls_total"
        bucket = "mesos_command_call_duration_seconds_bucket"
        for agent, faulty in [(well, False), (min(planned.failing), True)]:
            self.assertEqual(self.served(agent, calls, outcome="exit") > 0, faulty)
            self.assertGreater(self.served(agent, calls, outcome="ok"), 0)
        for agent, faulty in [(well, False), (min(planned.slow), True)]:
            self.assertEqual(self.served(agent, bucket, le="5") == 0, faulty)
            self.assertGreater(self.served(agent, bucket, le="+Inf"), 0)
        for agent, faulty in [(well, False), (min(planned.queued), True)]:
            self.assertEqual(self.served(agent, "mesos_command_queued") > 0, faulty)
        self.assertIn(OTHER_HASH, self.agents.serve(min(planned.odd), 1.0))
        self.assertIn(NEW, self.agents.serve(min(planned.new), 1.0))
        self.assertNotIn(OTHER_HASH, self.agents.serve(well, 1.0))
        self.assertNotIn(NEW, self.agents.serve(well, 1.0))

    def test_counters_only_grow(self) -> None:
        agent = min(self.agents.planned.failing)
        before = samples(self.agents.serve(agent, 10.0))
        for old, new in zip(before, samples(self.agents.serve(agent, 25.0)), strict=True):
            self.assertEqual((old.name, old.labels), (new.name, new.labels))
            self.assertGreaterEqual(new.value, old.value)

    def test_what_is_no_sample_is_refused(self) -> None:
        self.assertEqual(samples("a_total 1\n"), [Sample("a_total", (), 1.0)])
        with self.assertRaises(ValueError):
            samples("what is this?\n")


if __name__ == "__main__":
    unittest.main()
