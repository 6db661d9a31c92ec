"""What has to hold after a soak, whatever was done meanwhile."""

import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import chaos
import hosted
import plan
import processes
import setting

# How long after an action answers may still show it: what it began ends by its timeout and grace,
# and what waited for that comes later on a busy machine.
SETTLE = setting.TIMEOUT + setting.GRACE + 3
# How many looks in a row may see the same zombie: commands are collected at once, but not while
# the host has no descriptors.
ZOMBIE_LOOKS = 5
# What may be more at the end than at the beginning of the time that is judged: of the least in a
# tenth of it, because what runs at a moment has some.
MORE_DESCRIPTORS, MORE_THREADS = 2, 0
# Resident memory may grow by the larger of these, by the line of least squares over that time.
RSS_PERCENT_PER_HOUR, RSS_LEAST = 2.0, 2 << 20
# A run that is shorter than this, in seconds, has each harm once: what that takes the first time
# is no growth, and a tenth of its time has no moment in which nothing runs.
SHORT, SHORT_RSS = 300.0, 32 << 20
# Outcomes and the kinds of actions of which one at least must have brought them about.
EFFECTS = {
    "signal": ["kill"],
    "timeout": ["hang", "deaf", "stop"],
    "exit": ["fail"],
    "output_too_large": ["flood"],
}

Json = dict[str, Any]


class Run(NamedTuple):
    """What was done and seen."""

    actions: list[chaos.Done]
    seconds: list[hosted.Second]
    # Answers that are not what the command says.
    troubles: list[Json]
    # The host's last words: `load`, `made`, `troubles`, `omitted`.
    end: Json
    # Counted by the module: calls by module and event, runs by outcome, other metrics by name.
    calls: Mapping[tuple[str, ...], int]
    runs: Mapping[tuple[str, ...], int]
    others: Mapping[str, int]
    # What was left, before and after the host ended.
    left: list[str]
    status: int
    log: str
    # Of the host, before the first call and after the end of all.
    first: processes.Sample
    last: processes.Sample
    warm_up: float
    begun: float

    @property
    def is_short(self) -> bool:
        return not self.seconds or self.seconds[-1].at < SHORT


class Check(NamedTuple):
    """Something that was looked at, what was found, and what is wrong with it."""

    name: str
    found: str
    wrong: list[str]


def excuse(run: Run, trouble: Json) -> chaos.Done | None:
    """The action that accounts for an answer, if one does."""
    # Harm may keep an answer away, but never make one up, and nobody is left without.
    if trouble["trouble"] not in ("empty", "failure"):
        return None
    module = setting.MODULES[trouble["module"]]
    for done in run.actions:
        overlaps = done.began <= trouble["ended"] and trouble["begun"] <= done.ended + SETTLE
        if done.possible and overlaps and plan.touches(done.action, module, trouble["container"]):
            return done
    return None


def outcomes(run: Run) -> Check:
    """Each call that was made is counted once."""
    made = {
        (setting.MODULES[symbol], event): count
        for symbol, events in run.end["made"].items()
        for event, count in events.items()
        if setting.counted(setting.MODULES[symbol], event)
    }
    counted = {(key[0], key[1]): count for key, count in run.calls.items() if count}
    wrong = [
        f"{' '.join(key)}: {made.get(key, 0)} calls, {counted.get(key, 0)} outcomes"
        for key in sorted(made.keys() | counted.keys())
        if made.get(key, 0) != counted.get(key, 0)
    ]
    found = f"{sum(made.values())} calls, {sum(counted.values())} outcomes"
    return Check("every call has one outcome", found, wrong)


def generator(run: Run) -> Check:
    """The generator's own count of its calls and their answers."""
    made, answers = run.end["load"]["made"], run.end["load"]["answers"]
    wrong = [] if made == answers else [f"{made - answers} calls were never answered"]
    return Check("every call of the load was answered", f"{made} made, {answers} answered", wrong)


def answers(run: Run) -> Check:
    """Answers are right, but for those to what was harmed."""
    unexcused = [trouble for trouble in run.troubles if not excuse(run, trouble)]
    wrong = [
        "{trouble}: {module} {event} {container}, {text!r}".format_map(trouble)
        for trouble in unexcused[:20]
    ]
    if len(unexcused) > len(wrong):
        wrong.append(f"and {len(unexcused) - len(wrong)} more")
    if run.end["omitted"]:
        wrong.append(f"{run.end['omitted']} answers were not looked at: too many are not right")
    spoiled = len(run.troubles) - len(unexcused)
    found = f"{spoiled} of harmed containers spoiled, {len(unexcused)} of others"
    return Check("answers of what was not touched are right", found, wrong)


def listener(run: Run) -> Check:
    """The metrics can be read at any time but while the process has no descriptors."""
    lacking = [
        (done.began - run.begun, done.ended - run.begun + SETTLE)
        for done in run.actions
        if done.action.kind == "descriptors"
    ]
    silent = [second for second in run.seconds if second.reason]
    wrong = [
        f"after {second.at:.0f} s: {second.reason}"
        for second in silent
        if not any(
            first <= second.at + hosted.SCRAPE and second.at <= last for first, last in lacking
        )
    ]
    found = f"{len(run.seconds) - len(silent)} of {len(run.seconds)} scrapes"
    return Check("the metrics are there", found, wrong)


