"""Which harm is done when: a schedule that follows from a seed alone."""

import random
from typing import NamedTuple

import setting

# Done to one command, or to what the commands of one container and event do.
TO_COMMANDS = ["kill", "stop", "hang", "deaf", "child", "flood", "fail"]
TO_WORKERS = ["worker-kill", "worker-stop", "worker-hang", "replace-worker"]
TO_ALL = ["replace", "full", "descriptors", "clock", "clients", "cgroups"]
KINDS = [*TO_COMMANDS, *TO_WORKERS, *TO_ALL]

# Seconds between two actions of a long run.
PAUSES = (1.5, 5.0)
# After the warm-up and before the end nothing is done, so that both can be compared.
CALM = 5.0


class Action(NamedTuple):
    """One thing that is done."""

    # Seconds since the first call.
    at: float
    kind: str
    # `load-N`, `life-N`, a hook's or the batch's event alone; empty where nothing is chosen.
    container: str = ""
    event: str = ""
    # By how many seconds the clock jumps.
    seconds: int = 0

    def __str__(self) -> str:
        about = " ".join(word for word in (self.container, self.event) if word)
        jump = f" {self.seconds:+} s" if self.seconds else ""
        return f"{self.kind} {about}".rstrip() + jump


def plan(seed: int, warm_up: float, seconds: float) -> list[Action]:
    """The schedule of a run that makes calls for `warm_up` and then for so many seconds.

    Rounds of all kinds, each round in an order of its own. A run too short for a whole round at
    the usual pace gets one that is faster.
    """
    chance = random.Random(seed)
    calm = min(CALM, seconds / 5)
    first, last = warm_up + calm, warm_up + seconds - calm
    usual = len(KINDS) * sum(PAUSES) / 2
    pace = min(1.0, (last - first) / usual)
    actions: list[Action] = []
    at = first
    while True:
        for kind in chance.sample(KINDS, len(KINDS)):
            action = choose(chance, at, kind)
            if at > last:
                return actions
            actions.append(action)
            pause = chance.uniform(*PAUSES) if pace == 1.0 else sum(PAUSES) / 2
            at = round(at + pause * pace, 3)


def choose(chance: random.Random, at: float, kind: str) -> Action:
    """An action of a kind, with its particulars."""
    at = round(at, 3)
    if kind in TO_COMMANDS:
        return Action(at, kind, *victim(chance, kind))
    if kind == "clock":
        return Action(at, kind, seconds=chance.choice([-86400, -3600, -7, 11, 3600, 86400]))
    return Action(at, kind)


def victim(chance: random.Random, kind: str) -> tuple[str, str]:
    """Whose command: its container and event. Every second slot of lives is never touched."""
    places = [(f"load-{number}", "isolator_usage") for number in (5, 25, 45)]
    places += [
        (f"life-{slot}", event) for slot in range(1, setting.SLOTS, 2) for event in setting.METHODS
    ]
    places.append(("", "isolator_usage_batch"))
    # A hook that hangs three times is suspended, for longer than can be excused.
    if kind in ("kill", "fail", "child"):
        places += [("", event) for event in setting.HOOKS]
    return chance.choice(places)


def touches(action: Action, module: str, container: str) -> bool:
    """Whether an action may spoil answers to a container's calls.

    Never those of the modules that have the last good value to answer with, nor those of the slots
    that only live; of the others all are spoiled by what is done to the whole process.
    """
    if module in ("cached", "batch"):
        return False
    if action.kind in ("full", "descriptors", "cgroups"):
        return True
    if action.kind in TO_WORKERS:
        return module == "worker" and action.kind != "replace-worker"
    if action.kind not in TO_COMMANDS:
        return False
    if module == "lives":
        return container.partition("_")[0] == action.container
    return module == "hooks" and action.event in setting.HOOKS
