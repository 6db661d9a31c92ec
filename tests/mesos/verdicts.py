"""What is wrong with how a scenario went, beyond what mesos-host itself says."""

import argparse
import pathlib
import sys
import tempfile
from collections.abc import Callable


def late(output: str) -> list[str]:
    """What mesos-host complains about in its output if it is of times alone, else nothing."""
    complaints = [line[4:] for line in output.splitlines() if line.startswith("    ")]
    complaints = [line for line in complaints if not line.startswith("the answer was: ")]
    times = [line for line in complaints if line.startswith(("LATE: ", "NOT JUDGED: "))]
    return times if times == complaints else []


def outlived(pids: pathlib.Path) -> list[str]:
    """Which of the commands of the `end` scenario outlived their host.

    There must be five of them, one for each call that was not queued and does not end by itself.
    """
    started = pids.read_text().split()
    wrong = [] if len(started) == 5 else [f"{len(started)} commands were started instead of 5"]
    for pid in started:
        stat = pathlib.Path("/proc", pid, "stat")
        if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z":
            wrong.append(f"command {pid} outlived its host")
    return wrong


def parser(about: str | None) -> argparse.ArgumentParser:
    """The command line of a scenario that is a program of its own: HOST RELEASE."""
    found = argparse.ArgumentParser(description=(about or "").splitlines()[0])
    found.add_argument("host", type=pathlib.Path)
    found.add_argument("release")
    return found


def judged(play: Callable[[pathlib.Path], tuple[list[str], str]]) -> None:
    """Plays a scenario in a directory that goes with it.

    `play` says what is wrong, and what was seen when nothing is, which is printed. Exit status: 0
    nothing is wrong; 1 something is.
    """
    with tempfile.TemporaryDirectory(prefix="mesos-played-") as root:
        wrong, seen = play(pathlib.Path(root))
    print(*wrong or [seen], sep="\n")
    sys.exit(1 if wrong else 0)


def played(
    about: str | None, play: Callable[[pathlib.Path, str, pathlib.Path], tuple[list[str], str]]
) -> None:
    """A scenario that is a program without options."""
    arguments = parser(about).parse_args()
    judged(lambda root: play(arguments.host, arguments.release, root))
