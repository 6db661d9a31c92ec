#!/usr/bin/env python3
"""4,000 usage calls a second and containers that live and end, in a real libmesos, under harm.

Commands are killed, stopped, hang and leave children; workers are killed and hang; scripts are
replaced; the temporary directory is full; cgroups vanish; there are no descriptors; the clock
jumps; clients of the metrics stall. What is done when follows from --seed alone, which is printed.
oracle.py says what has to hold. DIRECTORY gets report.jsonl, report.txt and chart.png.

The wall clock that jumps is the host's alone (clock.c), and the tmpfs that is filled is mounted
where nobody else sees it.

Exit status: 0 all held; 1 something did not; 3 the library or matplotlib could not be had (with
ALLOW_OFFLINE=1 that is reported as skipped, with status 0).
"""

import argparse
import contextlib
import pathlib
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable

import chaos
import hosted
import oracle
import plan
import processes
import report
import scrape
import setting

sys.path.insert(0, str(setting.HERE.parent))
import lint
import skips

FETCH = setting.ROOT / "cpp/host/real-mesos/fetch.py"
CHART = setting.HERE / "chart.txt"
# How long anything may take that must happen.
PATIENCE = 120.0
# How long what is ended may take to be gone.
SETTLE = 20.0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    target = setting.ROOT / "target"
    parser.add_argument("--host", type=pathlib.Path, default=target / "release/mesos-host")
    parser.add_argument("--mesos", default="1.11.0", metavar="RELEASE")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--warm-up", type=float, metavar="SECONDS", help="default: 30, or a fifth")
    parser.add_argument("--rate", type=int, default=4000, help="usage calls per second")
    parser.add_argument("--seed", type=int, help="default: another one each time")
    parser.add_argument("--out", type=pathlib.Path, default=target / "soak", metavar="DIRECTORY")
    parser.add_argument("--show", action="store_true", help="print the schedule, and do nothing")
    arguments = parser.parse_args()
    if arguments.warm_up is None:
        arguments.warm_up = min(30.0, arguments.minutes * 60 / 5)
    if arguments.seed is None:
        arguments.seed = random.SystemRandom().randrange(10**6)
    return arguments


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def until(condition: Callable[[], list[str]]) -> list[str]:
    """Waits for nothing to be wrong any more; what is, when the time is over."""
    end = time.monotonic() + SETTLE
    while (wrong := condition()) and time.monotonic() < end:
        time.sleep(0.1)
    return wrong


def below(directory: pathlib.Path, what: str) -> list[str]:
    """Files that are left; the directories of instances stay.

    So does the file in which a host notes commands that have no cgroup, for as long as it lives: of
    it notes are left.
    """
    found = [path for path in directory.rglob("*") if not path.is_dir()]
    left = [path for path in found if path.name != processes.NOTES or any(path.read_bytes())]
    return [f"{what}: {path.relative_to(directory)}" for path in left]


def left_inside(place: setting.Place, host: int, port: int, first: processes.Sample) -> list[str]:
    """What is left when all calls were answered and all containers cleaned up.

    The host had `first` before the calls.
    """
    wrong = below(place.contexts, "context") + below(place.temporary, "temporary file")
    calls = [path for path in place.temporary.glob("*/*") if path.is_dir()]
    wrong += [f"directory of a call: {path.name}" for path in calls]
    found = processes.sample(host)
    commands = [
        f"command {pid}: {environment.get('MESOS_COMMAND_EVENT')} "
        f"{environment.get('MESOS_CONTAINER_ID')}"
        for pid, environment in processes.commands(host)
        if "MESOS_COMMAND_WORKER" not in environment
    ]
    more = found.opened - first.opened
    if found.descriptors > first.descriptors:
        wrong += [f"{count} more of {what} are open" for what, count in more.items()]
    workers = found.children - len(found.zombies) - len(commands)
    wrong += commands + [f"zombie {pid}" for pid in found.zombies]
    wrong += [f"{workers} workers"] if workers > setting.WORKERS else []
    series = scrape.get(port, hosted.SCRAPE)
    for name in ("running", "queued", "quarantined", "containers"):
        count = scrape.total(series, name).total()
        # Workers are no runs.
        wrong += [f"{name} is {count}"] if count else []
    return wrong


