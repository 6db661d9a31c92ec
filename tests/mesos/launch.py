#!/usr/bin/env python3
"""How long until N tasks run on a real master and agent, with the module and without, in turn.

Prints each round and the median of the rounds' ratios.
"""

import argparse
import json
import pathlib
import statistics
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
STEP = "tasks launched until they run"


def seconds(arguments: argparse.Namespace, modules: pathlib.Path | None) -> float:
    """Time until all tasks run."""
    command = [arguments.host, "cluster", "--mesos", arguments.mesos]
    command += ["--tasks", str(arguments.tasks), "--json"]
    if modules:
        command += ["--modules", modules]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    for line in done.stdout.splitlines():
        fields = json.loads(line) if line.startswith("{") else {}
        if fields.get("step") == STEP:
            return float(fields["seconds"])
    raise SystemExit(f"no line about {STEP!r} in:\n{done.stdout}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", type=pathlib.Path, default=ROOT / "target/release/mesos-host")
    parser.add_argument("--mesos", default="1.11.0")
    parser.add_argument("--tasks", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--modules", type=pathlib.Path, default=HERE / "launch.modules.json")
    arguments = parser.parse_args()
    ratios = []
    for number in range(arguments.rounds):
        order = [arguments.modules, None]
        if number % 2:
            order.reverse()
        took = {modules: seconds(arguments, modules) for modules in order}
        ratios.append(took[arguments.modules] / took[None])
        print(
            f"round {number + 1}: {arguments.tasks} tasks run after "
            f"{took[arguments.modules]:.2f} s with the module, {took[None]:.2f} s without: "
            f"{ratios[-1]:.2f}",
            flush=True,
        )
    print(f"median of {len(ratios)} rounds: {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