def zombies(run: Run) -> Check:
    """No child stays uncollected."""
    looks: Counter[int] = Counter()
    worst: Counter[int] = Counter()
    for second in run.seconds:
        seen = set(second.process.zombies)
        looks = Counter({pid: looks[pid] + 1 for pid in seen})
        worst |= looks
    wrong = [f"process {pid}: {n} looks" for pid, n in worst.items() if n > ZOMBIE_LOOKS]
    return Check("no zombie stays", f"{len(worst)} seen in passing", wrong)


def window(run: Run) -> list[hosted.Second]:
    """The last 80 % after the warm-up, or less: each kind of harm has been done twice before.

    What the largest queue or the longest list takes is kept, and is taken in the first rounds.
    """
    warm = [second for second in run.seconds if second.at >= run.warm_up]
    rest = warm[len(warm) // 5 :]
    twice = second_time(run)
    return rest if run.is_short else [second for second in rest if second.at >= twice]


def second_time(run: Run) -> float:
    """When the last kind of harm was done for the second time, after the first call."""
    ends: dict[str, list[float]] = {}
    for done in sorted(run.actions, key=lambda it: it.ended):
        ends.setdefault(done.action.kind, []).append(done.ended - run.begun)
    return max((each[min(1, len(each) - 1)] for each in ends.values()), default=0.0)


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Of the line of least squares, per unit of the first."""
    if len({x for x, _ in points}) < 2:
        return 0.0
    return statistics.linear_regression(*zip(*points, strict=True)).slope


def memory(run: Run) -> Check:
    """Resident memory does not grow."""
    seen = window(run)
    if len(seen) < 2:
        return Check("memory is flat", "", ["too few looks"])
    hours = (seen[-1].at - seen[0].at) / 3600
    growth = slope([(second.at / 3600, second.process.rss) for second in seen]) * hours
    mean = statistics.fmean(second.process.rss for second in seen)
    allowed = SHORT_RSS if run.is_short else RSS_LEAST
    most = max(allowed, mean * RSS_PERCENT_PER_HOUR / 100 * hours)
    found = (
        f"{seen[0].process.rss >> 10} to {seen[-1].process.rss >> 10} KiB, slope "
        f"{growth / mean / hours * 100:+.2f} %/h, {growth / 1024:+.0f} KiB in "
        f"{hours * 60:.1f} min; bound {most / 1024:.0f} KiB"
    )
    return Check("memory is flat", found, [] if growth <= most else ["it grows"])


def flat(name: str, of: Callable[[processes.Sample], int], more: int | None, run: Run) -> Check:
    """A number does not grow: its least in the last tenth is at most `more` above the first's.

    And at the end it is what it was before the first call, which alone counts without `more`.
    """
    seen = window(run)
    tenth = -(-len(seen) // 10)
    if not tenth:
        return Check(f"{name} are flat", "", ["too few looks"])
    values = [of(second.process) for second in seen]
    first, last = min(values[:tenth]), min(values[-tenth:])
    begin, end = of(run.first), of(run.last)
    wrong = [] if more is None or last <= first + more else ["they grow"]
    wrong += [f"{end} are there at the end, {begin} were at first"] if end > begin else []
    bound = "" if more is None else f"; bound +{more}"
    found = f"{first} to {last}, at most {max(values)}{bound}; {begin} before, {end} after"
    return Check(f"{name} are flat", found, wrong)


def panics(run: Run) -> Check:
    """Nothing panicked, and the log says nothing of it."""
    counted = run.others["panics_total"]
    lines = [line for line in run.log.splitlines() if "panicked" in line]
    wrong = [f"{counted} are counted"] if counted else []
    return Check("no panic", f"{len(run.log.splitlines())} lines of log", wrong + lines[:5])


def effects(run: Run) -> Check:
    """The actions were done, and did what they are for."""
    wrong = [f"{done.action}: {done.wrong}" for done in run.actions if done.wrong]
    played = {done.action.kind for done in run.actions}
    wrong += [f"{kind} was never played" for kind in plan.KINDS if kind not in played]
    missing = [outcome for outcome in EFFECTS if not run.runs.get((outcome,))]
    # The one command that a short run has for a kind may not have come, or have ended before.
    if missing and (not run.is_short or len(missing) == len(EFFECTS)):
        wrong += [f"no run ended as {it}, in spite of {', '.join(EFFECTS[it])}" for it in missing]
    if not run.others["worker_restarts_total"]:
        wrong.append("no worker was started again")
    impossible = sorted({done.action.kind for done in run.actions if not done.possible})
    found = f"{len(run.actions)} of {len(played)} kinds"
    return Check(
        "the harm was done",
        found + "; not here: " * bool(impossible) + ", ".join(impossible),
        wrong,
    )


def left(run: Run) -> Check:
    """Nothing stays, and the host ends well."""
    wrong = [*run.left, *([f"mesos-host ended with {run.status}"] if run.status else [])]
    return Check("nothing is left", f"exit status {run.status}", wrong)


def judge(run: Run) -> Iterator[Check]:
    yield outcomes(run)
    yield generator(run)
    yield answers(run)
    yield listener(run)
    yield left(run)
    yield zombies(run)
    yield memory(run)
    # A busy machine lets calls pile up now and then, and each has some.
    more = None if run.is_short else MORE_DESCRIPTORS
    yield flat("descriptors", lambda it: it.descriptors, more, run)
    yield flat("threads", lambda it: it.threads, MORE_THREADS, run)
    yield panics(run)
    yield effects(run)
