"""The soak's schedule follows from its seed, and its oracle refuses what must not be.

Played by `make unit`; the soak itself needs a real Mesos.
"""

import os
import pathlib
import sys
import tempfile
import unittest
from collections import Counter
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "soak"))
import cgroups
import chaos
import hosted
import oracle
import plan
import processes
import scrape
import setting
import soak

WARM_UP, LENGTH = 10.0, 590.0
LIVES = f"{setting.ISOLATOR}4"


class Plan(unittest.TestCase):
    """When what is done."""

    def test_a_seed_has_one_schedule(self) -> None:
        first = plan.plan(7, WARM_UP, LENGTH)
        self.assertEqual(first, plan.plan(7, WARM_UP, LENGTH))
        self.assertNotEqual(first, plan.plan(8, WARM_UP, LENGTH))

    def test_short_and_long_runs_have_every_kind_and_calm_at_both_ends(self) -> None:
        for seed in range(20):
            for warm_up, seconds in [(2.0, 20.0), (WARM_UP, LENGTH), (30.0, 1800.0)]:
                actions = plan.plan(seed, warm_up, seconds)
                self.assertEqual({action.kind for action in actions}, set(plan.KINDS))
                self.assertGreater(actions[0].at, warm_up)
                self.assertLess(actions[-1].at, warm_up + seconds)
                self.assertEqual(actions, sorted(actions, key=lambda it: it.at))

    def test_slots_that_only_live_and_caches_are_touched_by_nobody(self) -> None:
        for action in plan.plan(1, WARM_UP, 3600.0):
            self.assertFalse(plan.touches(action, "cached", "load-5"))
            self.assertFalse(plan.touches(action, "batch", "load-8"))
            if plan.touches(action, "lives", "life-2_9"):
                self.assertIn(action.kind, plan.TO_ALL)
        kill = plan.Action(1, "kill", "life-1", "isolator_prepare")
        self.assertTrue(plan.touches(kill, "lives", "life-1_12"))
        self.assertFalse(plan.touches(kill, "lives", "life-3_12"))
        self.assertFalse(plan.touches(kill, "hooks", "life-1"))
        self.assertFalse(plan.touches(plan.Action(1, "replace-worker"), "worker", "load-9"))


def sample(**more: Any) -> processes.Sample:
    opened = Counter({"pipe:[]": more.pop("descriptors", 40)})
    fields: dict[str, Any] = {"rss": 60 << 20, "opened": opened, "threads": 30, "children": 2}
    return processes.Sample(**fields | {"zombies": []} | more)


def second(at: float, **more: Any) -> hosted.Second:
    return hosted.Second(at, sample(**more), {"ok": int(at)}, 0, 0, "")


def actions() -> list[chaos.Done]:
    done = []
    for action in plan.plan(7, WARM_UP, LENGTH):
        done.append(chaos.Done(action))
        done[-1].began = done[-1].ended = action.at
    return done


def good(**more: Any) -> oracle.Run:
    """A run with which nothing is wrong; it began when the clock was 0."""
    made = {
        setting.ISOLATOR: {"isolator_usage": 90, "isolator_prepare": 9},
        LIVES: {"isolator_prepare": 10},
        "hooks": {setting.HOOKS[0]: 5},
    }
    calls = {
        ("cached", "isolator_usage"): 90,
        ("lives", "isolator_prepare"): 10,
        ("hooks", setting.HOOKS[0]): 5,
    }
    outcomes = ["ok", *oracle.EFFECTS]
    fields: dict[str, Any] = {
        "actions": actions(),
        "seconds": [second(float(at)) for at in range(int(LENGTH))],
        "troubles": [],
        "end": {"load": {"made": 90, "answers": 90}, "made": made, "omitted": 0},
        "calls": calls,
        "runs": {(outcome,): 3 for outcome in outcomes},
        "others": Counter(worker_restarts_total=3, panics_total=0),
        "left": [],
        "status": 0,
        "log": "a line\n",
        "first": sample(),
        "last": sample(),
        "warm_up": WARM_UP,
        "begun": 0.0,
    }
    return oracle.Run(**fields | more)


