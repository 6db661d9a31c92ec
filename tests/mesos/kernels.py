"""Every method, failures and faults once more, on the kernel of CentOS 7."""

import pathlib
import platform
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import faults

if TYPE_CHECKING:
    from suite import Suite

HERE = pathlib.Path(__file__).resolve().parent
OLD_KERNEL = HERE.parent / "old_kernel.py"


def play(suite: "Suite", written: Sequence[tuple[str, str]]) -> None:
    """Plays scenarios whose files are beside this one, and the table of faults."""
    if platform.machine() != "x86_64":
        print("SKIPPED linux-3.10: the filter knows the numbers of x86_64 alone")
        return

    def named(name: str) -> Callable[[], list[str]]:
        log = suite.scratch / f"{name}.log"
        said = "this kernel has no memfds for us: commands get files instead"
        return lambda: [] if said in log.read_text() else [f"the log does not say: {said}"]

    suite.under = [sys.executable, OLD_KERNEL]
    for scenario, modules in written:
        name = f"linux-3.10-{scenario}"
        files = HERE / f"{modules}.modules.json", HERE / f"{scenario}.scenario.json"
        suite.run(name, *files, complaints=named(name))
    name, table = "linux-3.10-faults", faults.scenario()
    # What commands print is in files there, which cannot be sealed: those of what still runs are
    # kept open. And /dev/urandom is.
    for step in table["steps"]:
        if step["do"] == "leftovers":
            step["fds"] = step.get("fds", 0) + 12
    suite.generated(name, faults.modules(), table, complaints=named(name))
    suite.under = []