def left_outside(place: setting.Place, done: chaos.Chaos) -> list[str]:
    """What is left when the host is gone."""
    wrong = [f"process {pid}" for pid in processes.marked("SOAK_PLACE", str(place.root))]
    wrong += [f"{path.name} in the temporary directory" for path in place.temporary.iterdir()]
    wrong += [f"cgroup {path}" for path in done.cgroups if path.exists()]
    return wrong


def play(arguments: argparse.Namespace, place: setting.Place) -> oracle.Run:
    """One run, to its end."""
    port, seconds = free_port(), arguments.minutes * 60
    load = ["--rate", str(arguments.rate), "--warm-up", f"{arguments.warm_up * 1000:.0f}ms"]
    load += ["--duration", f"{seconds * 1000:.0f}ms"]
    with hosted.Host(arguments.host, arguments.mesos, place, port, load) as host:
        host.wait_for("begun", PATIENCE)
        first = processes.sample(host.pid)
        harm = chaos.Chaos(place, host.pid, port)
        watcher = hosted.Watcher(host, port)
        watcher.start()
        try:
            harm.play(plan.plan(arguments.seed, arguments.warm_up, seconds), host.begun)
            spent = time.monotonic() - host.begun
            host.wait_for("end", arguments.warm_up + seconds - spent + PATIENCE)
        finally:
            looks = watcher.stop()
        left = until(lambda: left_inside(place, host.pid, port, first))
        series, last = scrape.get(port, hosted.SCRAPE), processes.sample(host.pid)
        status = host.close(PATIENCE)
        left += until(lambda: left_outside(place, harm))
    names = ["panics_total", "worker_restarts_total", "kills_total", "strays_total"]
    return oracle.Run(
        actions=harm.done,
        # Later ones are of a process that does nothing any more.
        seconds=[it for it in looks if it.at <= arguments.warm_up + seconds],
        troubles=host.troubles,
        end=host.end,
        calls=scrape.total(series, "calls_total", "module", "event"),
        runs=scrape.total(series, "runs_total", "outcome"),
        others=Counter({name: scrape.total(series, name).total() for name in names}),
        left=left,
        status=status,
        log=place.log.read_text(errors="replace"),
        first=first,
        last=last,
        warm_up=arguments.warm_up,
        begun=host.begun,
    )


def soak(arguments: argparse.Namespace, python: pathlib.Path | None) -> int:
    """Plays, judges and reports."""
    out = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mesos-soak-") as directory:
        root = pathlib.Path(directory)
        try:
            run = play(arguments, setting.prepare(root))
        finally:
            setting.clear(root)
    checks = list(oracle.judge(run))
    head = {
        "seed": arguments.seed,
        "mesos": arguments.mesos,
        "rate": arguments.rate,
        "seconds": arguments.minutes * 60,
        "warm_up": arguments.warm_up,
    }
    report.write(report.records(head, run, checks), out / "report.jsonl")
    text = "\n".join(report.table(head, run, checks))
    (out / "report.txt").write_text(text + "\n")
    (out / "mesos.log").write_text(run.log)
    print(text)
    if python:
        report.draw(python, out / "report.jsonl", out / "chart.png")
    failed = [check.name for check in checks if check.wrong]
    print(f"soak: {len(checks)} checks, {len(failed)} failed, in {out}", *failed, sep=", ")
    return int(bool(failed))


def skip(what: str, why: str) -> int:
    if skips.allowed_offline():
        print(f"SKIPPED {what}: {why}")
        return 0
    print(f"FAILED: {what}: {why} (ALLOW_OFFLINE=1 skips this)")
    return 3


def main() -> int:
    arguments = parse()
    if arguments.show:
        print(f"seed {arguments.seed}")
        for action in plan.plan(arguments.seed, arguments.warm_up, arguments.minutes * 60):
            print(f"{action.at:8.1f} s  {action}")
        return 0
    setting.own_mounts(arguments.seed)
    print(f"seed {arguments.seed}", flush=True)
    fetched = subprocess.run([sys.executable, FETCH, arguments.mesos], check=False).returncode
    if fetched == 3:
        return skip("the soak", "PyPI cannot be reached")
    if fetched:
        sys.exit(f"fetch.py ended with {fetched}")
    python = None
    try:
        python = lint.tools(setting.ROOT / "target/chart", CHART) / "python"
    except lint.MissingTools as reason:
        if status := skip("the chart of the soak", str(reason)):
            return status
    with contextlib.suppress(KeyboardInterrupt):
        return soak(arguments, python)
    return 1


if __name__ == "__main__":
    sys.exit(main())
