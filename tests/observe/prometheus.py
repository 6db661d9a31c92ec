"""A Prometheus of our own over the rules in dashboards/, and the expressions to ask it."""

import datetime
import json
import pathlib
import re
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Self, TypeVar

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DASHBOARD = ROOT / "dashboards/mesos-command.json"
# How long anything may take that must happen.
PATIENCE = 60

Json = dict[str, Any]
Labels = dict[str, str]
T = TypeVar("T")


class Panel(NamedTuple):
    """A panel of the dashboard."""

    title: str
    kind: str
    # Its expressions with their legends.
    targets: list[tuple[str, str]]
    # The defaults of its fields: unit, scale.
    defaults: Json

    @property
    def unit(self) -> str:
        """The unit of its values, as Grafana names it."""
        return str(self.defaults["unit"])


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        return str(answer.read().decode())


def wait_for(what: str, look: Callable[[], T | None], patience: float = PATIENCE) -> T:
    end = time.monotonic() + patience
    while True:
        try:
            found = look()
        except (urllib.error.URLError, ConnectionError):
            found = None
        if found:
            return found
        if time.monotonic() > end:
            raise TimeoutError(f"waited {patience} s in vain for {what}")
        time.sleep(0.1)


class Server:
    """Scrapes `target` into `directory`, or as `scrapes` says; a context manager."""

    def __init__(
        self,
        directory: pathlib.Path,
        target: str,
        scrapes: str | None = None,
        interval: str = "1s",
    ) -> None:
        config = directory / "prometheus.yml"
        usual = (
            f"scrape_configs: [{{job_name: mesos, static_configs: [{{targets: ['{target}']}}]}}]\n"
        )
        config.write_text(
            f"global: {{scrape_interval: {interval}, evaluation_interval: {interval}}}\n"
            f"rule_files: ['{ROOT}/dashboards/rules/*.yml']\n{scrapes or usual}"
        )
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.log = directory / "prometheus.log"
        self._command = [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log
            )
        wait_for("Prometheus", lambda: "is Ready" in get(f"{self.url}/-/ready"))
        # It takes seconds to begin. An increase before the first scrape would be none to it.
        wait_for("the first scrape", lambda: self.api("query", query="up")["result"])
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait()

    @property
    def process(self) -> int:
        """Its number."""
        return self._process.pid if self._process else 0

    def api(self, path: str, **parameters: str | float) -> Any:
        query = urllib.parse.urlencode(parameters)
        answer = json.loads(get(f"{self.url}/api/v1/{path}?{query}"))
        if answer["status"] != "success":
            raise RuntimeError(f"{path}: {answer}")
        return answer["data"]

    def vector(self, expression: str, when: float) -> list[tuple[Labels, float]]:
        """Labels and value of each series of an expression."""
        result = self.api("query", query=expression, time=when)["result"]
        return [(one["metric"], float(one["value"][1])) for one in result]

    def settled(self, since: float) -> float:
        """Waits for two scrapes after `since` and an evaluation of every rule; the time now."""
        first = wait_for("a scrape", lambda: self._later(self._scrapes(), since))
        second = wait_for("a scrape", lambda: self._later(self._scrapes(), first))
        wait_for("an evaluation", lambda: self._later(self._evaluations(), second))
        return time.time()

    def _scrapes(self) -> list[str]:
        return [target["lastScrape"] for target in self.api("targets")["activeTargets"]]

    def _evaluations(self) -> list[str]:
        return [rule["lastEvaluation"] for rule in self.rules()]

    @staticmethod
    def _later(times: Sequence[str], since: float) -> float | None:
        """The earliest of these times of RFC 3339, once all of them are later."""
        # Prometheus writes nanoseconds, of which Python reads the first six digits.
        cut = [re.sub(r"\.(\d{1,6})\d*", lambda it: f".{it[1]:0<6}", text) for text in times]
        seconds = [datetime.datetime.fromisoformat(text).timestamp() for text in cut]
        return min(seconds) if seconds and min(seconds) > since else None

    def rules(self) -> list[Json]:
        return [rule for group in self.api("rules")["groups"] for rule in group["rules"]]


def panels(dashboard: pathlib.Path = DASHBOARD) -> Iterator[Panel]:
    """A dashboard's panels."""
    for panel in json.loads(dashboard.read_text())["panels"]:
        if panel["type"] != "row":
            targets = [(it["expr"], it.get("legendFormat") or "") for it in panel["targets"]]
            defaults = panel.get("fieldConfig", {}).get("defaults", {})
            yield Panel(panel["title"], panel["type"], targets, defaults)


def as_sent(expression: str, interval: str) -> str:
    """What Grafana sends when everything is chosen."""
    sent = expression.replace("$__rate_interval", interval)
    for variable in ["instance", "module", "event"]:
        sent = sent.replace(f'"${variable}"', '".*"')
    if "$" in sent:
        raise ValueError(f"a variable that is not known: {expression}")
    return sent


def ingredients(expression: str) -> list[str]:
    """The parts of an alert that must have data, whether it fires or not.

    They are its comparisons' left sides, and both sides of `and` and `unless`.
    """
    comparisons = [" > ", " < ", " == ", " >= ", " <= ", " != "]
    return [_split(side, comparisons)[0] for side in _split(expression, [" and ", " unless "])]


def _split(expression: str, separators: Sequence[str]) -> list[str]:
    """Splits where no bracket and no quote is open."""
    text, start, depth, quoted = " ".join(expression.split()), 0, 0, False
    parts: list[str] = []
    for index, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        if quoted:
            continue
        depth += (character in "([{") - (character in ")]}")
        found = next((it for it in separators if depth == 0 and text.startswith(it, index)), None)
        if found and index >= start:
            parts.append(text[start:index].strip())
            start = index + len(found)
    return [*parts, text[start:].strip()]
