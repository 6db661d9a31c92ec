"""The releases of Mesos that the suite plays, and how much of it in each.

A whole suite takes minutes, so that by default only the two oldest and the newest get it. Those
between differ from them in sizes and in what is there or not, of which the core shows the most; the
option --whole plays everything everywhere.
"""

from collections.abc import Collection
from typing import NamedTuple

from files import Json, Step


class Release(NamedTuple):
    """What the suite plays in a release."""

    # Everything, and not just CORE.
    whole: bool = False
    # Events that its modules are never called for.
    lacks: Collection[str] = ()


RELEASES = {
    "1.7.3": Release(whole=True, lacks=["hook_master_launch_task_resource_decorator"]),
    "1.8.0": Release(whole=True),
    "1.8.1": Release(),
    "1.9.0": Release(),
    "1.10.0": Release(),
    "1.11.0": Release(whole=True),
}
NEWEST = [*RELEASES][-1]
# Scenarios that are programs of their own, which the newest alone plays: (name, program, options).
PROGRAMS = [
    ("shared-state", "shared_state.py"),
    ("operator", "operating.py"),
    ("reload", "reloading.py"),
    # `make reload-load` plays it for longer, at four times the pace.
    ("reload-load", "reload_load.py", "--rate", "1000", "--seconds", "3"),
    ("held", "held.py"),
]
# Played in all of them: what the module asks of the library, every method, the examples, the
# original's contract, failures, what is refused by the functions of mesos::Hook, the tool's
# opinion.
CORE = ["symbols", "examples", "all-events", "failing", "contract", "refuse-hook-", "inspect"]


def in_core(name: str) -> bool:
    """Whether a scenario is played in every release."""
    return name in CORE or any(name.startswith(it) for it in CORE if it.endswith("-"))


def without(scenario: Json, events: Collection[str]) -> Json:
    """A scenario without the steps that call these events, or look for what they did."""

    def stays(step: Step) -> bool:
        sought = step.get("contains", "").split(" ")[0] if step["do"] == "file" else ""
        return step.get("event") not in events and sought not in events

    return {**scenario, "steps": [step for step in scenario.get("steps", []) if stays(step)]}
