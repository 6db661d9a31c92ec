"""What is soaked: the modules, the places that they use, and the programs that are built for it."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
from typing import NamedTuple

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "mesos"))
from files import modules_file  # noqa: E402

# Of every command. Long, because a command that nobody touched must not meet it on a busy machine.
TIMEOUT, GRACE = 5.0, 0.5
WORKERS = 2
# The temporary directory is a tmpfs of this size.
TMPFS_MIB = 48
# Containers of the load, and how many of twenty each isolator gets. Without its workers one has to
# start a program for each of its calls.
CONTAINERS = 200
SHARES = {"cached": 17, "batch": 2, "worker": 1}
# Slots of containers that live and end.
SLOTS = 8

ISOLATOR, HOOK = "com_criteo_mesos_CommandIsolator", "com_criteo_mesos_CommandHook"
# Module names by the symbols of their instances; the order is that of SHARES, the lives last.
MODULES = {
    ISOLATOR: "cached",
    f"{ISOLATOR}2": "batch",
    f"{ISOLATOR}3": "worker",
    f"{ISOLATOR}4": "lives",
    "hooks": "hooks",
}
METHODS = [
    f"isolator_{method}"
    for method in ("prepare", "isolate", "watch", "update", "usage", "status", "cleanup")
]
HOOKS = [
    "hook_slave_run_task_label_decorator",
    "hook_slave_executor_environment_decorator",
    "hook_slave_remove_executor_hook",
]


class Place(NamedTuple):
    """A directory for one run."""

    root: pathlib.Path
    # Why the temporary directory is no file system of its own, if it is not.
    not_mounted: str | None

    @property
    def temporary(self) -> pathlib.Path:
        return self.root / "tmp"

    @property
    def contexts(self) -> pathlib.Path:
        return self.root / "contexts"

    @property
    def moods(self) -> pathlib.Path:
        return self.root / "moods"

    @property
    def command(self) -> pathlib.Path:
        return self.root / "command.sh"

    @property
    def worker(self) -> pathlib.Path:
        return self.root / "worker"

    @property
    def clock(self) -> pathlib.Path:
        return self.root / "clock"

    @property
    def log(self) -> pathlib.Path:
        return self.root / "mesos.log"


def prepare(root: pathlib.Path) -> Place:
    """Makes the directories and the programs of a run below `root`."""
    for name in ("tmp", "contexts", "moods"):
        (root / name).mkdir()
    options = f"size={TMPFS_MIB}m,mode=0700"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "soak", root / "tmp"],
        capture_output=True,
        text=True,
        check=False,
    )
    place = Place(root, done.stderr.strip() or None if done.returncode else None)
    shutil.copy(HERE / "command.sh", place.command)
    place.clock.write_bytes(bytes(8))
    compile_c("worker.c", place.worker)
    compile_c("clock.c", root / "clock.so", "-shared", "-fPIC", "-ldl")
    return place


def clear(root: pathlib.Path) -> None:
    """Takes away what keeps `root` from being removed."""
    if (root / "tmp").is_mount():
        subprocess.run(["umount", "--lazy", root / "tmp"], check=False)


def compile_c(source: str, program: pathlib.Path, *options: str) -> None:
    command: list[str | pathlib.Path] = ["cc", "-O2", "-o", program, HERE / source, *options]
    subprocess.run(command, check=True)


def own_mounts(seed: int) -> None:
    """Starts this program again, with this seed, where its mounts are its own: none outlives it.

    Where that is not allowed, nothing happens; mounting will say why.
    """
    if "SOAK_OWN_MOUNTS" in os.environ or not shutil.which("unshare"):
        return
    unshare = ["unshare", "--mount", "--propagation", "private"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode == 0:
        os.environ["SOAK_OWN_MOUNTS"] = "1"
        again = [sys.executable, *sys.argv, "--seed", str(seed)]
        os.execvp(unshare[0], [*unshare, *again])


def modules(place: Place, port: int) -> str:
    """The modules file."""

    def parameters(name: str, events: list[str], **more: str) -> dict[str, str]:
        found = {
            "module_name": name,
            "metrics_address": f"127.0.0.1:{port}",
            "temp_dir": str(place.temporary),
            "state_dir": str(place.contexts),
            "kill_grace": f"{GRACE * 1000:.0f}ms",
            # What a command leaves behind has to go, or the end would be full of it.
            "background": "kill",
        }
        for event in events:
            found[f"{event}_command"] = str(place.command)
            found[f"{event}_timeout"] = f"{TIMEOUT * 1000:.0f}ms"
        return found | more

    sampling = {"isolator_usage_cache_ttl": "1secs", "isolator_usage_stale_while_revalidate": "2s"}
    worker = parameters("worker", ["isolator_usage"], isolator_usage_cache_ttl="0")
    worker |= {
        "isolator_usage_command": str(place.worker),
        "isolator_usage_mode": "worker",
        "isolator_usage_workers": str(WORKERS),
    }
    lives = parameters("lives", METHODS, isolator_watch_frequence="500ms", lifecycle_parallel="2")
    del lives["isolator_watch_timeout"]
    listed = [
        (ISOLATOR, parameters("cached", ["isolator_usage"], **sampling)),
        (f"{ISOLATOR}2", parameters("batch", ["isolator_usage_batch"], **sampling)),
        (f"{ISOLATOR}3", worker),
        (f"{ISOLATOR}4", lives),
        (HOOK, {k: v for k, v in parameters("hooks", HOOKS).items() if k != "state_dir"}),
    ]
    return json.dumps(modules_file(listed), indent=1)


def counted(module: str, event: str) -> bool:
    """Whether calls of a module's event are counted: it has a command for it."""
    own = {
        "cached": ["isolator_usage"],
        "batch": ["isolator_usage"],
        "worker": ["isolator_usage"],
        "lives": METHODS,
        "hooks": HOOKS,
    }
    return event in own[module]
