#!/usr/bin/env python3
"""A prepare command that hangs in a whole master and agent, and the operator who finds and ends it.

While it hangs, and another task waits for its turn, `mesos-command calls`, `top` and the status
page name script, container, task, process and age. `kill` ends it: its launch fails with that
reason, as the framework is told, and the other task runs.

    held.py HOST RELEASE [--pictures DIRECTORY]
"""

import html.parser
import json
import pathlib
import re
import subprocess
import sys

import live
import verdicts
from files import Json, modules_file
from live import PATIENCE

HERE = pathlib.Path(__file__).resolve().parent
BROWSER = HERE.parent / "pages/browser.py"
SYMBOL = "com_criteo_mesos_CommandIsolator"
# As `mesos-host cluster --held` launches them.
HELD, NEXT = "held", "next"
PREPARE = """#!/bin/sh
grep -q '"task_id":{"value":"held"}' "$1" || exit 0
echo "waits for a lock" >&2
: >"FILE"
exec sleep 600
"""
# The page's column.
AGE = 2
# A line of `mesos-host cluster`.
FAILED = "the launch that hung has failed"
KILLED = "was killed by an operator after"


class Rows(html.parser.HTMLParser):
    """The rows of a page's tables, as lists of texts."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.rows: list[list[str]] = []
        self.in_cell = False
        self.feed(page)

    def handle_starttag(self, tag: str, _: object) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")
            self.in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self.in_cell = self.in_cell and tag not in {"td", "th"}

    def handle_data(self, data: str) -> None:
        if self.in_cell:
            self.rows[-1][-1] += data


class Agent:
    """The agent, as an operator reaches it."""

    def __init__(self, host: pathlib.Path, root: pathlib.Path) -> None:
        self.root, self.file, self.script = root, root / "hangs", root / "prepare.sh"
        self.tool = live.Tool(host, root / "control.sock")
        self.address = f"127.0.0.1:{live.free_port()}"
        (root / "calls").mkdir()
        self.script.write_text(PREPARE.replace("FILE", str(self.file)))
        self.script.chmod(0o755)
        pairs = {
            "module_name": "network",
            "state_dir": str(root / "contexts"),
            "temp_dir": str(root / "calls"),
            "control_socket": str(self.tool.socket),
            "metrics_address": self.address,
            "status_page": "true",
            "keep_failures": "0",
            "kill_grace": "0",
            "isolator_prepare_command": str(self.script),
            "isolator_prepare_timeout": str(10 * PATIENCE),
        }
        (root / "modules.json").write_text(json.dumps(modules_file([(SYMBOL, pairs)])))

    def page(self) -> str:
        return live.get(f"http://{self.address}/status")


def wrong_calls(agent: Agent, found: list[Json]) -> list[str]:
    """What `calls` and `top` get wrong of both."""
    expected = {"command": str(agent.script), "event": "isolator_prepare", "module": "network"}
    held = {**expected, "state": "running", "task": HELD, "executor": HELD}
    # Mesos tells isolators the executor of a task that has one of its own, and not the task.
    queued = {**expected, "state": "queued", "executor": NEXT}
    wrong = live.wrong_call(found[0], held) + live.wrong_call(found[1], queued)
    shown: Json = json.loads(agent.tool.text("top", "--once", "--json"))["in_flight"]
    if (shown["running"], shown["queued"]) != (1, 1):
        wrong.append(f"top shows {shown['running']} running and {shown['queued']} queued")
    same = ["id", "pid", "container", "task", "framework", "command"]
    by_top = [call for call in shown["calls"] if all(call.get(it) == found[0][it] for it in same)]
    if len(by_top) != 1 or not by_top[0]["age_seconds"] >= found[0]["age_seconds"]:
        wrong.append(f"top shows {shown['calls']}")
    words = [str(found[0]["pid"]), str(agent.script), found[0]["container"], HELD]
    for name in ("calls", "top --once"):
        table = agent.tool.text(*name.split())
        # Where the terminal is narrow, top leaves the command out.
        sought = words[:1] if name != "calls" else words
        wrong += [f"{name} does not show {word}:\n{table}" for word in sought if word not in table]
    return wrong


def wrong_page(agent: Agent, held: Json) -> list[str]:
    """What the status page gets wrong of the one that hangs."""
    wrong = []
    if 'href="/status"' not in live.get(f"http://{agent.address}/"):
        wrong.append("the index does not lead to the status page")
    page = agent.page()
    pid = str(held["pid"])
    rows = [row for row in Rows(page).rows if pid in row]
    for row in rows:
        words = ["running", str(agent.script), held["container"], HELD, held["framework"]]
        wrong += [f"no {word} in the row {row}" for word in words if word not in row]
        if not re.fullmatch(r"\d+(\.\d+)?s|\d+m\d\ds", row[AGE]):
            wrong.append(f"no age in the row {row}")
    return wrong if len(rows) == 1 else [*wrong, f"{len(rows)} rows of the page have {pid}: {page}"]


def pictured(agent: Agent, held: Json, pictures: pathlib.Path) -> list[str]:
    """What is wrong with the page in a real browser, by day and by night."""
    pictures.mkdir(parents=True, exist_ok=True)
    words = [str(held["pid"]), held["container"], str(agent.script), HELD]
    command: live.Command = [sys.executable, BROWSER, f"http://{agent.address}/status"]
    done = subprocess.run(
        [*command, "--pictures", pictures, "--words", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    return [] if done.returncode == 0 else [f"in a browser: {done.stdout}{done.stderr}"]


def ended(agent: Agent, held: Json) -> list[str]:
    """Ends the one that hangs; what is wrong afterwards."""
    agent.tool.text("kill", str(held["id"]))

    def failure() -> list[Json]:
        found: list[Json] = agent.tool.json("failures")["failures"]
        return found

    live.wait_for("the failure", lambda: len(failure()) > 0)
    failed = failure()[0]
    expected = {"reason": "killed", "task": HELD, "container": held["container"]}
    wrong = [f"the failure is {failed}" for key, it in expected.items() if failed.get(key) != it]
    wrong += [] if KILLED in failed["text"] else [f"the failure says {failed['text']}"]
    if pathlib.Path(f"/proc/{held['pid']}").exists():
        wrong.append(f"process {held['pid']} lives on")
    # The page is made once a second.
    live.wait_for("the failure on the page", lambda: KILLED in agent.page())
    rows = [row for row in Rows(agent.page()).rows if "killed" in row and HELD in row]
    wrong += [] if "waits for a lock" in str(rows) else [f"the page shows {rows}"]
    return wrong


def play(
    host: pathlib.Path, release: str, root: pathlib.Path, pictures: pathlib.Path | None
) -> tuple[list[str], str]:
    """What is wrong, and what was seen."""
    agent = Agent(host, root)
    command: list[str | pathlib.Path] = [host, "cluster", "--mesos", release, "--json"]
    command += ["--modules", root / "modules.json", "--held", agent.file]
    command += ["--work-dir", root / "work", "--patience", str(10 * PATIENCE)]
    process = live.start(command)
    try:
        found = agent.tool.calls(2, process)
        held = found[0]
        wrong = wrong_calls(agent, found) + wrong_page(agent, held)
        if pictures:
            wrong += pictured(agent, held, pictures)
        wrong += ended(agent, held)
        agent.file.unlink()
        output, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    if process.returncode:
        return [*wrong, f"exit status {process.returncode}", output], ""
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    told = [line["answer"] for line in lines if line.get("step") == FAILED]
    reason = f'Command "{agent.script}" {KILLED}'
    if len(told) != 1 or reason not in told[0] or str(held["pid"]) not in told[0]:
        wrong += [f"the framework was told {told}", output]
    return wrong, f"a launch that hung was found and ended: {''.join(told)}"


def main() -> None:
    parser = verdicts.parser(__doc__)
    parser.add_argument(
        "--pictures", type=pathlib.Path, help="look at the page in a browser, and keep pictures"
    )
    arguments = parser.parse_args()
    given = (arguments.host, arguments.release)
    verdicts.judged(lambda root: play(*given, root, arguments.pictures))


if __name__ == "__main__":
    main()
