#!/usr/bin/env python3
"""The dashboard of many agents on a real Prometheus that scrapes a thousand simulated ones.

    fleet.py [--tool FILE] [--agents COUNT] [--at-most SECONDS]

1. The tool serves its metrics while it runs commands: the series of one agent.
2. One port serves so many agents, each under a parameter of its own; some have faults (agents.py).
3. Prometheus scrapes them, and evaluates the rules of dashboards/rules.
4. The tables of the dashboard name exactly the agents with faults; every query of it answers in
   time; so do the rules. What it took is printed.

Exit status: 0 all of it; 1 not; 2 usage; 3 there is no Prometheus.
"""

import argparse
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable

from agents import OTHER_HASH, Agents

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "observe"))
import prometheus
import skips

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FLEET = ROOT / "dashboards/mesos-command-fleet.json"
INTERVAL = 15  # seconds between scrapes
EVALUATION = 60  # seconds between evaluations of the rules
# How often each query is made; the median counts.
TIMES = 5
# What an agent has beside the tool, which runs in no Mesos.
BUILD = 'mesos_command_build_info{version="0.1.0",mesos_version="1.11.0"} 1\n'
# A configuration whose events are those of the launch path and usage.
EVENTS = ["isolator_prepare", "isolator_isolate", "isolator_usage", "isolator_cleanup"]


def exposition(tool: pathlib.Path, scratch: pathlib.Path) -> str:
    """What the tool serves while it makes usage calls."""
    command = scratch / "command.sh"
    command.write_text('#!/bin/sh\nprintf \'{"mem_rss_bytes":4096}\' >"$2"\n')
    command.chmod(0o755)
    address = f"127.0.0.1:{prometheus.free_port()}"
    parameters = {"module_name": "fleet", "metrics_address": address}
    parameters.update({f"{event}_command": str(command) for event in EVENTS})
    entries = [{"key": key, "value": value} for key, value in parameters.items()]
    isolator = {"name": "com_criteo_mesos_CommandIsolator", "parameters": entries}
    modules = scratch / "modules.json"
    modules.write_text(json.dumps({"libraries": [{"file": "x.so", "modules": [isolator]}]}))
    words: list[str | pathlib.Path] = [
        tool,
        "load",
        "--with-metrics",
        "--modules",
        modules,
        "--rate",
        "50",
    ]
    words += ["--containers", "5", "--duration", "10s", "--bare", "0"]
    quiet = subprocess.DEVNULL
    load = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=quiet, stderr=quiet)
    try:

        def served() -> str:
            text = prometheus.get(f"http://{address}/metrics")
            # Those of calls that have been made, too.
            return text if "mesos_command_run_duration_seconds_bucket" in text else ""

        return prometheus.wait_for("the tool's metrics", served) + BUILD
    finally:
        load.terminate()
        load.wait()