class Oracle(unittest.TestCase):
    """What it lets pass, and what it does not."""

    def wrong(self, run: oracle.Run) -> list[str]:
        return [check.name for check in oracle.judge(run) if check.wrong]

    def refuses(self, name: str, **more: Any) -> None:
        self.assertEqual(self.wrong(good(**more)), [name])

    def test_a_good_run_passes(self) -> None:
        self.assertEqual(self.wrong(good()), [])

    def test_a_call_too_few_or_too_many(self) -> None:
        for count in (89, 91):
            calls = dict(good().calls) | {("cached", "isolator_usage"): count}
            self.refuses("every call has one outcome", calls=calls)
        more = dict(good().calls) | {("cached", "isolator_status"): 1}
        self.refuses("every call has one outcome", calls=more)

    def test_a_call_that_was_never_answered(self) -> None:
        end = good().end | {"load": {"made": 90, "answers": 89}}
        self.refuses("every call of the load was answered", end=end)

    def trouble(self, **more: Any) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "trouble": "failure",
            "module": LIVES,
            "event": "isolator_prepare",
            "text": "",
        }
        return fields | {"container": "life-1_3", "begun": 100.0, "ended": 101.0} | more

    def test_an_answer_that_nothing_excuses(self) -> None:
        name = "answers of what was not touched are right"
        done = chaos.Done(plan.Action(100, "kill", "life-1", "isolator_prepare"))
        done.began, done.ended = 100.5, 100.6
        harm = [*(it for it in actions() if not 60 < it.began < 160), done]
        self.assertEqual(self.wrong(good(actions=harm, troubles=[self.trouble()])), [])
        others: list[dict[str, Any]] = [
            {"container": "life-3_3"},
            {"trouble": "wrong"},
            {"trouble": "unanswered"},
            {"trouble": "discarded"},
            {"module": setting.ISOLATOR, "container": "load-5"},
            {"module": "hooks", "container": "life-1"},
            {"begun": 98.0, "ended": 99.0},
            {"begun": 101.0 + oracle.SETTLE, "ended": 102.0 + oracle.SETTLE},
        ]
        for more in others:
            self.refuses(name, actions=harm, troubles=[self.trouble(**more)])
        done.possible = False
        self.refuses(name, actions=harm, troubles=[self.trouble()])
        self.refuses(name, end=good().end | {"omitted": 1})

    def test_metrics_that_cannot_be_read(self) -> None:
        looks = good().seconds
        silent = [it._replace(reason="timed out") if it.at == 300 else it for it in looks]
        harm = [it for it in actions() if it.action.kind != "descriptors"]
        name = "the metrics are there"
        lacking = chaos.Done(plan.Action(500, "descriptors"))
        lacking.began, lacking.ended = 500.0, 501.0
        self.refuses(name, actions=[*harm, lacking], seconds=silent)
        lacking.began, lacking.ended = 299.5, 300.5
        self.assertEqual(self.wrong(good(actions=[*harm, lacking], seconds=silent)), [])

    def test_what_is_left(self) -> None:
        self.refuses("nothing is left", left=["process 7"])
        self.refuses("nothing is left", status=-11)

    def test_a_file_is_left_and_the_empty_one_of_notes_is_not(self) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            place = pathlib.Path(scratch, "mesos-command.1.2")
            place.mkdir()
            (place / processes.NOTES).write_bytes(bytes(32))
            self.assertEqual(soak.below(place.parent, "file"), [])
            before = processes.opened(os.getpid())
            with (place / processes.NOTES).open() as _notes:
                self.assertEqual(processes.opened(os.getpid()), before)
                with (place / processes.NOTES).open() as _more:
                    more = processes.opened(os.getpid()) - before
                    self.assertEqual(more.total(), 1)
            (place / processes.NOTES).write_bytes(bytes(31) + b"\1")
            (place / "other").touch()
            found = sorted(soak.below(place.parent, "file"))
            names = ("other", processes.NOTES)
            self.assertEqual(found, [f"file: {place.name}/{name}" for name in names])

    def test_a_zombie_that_stays(self) -> None:
        for looks, wrong in [(oracle.ZOMBIE_LOOKS, []), (oracle.ZOMBIE_LOOKS + 1, [7])]:
            seconds = [
                second(float(at), zombies=[7] if 100 <= at < 100 + looks else [])
                for at in range(int(LENGTH))
            ]
            expected = ["no zombie stays"] if wrong else []
            self.assertEqual(self.wrong(good(seconds=seconds)), expected)

    def test_what_grows(self) -> None:
        def grows(**each: float) -> list[hosted.Second]:
            return [
                second(it.at, **{name: more(it, name, each[name]) for name in each})
                for it in good().seconds
            ]

        def more(it: hosted.Second, name: str, by: float) -> int:
            return int(getattr(it.process, name) + by * it.at)

        self.refuses("memory is flat", seconds=grows(rss=2 * oracle.RSS_LEAST / LENGTH))
        self.refuses("descriptors are flat", seconds=grows(descriptors=10 / LENGTH))
        self.refuses("threads are flat", seconds=grows(threads=3 / LENGTH))
        self.assertEqual(self.wrong(good(seconds=grows(rss=0.3 * oracle.RSS_LEAST / LENGTH))), [])
        self.refuses("descriptors are flat", last=sample(descriptors=41))
        self.refuses("threads are flat", last=sample(threads=31))

    def test_what_the_first_rounds_of_harm_take_is_no_growth(self) -> None:
        twice = oracle.second_time(good())
        self.assertTrue(WARM_UP < twice < LENGTH / 2, twice)

        def jump(when: float) -> list[hosted.Second]:
            return [
                it._replace(process=it.process._replace(rss=it.process.rss + (16 << 20)))
                if it.at >= when
                else it
                for it in good().seconds
            ]

        self.assertEqual(self.wrong(good(seconds=jump(twice))), [])
        self.refuses("memory is flat", seconds=jump(LENGTH / 2))

    def test_a_panic(self) -> None:
        self.refuses("no panic", log="thread 'x' panicked at")
        self.refuses("no panic", others=Counter(worker_restarts_total=3, panics_total=1))

    def test_harm_that_was_not_done(self) -> None:
        name = "the harm was done"
        for kind in plan.KINDS:
            self.refuses(name, actions=[it for it in actions() if it.action.kind != kind])
        for outcome in oracle.EFFECTS:
            self.refuses(name, runs=dict(good().runs) | {(outcome,): 0})
        failed = actions()
        failed[0].wrong = "OSError"
        self.refuses(name, actions=failed)

    def test_harm_that_is_not_possible_is_named(self) -> None:
        done = actions()
        done[0].possible, done[0].text = False, "not here"
        found = [check.found for check in oracle.judge(good(actions=done))]
        self.assertTrue(any("not here: " + done[0].action.kind in it for it in found), found)


