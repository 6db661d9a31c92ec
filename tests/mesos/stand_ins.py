"""Hosts that are no Mesos, which the suite plays like its releases.

One has the strings before C++11, of which no real library can be had, one those of C++11, to tell
its own faults from the module's, and one is like clusterd: wider statistics, and messages, protobuf
and log in libraries of their own. cpp/host/stand-in/build.py makes them.
"""

import pathlib
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import refusals

if TYPE_CHECKING:
    from suite import Suite

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
ROOT = REPOSITORY / "target/stand-in"
BUILD = REPOSITORY / "cpp/host/stand-in/build.py"
# Names, with what `mesos-command inspect` says of their strings.
STRINGS = {"cow": "old", "cxx11": "cxx11", "clusterd": "cxx11"}
# The release that all say they are.
RELEASE = "1.11.0"


def build(host: pathlib.Path, name: str) -> int:
    """0: there; 3: PyPI cannot be reached; anything else: broken."""
    command: list[str | pathlib.Path] = [sys.executable, BUILD, "--host", host]
    command += ["--root", ROOT, name]
    return subprocess.run(command, check=False).returncode


def drive(suite: "Suite") -> None:
    """The module called with the stand-in's own types, and without memory where a call fails."""
    library = suite.host.with_name("libmesos_command_modules.so").resolve()
    with tempfile.TemporaryDirectory(prefix="mesos-suite-") as directory:
        suite.play(
            "driver",
            [suite.mesos / "driver", library, HERE / "stand-in.sh", directory],
            environment={"GATE": f"{directory}/gate"},
        )
    if suite.release == "cow":
        mixed(suite)
    if suite.release == "clusterd":
        suite.written("clusterd", "clusterd")


def libraries(directory: pathlib.Path) -> str:
    """A libmesos and those that it was made with, separated by commas."""
    return ",".join(str(path) for path in sorted(directory.glob("lib*.so")))


def mixed(suite: "Suite") -> None:
    """A host whose table of versions and whose protobuf have different strings is refused."""
    preload = suite.scratch / "strings.so"
    command: list[str | pathlib.Path] = ["cc", "-shared", "-fPIC", "-Wall", "-Werror"]
    subprocess.run([*command, "-o", preload, HERE / "strings.c"], check=True)
    case = refusals.Case(
        refusals.isolator(),
        refusals.INCOMPATIBLE,
        [
            f"refuses to run in this Mesos {RELEASE}",
            "its protobuf is built with another std::string",
        ],
        {"LD_PRELOAD": str(preload)},
    )
    refusals.play(suite, suite.mesos / "libmesos.so", "refuse-mixed-strings", case)