class Port(http.server.ThreadingHTTPServer):
    """Serves all agents: /metrics?agent=NUMBER."""

    daemon_threads = True
    # Prometheus opens a connection for each target.
    request_queue_size = 4096

    def __init__(self, agents: Agents) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.agents, self.began, self.bytes = agents, time.monotonic(), 0

    def __enter__(self) -> "Port":
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection of Prometheus."""

    protocol_version = "HTTP/1.1"
    server: Port

    def do_GET(self) -> None:
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        agent = int(query["agent"][0])
        body = self.server.agents.serve(agent, time.monotonic() - self.server.began).encode()
        self.server.bytes = len(body)
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """A line for each scrape is of no use."""


def targets(count: int, address: str) -> str:
    """A scrape configuration: names of agents, all of them at one address."""
    names = ", ".join(f"agent{number:05}" for number in range(count))
    return (
        "scrape_configs:\n"
        "- job_name: mesos\n"
        f"  scrape_interval: {INTERVAL}s\n"
        f"  static_configs: [{{targets: [{names}]}}]\n"
        "  relabel_configs:\n"
        "  - {source_labels: [__address__], target_label: instance}\n"
        "  - {source_labels: [__address__], regex: 'agent0*(\\d+)', target_label: __param_agent}\n"
        f"  - {{target_label: __address__, replacement: '{address}'}}\n"
    )


def number_of(labels: prometheus.Labels) -> int:
    return int(labels["instance"].removeprefix("agent"))


class Judgement:
    """What was demanded, and what did not hold."""

    def __init__(self, server: prometheus.Server, agents: Agents, count: int) -> None:
        self.server, self.planned, self.count = server, agents.planned, count
        self.passed, self.failed = 0, 0

    def demand(self, what: str, good: bool, told: object = "") -> None:
        self.passed += good
        self.failed += not good
        print(f"{'ok' if good else 'FAILED':7} {what} {told}".rstrip(), flush=True)

    def one(self, expression: str) -> float:
        found = self.server.vector(expression, time.time())
        return found[0][1] if found else 0.0

    def ready(self) -> None:
        """Until all of it was scraped and recorded, with rates of five minutes behind it."""

        def look(expression: str, wanted: float) -> Callable[[], bool]:
            return lambda: self.one(expression) >= wanted

        patience = 10 * EVALUATION
        for expression, wanted in [
            ("count(up == 1)", self.count),
            ("count(instance:mesos_command_calls:rate5m > 0)", self.count),
            ("count(instance:mesos_command_call_duration_seconds:p99_rate5m)", self.count),
            (
                "count(instance:mesos_command_calls_failed:ratio_rate5m > 0)",
                len(self.planned.failing),
            ),
            ("count(instance_module_hash:mesos_command_config_info:odd)", len(self.planned.odd)),
        ]:
            prometheus.wait_for(expression, look(expression, wanted), patience)

    def panels(self, panels: list[prometheus.Panel]) -> None:
        """Whom the tables name."""
        by_title = {panel.title: panel.targets[0][0] for panel in panels}

        def named(title: str, limit: int) -> set[int]:
            expression = prometheus.as_sent(by_title[title], "1m")
            found = self.server.vector(expression, time.time())
            worst = sorted(found, key=lambda one: -one[1])[:limit]
            return {number_of(labels) for labels, _ in worst}

        planned = self.planned
        for title, wanted in [
            ("Most failures", planned.failing),
            ("Slowest agents", planned.slow),
            ("Longest queues", planned.queued),
            ("Agents with hanging commands", planned.hanging),
            ("Agents with a rare configuration", planned.odd),
        ]:
            found = named(title, len(wanted))
            self.demand(f"{title}: {len(wanted)} agents", found == wanted, found ^ wanted or "")
        versions = self.server.vector(by_title["Agents by version"], time.time())
        counts = sorted(int(value) for _, value in versions)
        new = len(planned.new)
        self.demand("two versions", counts == sorted([new, self.count - new]), counts)
        hashes = self.server.vector(by_title["Agents by configuration"].split("{")[0], time.time())
        odd = [int(value) for labels, value in hashes if labels["hash"] == OTHER_HASH]
        self.demand("two configurations", odd == [len(planned.odd)], odd)

    def queries(self, panels: list[prometheus.Panel], at_most: float) -> None:
        """How long each takes, as Grafana asks: those of time series for three hours."""
        for panel in panels:
            for expression, _ in panel.targets:
                sent = prometheus.as_sent(expression, "1m")
                took = []
                for _ in range(TIMES):
                    began, now = time.monotonic(), time.time()
                    if panel.kind == "timeseries":
                        span = {"start": now - 3 * 3600, "end": now, "step": 30}
                        self.server.api("query_range", query=sent, **span)
                    else:
                        self.server.vector(sent, now)
                    took.append(time.monotonic() - began)
                median = sorted(took)[TIMES // 2]
                self.demand(f"{panel.title}", median <= at_most, f"{median * 1000:.0f} ms")

    def rules(self) -> None:
        """Each group is evaluated within its interval."""
        for group in self.server.api("rules")["groups"]:
            took = group["evaluationTime"]
            self.demand(f"rules {group['name']}", took < group["interval"], f"{took:.2f} s")

    def costs(self, process: int) -> None:
        """What it took; nothing is demanded of it."""
        status = pathlib.Path(f"/proc/{process}/status").read_text()
        resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        scraped = self.one("sum(scrape_samples_post_metric_relabeling)")
        recorded = self.one('count({__name__=~".+:.+"})')
        print(f"series    {scraped:.0f} scraped, {recorded:.0f} recorded")
        print(f"samples   {scraped / INTERVAL:.0f} a second")
        slow = self.one("quantile(0.99, scrape_duration_seconds)")
        print(f"scrapes   {slow * 1000:.0f} ms (p99)")
        print(f"memory    {int(resident.split()[1]) / 1024:.0f} MiB")


def run(tool: pathlib.Path, count: int, at_most: float) -> int:
    with tempfile.TemporaryDirectory(prefix="mesos-fleet-") as name:
        scratch = pathlib.Path(name)
        agents = Agents(exposition(tool, scratch), count)
        with Port(agents) as port:
            address = f"127.0.0.1:{port.server_address[1]}"
            scrapes = targets(count, address)
            with prometheus.Server(scratch, address, scrapes, f"{EVALUATION}s") as server:
                judgement = Judgement(server, agents, count)
                print(f"{count} agents with {len(agents.samples)} series each", flush=True)
                judgement.ready()
                panels = list(prometheus.panels(FLEET))
                judgement.demand("every agent is scraped", judgement.one("min(up)") == 1)
                judgement.panels(panels)
                judgement.queries(panels, at_most)
                judgement.rules()
                judgement.costs(server.process)
    print(f"{judgement.passed} passed, {judgement.failed} failed")
    return 1 if judgement.failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tool", type=pathlib.Path, default=ROOT / "target/release/mesos-command")
    parser.add_argument("--agents", type=int, default=1000, metavar="COUNT")
    parser.add_argument("--at-most", type=float, default=1.0, metavar="SECONDS")
    arguments = parser.parse_args()
    if arguments.agents < 100:
        parser.error("--agents: 100 at least, or no agent is like most")
    if not shutil.which("prometheus"):
        print("there is no Prometheus (Debian's prometheus)")
        return 0 if skips.allowed_offline() else 3
    os.environ.pop("RUST_LOG", None)
    return run(arguments.tool.resolve(), arguments.agents, arguments.at_most)


if __name__ == "__main__":
    sys.exit(main())
