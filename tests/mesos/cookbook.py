"""What the scenario `cookbook` finds in the place of an agent's files, of ip, and of a Vault."""

import pathlib
import sys
from typing import TYPE_CHECKING

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import vault_stand_in

if TYPE_CHECKING:
    from suite import Suite

HERE = pathlib.Path(__file__).resolve().parent

FILES = {
    "token": vault_stand_in.TOKEN,
    "gpus/0000:01:00.0/information": "Model: \t\t NVIDIA A100-SXM4-40GB\nIRQ:   \t\t 42\n",
    "proc/42/cgroup": "4:memory:/mesos/c\n3:cpu,cpuacct:/mesos/c\n0::/mesos/c\n",
    "cgroup/cpu,cpuacct/mesos/c/cpuacct.stat": "user 100\nsystem 50\n",
    "cgroup/cpu,cpuacct/mesos/c/cpu.stat": "nr_throttled 1\nthrottled_time 2500000\n",
    "cgroup/memory/mesos/c/memory.stat": "total_rss 4096\ntotal_cache 8192\n",
    "cgroup/memory/mesos/c/memory.usage_in_bytes": "12288\n",
    "cgroup/mesos/c/cpu.stat": "user_usec 1500000\n",
    "cgroup/mesos/c/memory.stat": "anon 8192\n",
    "cgroup/mesos/c/pids.current": "7\n",
}
# They note what they are asked for. tests/test_cookbook.py has the recipe with the real ones.
PROGRAMS = {
    "bin/ip": '#!/bin/sh\necho "$@" >>"$EXAMPLE_STATE/ip"\n',
    "bin/nsenter": '#!/bin/sh\nnet=$1; shift\necho "in ${net#--net=}: $*" >>"$EXAMPLE_STATE/ip"\n',
}


def prepare(place: pathlib.Path) -> None:
    """Makes the files and programs."""
    for path, text in {**FILES, **PROGRAMS}.items():
        file = place / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755 if path in PROGRAMS else 0o600)


def play(suite: "Suite") -> None:
    """Plays the scenario, with a Vault while it runs."""
    place = suite.scratch / "cookbook"
    prepare(place)
    with vault_stand_in.server() as vault:
        suite.run(
            "cookbook",
            HERE / "cookbook.modules.json",
            HERE / "cookbook.scenario.json",
            complaints=lambda: complaints(suite.scratch / "cookbook.log"),
            PLACE=place,
            VAULT=vault,
            SECRET=vault_stand_in.SECRET,
        )


def complaints(log: pathlib.Path) -> list[str]:
    """The log, which has every input and output of the recipe, has the secret nowhere."""
    text = log.read_text(errors="replace")
    wrong = [] if "DB_PASSWORD" in text else ["the log has no output of the recipe for secrets"]
    return wrong + ["the log has the secret"] * (vault_stand_in.SECRET in text)
