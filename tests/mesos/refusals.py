"""What the module refuses in a real ModuleManager, each with one clear line, and what it accepts.

A case plays a scenario with variables of the host's environment and says which error line of the
module's the log has to have: exactly one, with all of these words, or none.
"""

import json
import pathlib
import subprocess
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from files import Json, call, modules_file

if TYPE_CHECKING:
    from suite import Suite

HERE = pathlib.Path(__file__).resolve().parent
NOT_CREATED = "Error creating Module instance for 'com_criteo_mesos_CommandIsolator'"
INCOMPATIBLE = "has determined to be incompatible"


class Case(NamedTuple):
    """A modules file, and what Mesos and the module have to say about it."""

    modules: Json
    # Mesos's own words; None: it accepts.
    refused: str | None = None
    # Words of our one line of error.
    line: Sequence[str] = ()
    environment: Mapping[str, str] = {}
    # Simulated by release.c; it has to be below the library's own, which Mesos checks too.
    release: str | None = None
    # Releases of which this says nothing.
    unless: Sequence[str] = ()
    # If there are any: the only ones of which it says something.
    only: Sequence[str] = ()


def isolator(**parameters: str) -> Json:
    pairs = {
        "module_name": "refused",
        "state_dir": "${SCRATCH}/contexts",
        "temp_dir": "${SCRATCH}/tmp",
        **parameters,
    }
    return modules_file([("com_criteo_mesos_CommandIsolator", pairs)])


def parameter(words: Sequence[str], **parameters: str) -> Case:
    return Case(isolator(**parameters), NOT_CREATED, words)


def size(name: str, found: int, known: str) -> Case:
    words = ["refuses to run in this Mesos @RELEASE@", name, f"takes {found} bytes", known]
    return Case(isolator(), INCOMPATIBLE, words, {"SIMULATED_SIZES": f"{name}={found}"})


def layout(which: str, words: str, unless: Sequence[str] = ()) -> Case:
    return Case(
        isolator(),
        INCOMPATIBLE,
        ["refuses to run in this Mesos @RELEASE@", words],
        {"SIMULATED_LAYOUT": which},
        unless=unless,
    )


def hook(has: str, size: int, sizes: str, **more: Any) -> Case:
    """What speaks for other functions of mesos::Hook than the host calls."""
    words = [
        f"mesos.slave.ContainerLaunchInfo takes {size} bytes in it",
        f"mesos::Hook has {has} masterLaunchTaskResourceDecorator",
        "belongs to another release",
    ]
    return Case(isolator(), INCOMPATIBLE, words, {"SIMULATED_SIZES": sizes}, **more)


# The size that only Mesos 1.7 has, and those of its other messages.
LAUNCH_INFO = "mesos.slave.ContainerLaunchInfo"
SIZES_17 = f"{LAUNCH_INFO}=184,mesos.TaskInfo=152"

