"""What is kept of a soak: a line of JSON for everything, a table, and a picture."""

import json
import os
import pathlib
import platform
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import oracle
import setting

Json = dict[str, Any]


def records(head: Json, run: oracle.Run, checks: Sequence[oracle.Check]) -> Iterator[Json]:
    """Everything; times are seconds after the first call."""
    yield {
        "record": "run",
        **head,
        "machine": platform.platform(),
        "processors": os.cpu_count(),
        "load": run.end["load"],
    }
    for second in run.seconds:
        yield {
            "record": "second",
            "at": second.at,
            **second.process._asdict(),
            "descriptors": second.process.descriptors,
            "outcomes": second.outcomes,
            "running": second.running,
            "queued": second.queued,
            "reason": second.reason,
        }
    for done in sorted(run.actions, key=lambda it: it.began):
        yield {
            "record": "action",
            **done.action._asdict(),
            "began": done.began - run.begun,
            "ended": done.ended - run.begun,
            "did": done.text,
            "possible": done.possible,
            "wrong": done.wrong,
        }
    for trouble in run.troubles:
        excuse = oracle.excuse(run, trouble)
        times = {key: trouble[key] - run.begun for key in ("begun", "ended")}
        yield {
            "record": "answer",
            **trouble,
            **times,
            "because": str(excuse.action) if excuse else None,
        }
    for check in checks:
        yield {"record": "check", **check._asdict()}


def table(head: Json, run: oracle.Run, checks: Sequence[oracle.Check]) -> Iterator[str]:
    """The same for people."""
    yield (
        f"{head['seconds'] / 60:.1f} minutes at {head['rate']} calls/s inside Mesos "
        f"{head['mesos']}, after {head['warm_up']:.0f} s of warm-up; seed {head['seed']}"
    )
    yield "\nharm             times  spoiled answers  notes"
    spoiled: Counter[str] = Counter()
    for trouble in run.troubles:
        if excuse := oracle.excuse(run, trouble):
            spoiled[excuse.action.kind] += 1
    played = Counter(done.action.kind for done in run.actions)
    for kind, times in sorted(played.items()):
        reasons = {it.text for it in run.actions if it.action.kind == kind and not it.possible}
        note = f"not possible here: {'; '.join(sorted(reasons))}" if reasons else ""
        yield f"{kind:16} {times:5}  {spoiled[kind]:15}  {note}".rstrip()
    yield "\ncalls by module and event, and runs by outcome"
    for (module, event), count in sorted(run.calls.items()):
        if count:
            yield f"{module:8} {event:42} {count:10}"
    yield ", ".join(f"{outcome} {count}" for (outcome,), count in sorted(run.runs.items()) if count)
    others = ", ".join(f"{name} {count}" for name, count in run.others.items())
    yield f"{others}\n"
    for check in checks:
        yield f"{'FAILED' if check.wrong else 'ok':8} {check.name}: {check.found}"
        yield from (f"         {line}" for line in check.wrong)


def draw(program: pathlib.Path, lines: pathlib.Path, picture: pathlib.Path) -> None:
    """Draws with the Python that has matplotlib."""
    subprocess.run([program, setting.HERE / "chart.py", lines, picture], check=True)


def write(lines: Iterator[Json], path: pathlib.Path) -> None:
    with path.open("w") as file:
        for line in lines:
            file.write(json.dumps(line) + "\n")
