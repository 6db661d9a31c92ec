"""The two files that mesos-host plays, for those who make them: modules file and scenario."""

from collections.abc import Iterable, Mapping
from typing import Any

# An object of JSON, and one that is a step of a scenario.
Json = dict[str, Any]
Step = dict[str, Any]


def parameters(pairs: Mapping[str, str]) -> list[Json]:
    """Parameters as a modules file spells them."""
    return [{"key": key, "value": value} for key, value in pairs.items()]


def modules_file(modules: Iterable[tuple[str, Mapping[str, str]]]) -> Json:
    """A modules file with instances of the module library: (symbol, parameters) each."""
    listed = [{"name": symbol, "parameters": parameters(pairs)} for symbol, pairs in modules]
    return {"libraries": [{"file": "${LIBRARY}", "modules": listed}]}


def call(
    event: str, container: str | None = None, expect: Json | None = None, **more: object
) -> Step:
    """A step that calls a method; without an expectation any answer will do."""
    step = {"do": "call", "event": event, "expect": expect or {}, **more}
    if container:
        step["container"] = container
    return step
