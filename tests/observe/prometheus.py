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

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DASHBOARD = ROOT / "dashboards/mesos-command.json"
# How long anything may take that must happen.
PATIENCE = 60


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def get(url):
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        return answer.read().decode()


def wait_for(what, look):
    end = time.monotonic() + PATIENCE
    while True:
        try:
            found = look()
        except (urllib.error.URLError, ConnectionError):
            found = None
        if found:
            return found
        if time.monotonic() > end:
            raise TimeoutError(f"waited {PATIENCE} s in vain for {what}")
        time.sleep(0.1)


class Server:
    """Scrapes `target` once a second into `directory`; a context manager."""

    def __init__(self, directory, target):
        config = directory / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
            f"rule_files: ['{ROOT}/dashboards/rules/*.yml']\n"
            f"scrape_configs: [{{job_name: mesos, static_configs: [{{targets: ['{target}']}}]}}]\n"
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
        self._process = None

    def __enter__(self):
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log
            )
        wait_for("Prometheus", lambda: "is Ready" in get(f"{self.url}/-/ready"))
        # It takes seconds to begin. An increase before the first scrape would be none to it.
        wait_for("the first scrape", lambda: self.api("query", query="up")["result"])
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()

    def api(self, path, **parameters):
        query = urllib.parse.urlencode(parameters)
        answer = json.loads(get(f"{self.url}/api/v1/{path}?{query}"))
        if answer["status"] != "success":
            raise RuntimeError(f"{path}: {answer}")
        return answer["data"]

    def vector(self, expression, when):
        """Labels and value of each series of an expression."""
        result = self.api("query", query=expression, time=when)["result"]
        return [(one["metric"], float(one["value"][1])) for one in result]

    def settled(self, since):
        """Waits for two scrapes after `since` and for an evaluation of every rule after them;
        returns the time now."""
        for _ in range(2):
            since = wait_for("a scrape", lambda since=since: self._later(self._scrapes(), since))
        wait_for("an evaluation", lambda: self._later(self._evaluations(), since))
        return time.time()

    def _scrapes(self):
        return [target["lastScrape"] for target in self.api("targets")["activeTargets"]]

    def _evaluations(self):
        return [rule["lastEvaluation"] for rule in self.rules()]

    @staticmethod
    def _later(times, since):
        """The earliest of these times of RFC 3339, once all of them are later."""
        # Prometheus writes nanoseconds, of which Python reads the first six digits.
        seconds = [
            datetime.datetime.fromisoformat(
                re.sub(r"\.(\d{1,6})\d*", lambda digits: f".{digits[1]:0<6}", text).replace(
                    "Z", "+00:00"
                )
            ).timestamp()
            for text in times
        ]
        return min(seconds) if seconds and min(seconds) > since else None

    def rules(self):
        groups = self.api("rules")["groups"]
        return [rule for group in groups for rule in group["rules"]]


def panels():
    """The dashboard's panels: (panel, its expressions with their legends)."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        if panel["type"] != "row":
            yield (
                panel,
                [(target["expr"], target.get("legendFormat") or "") for target in panel["targets"]],
            )


def as_sent(expression, interval):
    """What Grafana sends when everything is chosen."""
    sent = expression.replace("$__rate_interval", interval)
    for variable in ["instance", "module", "event"]:
        sent = sent.replace(f'"${variable}"', '".*"')
    if "$" in sent:
        raise ValueError(f"a variable that is not known: {expression}")
    return sent


def ingredients(expression):
    """The parts of an alert that must have data, whether it fires or not: its comparisons' left
    sides, and both sides of `and` and `unless`."""
    parts = []
    for side in _split(expression, [" and ", " unless "]):
        parts.append(_split(side, [" > ", " < ", " == ", " >= ", " <= ", " != "])[0])
    return parts


def _split(expression, separators):
    """Splits where no bracket and no quote is open."""
    text, parts, start, depth, quoted = " ".join(expression.split()), [], 0, 0, False
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
