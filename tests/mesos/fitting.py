"""`mesos-command check --library`: the library that a modules file names, in a real libmesos."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inspection import Inspection

# What the program takes the sizes for; the module is told by the simulation.
SIZES = "MESOS_COMMAND_INSPECT_TEST_SIZES"
NAME = "mesos.Labels"


def configuration(it: Inspection, simulated: Mapping[str, str]) -> None:
    """A configuration whose library fits, and the same with a libmesos of another layout."""
    pairs = {"module_name": "m", "isolator_usage_command": "/bin/true"}
    parameters = [{"key": key, "value": value} for key, value in pairs.items()]
    module = {"name": "com_criteo_mesos_CommandIsolator", "parameters": parameters}
    file = it.scratch / "modules.json"
    file.write_text(json.dumps({"libraries": [{"file": str(it.module), "modules": [module]}]}))
    more: list[str | pathlib.Path] = ["--library", it.library]
    text = it.check("a configuration", file, 0, more=more, environment=it.stubs, verb="check")
    it.expect("MC027" not in text and "MC028" not in text, "that its library fits")
    it.check(
        "a configuration of another Mesos",
        file,
        1,
        "MC027 library-does-not-fit",
        f"{NAME} takes 56 bytes in it",
        more=more,
        environment={**simulated, SIZES: f"{NAME}=56", "SIMULATED_SIZES": f"{NAME}=56"},
        verb="check",
    )