class Cgroups(unittest.TestCase):
    """Whose may be removed."""

    def test_only_directories_with_the_number_of_the_host_are_its_own(self) -> None:
        for path in ["/", "/agent", "/70.1.0/m.usage.3", "/mesos/712/x", "/process/7"]:
            self.assertIsNone(cgroups.tree(path, 7), path)
        for path in ["/mesos-command/7.123.0/m.usage.3", "/a/mesos-command/7.123.0"]:
            found = cgroups.tree(path, 7)
            assert found
            self.assertEqual(found.name, "7.123.0")
            self.assertFalse(found.is_absolute(), "it is below the mount")


class Scrape(unittest.TestCase):
    """The exposition."""

    def test_series_are_summed_by_their_labels(self) -> None:
        text = (
            "# HELP mesos_command_calls_total x\n"
            'mesos_command_calls_total{module="a",event="e",outcome="ok"} 3\n'
            'mesos_command_calls_total{module="a",event="e",outcome="exit"} 4\n'
            'mesos_command_calls_total{module="b",event="e",outcome="ok"} 5\n'
            "mesos_command_panics_total 1\n"
        )
        series = scrape.parse(text)
        by_module = scrape.total(series, "calls_total", "module")
        self.assertEqual(by_module, {("a",): 7, ("b",): 5})
        self.assertEqual(scrape.total(series, "panics_total").total(), 1)
        self.assertEqual(scrape.total(series, "nothing").total(), 0)


if __name__ == "__main__":
    unittest.main()