CASES = {
    "no-isolator-name": parameter(["'module_name'", "is missing"], module_name=""),
    "bad-name": parameter(["'module_name'", "'../up'"], module_name="../up"),
    "bad-duration": parameter(
        ["'isolator_usage_timeout'", "'soon'", "accepted are"],
        isolator_usage_command="${HERE}/trivial.sh",
        isolator_usage_timeout="soon",
    ),
    "zero-duration": parameter(
        ["'isolator_prepare_timeout'", "'0'"],
        isolator_prepare_command="${HERE}/trivial.sh",
        isolator_prepare_timeout="0",
    ),
    "bad-failure": parameter(
        ["'isolator_prepare_failure'", "'never'", "fail", "ignore"],
        isolator_prepare_failure="never",
    ),
    "bad-number": parameter(["'max_parallel'", "'many'"], max_parallel="many"),
    "size-hook": size("mesos.Labels", 56, "knows 48"),
    "size-usage": size("mesos.ResourceStatistics", 416, "knows 400 or 408 or 488"),
    "size-prepare": size("mesos.slave.ContainerLaunchInfo", 288, "knows 184 or 224 or 280"),
    "layout-resources": layout("resources", "mesos.Resources has a layout"),
    "layout-limits": layout(
        "limits",
        "mesos.TaskInfo does not keep its map of limits",
        unless=["1.7.3", "1.8.0", "1.8.1", "1.9.0"],
    ),
    # Neither the size, nor the release, nor both make us give a host the functions of Mesos 1.7.
    "hook-size": hook("a", 184, f"{LAUNCH_INFO}=184", unless=["1.7.3"]),
    "hook-size-17": hook("no", 224, f"{LAUNCH_INFO}=224", only=["1.7.3"]),
    "hook-release": Case(
        isolator(),
        INCOMPATIBLE,
        ["refuses to run in this Mesos 1.7.3", "which belongs to another release"],
        release="1.7.3",
        unless=["1.7.3"],
    ),
    "hook-release-and-size": hook("a", 184, SIZES_17, release="1.7.3", unless=["1.7.3"]),
    # Not even a release that is named is accepted when it is too old.
    "hook-older": Case(
        isolator(),
        INCOMPATIBLE,
        ["refuses to run in this Mesos 1.6.2", "works with 1.7.3", "any older release"],
        {"MESOS_COMMAND_MODULES_ACCEPT": "1.6.2"},
        release="1.6.2",
    ),
    "untested": Case(
        isolator(),
        INCOMPATIBLE,
        [
            "refuses to run in this Mesos @RELEASE@-rc1",
            "it has been tested with",
            "MESOS_COMMAND_MODULES_ACCEPT=@RELEASE@-rc1",
        ],
        release="@RELEASE@-rc1",
    ),
    "accepts-another": Case(
        isolator(),
        INCOMPATIBLE,
        ["MESOS_COMMAND_MODULES_ACCEPT=@RELEASE@-rc1"],
        {"MESOS_COMMAND_MODULES_ACCEPT": "@RELEASE@-rc2"},
        release="@RELEASE@-rc1",
    ),
    # Accepting a release does not accept its sizes.
    "accepts-no-size": Case(
        isolator(),
        INCOMPATIBLE,
        ["mesos.Labels takes 56 bytes"],
        {
            "MESOS_COMMAND_MODULES_ACCEPT": "@RELEASE@-rc1",
            "SIMULATED_SIZES": "mesos.Labels=56",
        },
        release="@RELEASE@-rc1",
    ),
    "accepted": Case(
        isolator(isolator_usage_command="${HERE}/trivial.sh"),
        environment={"MESOS_COMMAND_MODULES_ACCEPT": "@RELEASE@-rc1"},
        release="@RELEASE@-rc1",
    ),
}
# After a refusal nothing is played; after an acceptance the module has to work.
STEPS = [
    call(event, "c", {"answer": "nothing"})
    for event in ("isolator_prepare", "isolator_usage", "isolator_cleanup")
]


def complaints(log: pathlib.Path, words: Sequence[str]) -> list[str]:
    """The module's error lines must be one with these words; none when there are no words."""
    lines = [
        line
        for line in log.read_text(errors="replace").splitlines()
        if line.startswith("E") and "] " in line
    ]
    if not words:
        return [f"the log has an error: {line}" for line in lines]
    if len(lines) != 1:
        return [f"{len(lines)} error lines instead of one", *lines]
    return [f"the line lacks {word!r}: {lines[0]}" for word in words if word not in lines[0]]


def simulate(library: pathlib.Path, scratch: pathlib.Path) -> dict[str, str]:
    """The variables that let the SIMULATED_ ones make a libmesos look like another."""
    preload = scratch / "release.so"
    if not preload.exists():
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", preload, HERE / "release.c"],
            check=True,
        )
    return {"LD_PRELOAD": str(preload), "SIMULATED_LIBRARY": str(library)}


def with_simulation(
    environment: Mapping[str, str], library: pathlib.Path, scratch: pathlib.Path
) -> dict[str, str]:
    """A libmesos's environment with what simulate() adds."""
    added = simulate(library, scratch)
    preloads = [environment.get("LD_PRELOAD", ""), added["LD_PRELOAD"]]
    return {**environment, **added, "LD_PRELOAD": " ".join(filter(None, preloads))}


def run(suite: "Suite", library: pathlib.Path) -> None:
    """Plays all cases with a Suite."""
    for name, row in CASES.items():
        if not suite.plays(f"refuse-{name}"):
            continue
        if suite.release not in row.unless and suite.release in (row.only or [suite.release]):
            filled = json.dumps(row._asdict()).replace("@RELEASE@", suite.version)
            play(suite, library, f"refuse-{name}", Case(**json.loads(filled)))


def play(suite: "Suite", library: pathlib.Path, name: str, case: Case) -> None:
    environment = dict(case.environment)
    if case.release:
        environment["SIMULATED_RELEASE"] = case.release
    if any(variable.startswith("SIMULATED_") for variable in environment):
        environment |= simulate(library, suite.scratch)
    scenario: Json = {"about": name, "environment": {}}
    if case.refused:
        scenario["refused"] = case.refused
    else:
        config = {"command_info": {"value": "x"}, "directory": "/x"}
        scenario |= {"inputs": {"container_config": config}, "steps": STEPS}
    paths = []
    for kind, content in [("modules", case.modules), ("scenario", scenario)]:
        paths.append(suite.scratch / f"{name}.{kind}.json")
        paths[-1].write_text(json.dumps(content).replace("${HERE}", str(HERE)))
    log = suite.scratch / f"{name}.log"
    suite.run(name, *paths, environment=environment, complaints=lambda: complaints(log, case.line))
