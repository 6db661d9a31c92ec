#!/usr/bin/env python3
"""`mesos-command deploy` to a machine with a real libmesos, over a real sshd.

The machine is that of tests/tool/deploy/machine.sh: this one's files under an overlay, where the
libmesos is told by its path and finds what it needs of its time. What is deployed is the module
itself, by the tool itself; the tests in tests/tool/deploy have stand-ins for both.

Exit status: 0 all as expected; 1 not; 77 no such machine can be made here, with the reason.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from files import Json

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BOOT = ROOT / "tests/tool/deploy/machine.sh"
NAME = "libmesos_command_modules.so"
DIRECTORY = "/usr/lib/mesos/modules"
CANNOT = 77
# The mounts of BOOT, gone with the shell that makes them.
TRY_OVERLAY = (
    "mount -t tmpfs try /mnt; cd /mnt; mkdir upper work root; "
    "mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root"
)


def quiet(*words: str | pathlib.Path) -> None:
    subprocess.run(words, stdin=subprocess.DEVNULL, check=True)


class Machine:
    """It, and the way to it."""

    def __init__(self, scratch: pathlib.Path, mesos: pathlib.Path) -> None:
        self.scratch, self.mesos = scratch, mesos
        for name in ("host_key", "key"):
            quiet("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", scratch / name)
        shutil.copy(scratch / "key.pub", scratch / "authorized")
        (scratch / "machine").mkdir()
        self.config = scratch / "ssh_config"
        self.process = 0

    def setup(self) -> str:
        """What this Mesos needs: libraries that no longer exist, and Python's symbols."""
        stubs = self.mesos / "stubs"
        python = " ".join(str(path) for path in sorted(stubs.glob("*python*.so")))
        modules = {
            "libraries": [
                {
                    "file": f"{DIRECTORY}/{NAME}",
                    "modules": [
                        {
                            "name": "com_criteo_mesos_CommandHook",
                            "parameters": [
                                {"key": "module_name", "value": "deployed"},
                                {
                                    "key": "hook_slave_remove_executor_hook_command",
                                    "value": "/bin/true",
                                },
                            ],
                        }
                    ],
                }
            ]
        }
        return "\n".join(
            [
                f'mkdir -p "$R{self.mesos}"',
                f'[ -e "$R{self.mesos}/libmesos.so" ] ||',
                f'    mount --bind "{self.mesos}" "$R{self.mesos}"',
                f"echo '{python}' >\"$R/etc/ld.so.preload\"",
                f"echo '{json.dumps(modules)}' >\"$R/etc/modules.json\"",
                'echo file:///etc/modules.json >"$R/etc/mesos-agent/modules"',
                'echo com_criteo_mesos_CommandHook >"$R/etc/mesos-agent/hooks"',
            ]
        )

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        key = (self.scratch / "host_key.pub").read_text()
        (self.scratch / "known").write_text(f"[127.0.0.1]:{port} {key}")
        self.config.write_text(
            f"Host *\n HostName 127.0.0.1\n Port {port}\n User root\n BatchMode yes\n"
            f" IdentityFile {self.scratch}/key\n IdentitiesOnly yes\n"
            f" UserKnownHostsFile {self.scratch}/known\n StrictHostKeyChecking yes\n"
        )
        words = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        words += ["--propagation", "private", "sh", "-e", str(BOOT)]
        variables = {"P": str(self.scratch), "PORT": str(port), "SETUP": self.setup()}
        unshare = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **variables},
        )
        try:
            assert unshare.stderr is not None
            said = []
            for line in unshare.stderr:
                said.append(line)
                if "Server listening" in line:
                    break
            else:
                raise RuntimeError(f"sshd does not start: {''.join(said)}")
            children = pathlib.Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children")
            self.process = int(children.read_text())
            yield
        finally:
            unshare.kill()
            unshare.wait()

    def there(self, path: str) -> pathlib.Path:
        return pathlib.Path(f"/proc/{self.process}/root{path}")


class Deployments:
    """What was deployed, and what was wrong."""

    def __init__(self, machine: Machine, programs: pathlib.Path) -> None:
        self.machine, self.programs = machine, programs
        self.checks, self.failed = 0, 0

    def expect(self, good: bool, what: str) -> None:
        self.checks += 1
        if not good:
            self.failed += 1
            print(f"FAILED: {what}")

    def deploy(self, *more: str, status: int = 0) -> Json:
        """Deploys the module to the machine; what the tool says of it."""
        words: list[str | pathlib.Path] = [self.programs / "mesos-command", "deploy", "agent"]
        words += ["--json", "--ssh", f"ssh -F {self.machine.config}"]
        words += ["--library-path", str(self.machine.mesos / "stubs"), *more]
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        self.expect(done.returncode == status, f"{more}: {done.stdout}{done.stderr}")
        report: Json = json.loads(done.stdout or "{}")
        return report

    def library(self) -> bytes:
        path = self.machine.there(f"{DIRECTORY}/{NAME}")
        return path.read_bytes() if path.exists() else b""

    def all(self) -> None:
        libmesos = str(self.machine.mesos / "libmesos.so")
        module = (self.programs / NAME).read_bytes()
        # It is a library, but no libmesos.
        report = self.deploy("--libmesos", self.libc(), status=1)
        kind = report.get("failure", {}).get("kind")
        self.expect(kind == "does-not-fit" and not self.library(), f"the C library: {report}")
        report = self.deploy("--libmesos", libmesos)
        self.expect(report.get("outcome") == "deployed", f"the first: {report}")
        self.expect(report.get("inspect", {}).get("outcome") == "fits", f"inspect: {report}")
        self.expect(report.get("check", {}).get("errors") == 0, f"check: {report}")
        self.expect(self.library() == module, "the library is there")
        # A newer one: an ELF file may have bytes behind its end.
        newer = self.machine.scratch / "newer.so"
        newer.write_bytes(module + b"\0")
        report = self.deploy("--libmesos", libmesos, "--module", str(newer))
        self.expect(report.get("outcome") == "deployed", f"the second: {report}")
        self.expect(self.library() == module + b"\0", "the newer library is there")
        report = self.deploy("--rollback")
        self.expect(report.get("outcome") == "rolled-back", f"the way back: {report}")
        self.expect(self.library() == module, "the first library is there again")
        left = sorted(path.name for path in self.machine.there(DIRECTORY).iterdir())
        self.expect(left == [NAME], f"left: {left}")
        # The tool that was left there gives the same answer.
        asked = subprocess.run(
            ["ssh", "-F", self.machine.config, "agent", "/usr/local/bin/mesos-command", "version"],
            stdin=subprocess.DEVNULL,
            check=False,
            capture_output=True,
            text=True,
        )
        self.expect(asked.returncode == 0, f"the tool there: {asked.stdout}{asked.stderr}")

    def libc(self) -> str:
        maps = pathlib.Path("/proc/self/maps").read_text().split()
        return next(word for word in maps if "/libc.so" in word)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--programs", type=pathlib.Path, default=ROOT / "target/release")
    parser.add_argument("--mesos", type=pathlib.Path, required=True, metavar="DIRECTORY")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        print("only root can make a machine of its own")
        return CANNOT
    if not pathlib.Path("/usr/sbin/sshd").exists():
        print("there is no sshd (Debian's openssh-server)")
        return CANNOT
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", TRY_OVERLAY]
    tried = subprocess.run(words, capture_output=True, text=True, check=False)
    if tried.returncode:
        print(f"no overlay can be mounted here: {tried.stderr.strip()}")
        return CANNOT
    with tempfile.TemporaryDirectory(prefix="mesos-deploy-", dir="/tmp") as name:
        machine = Machine(pathlib.Path(name), arguments.mesos.resolve())
        with machine.running():
            deployments = Deployments(machine, arguments.programs.resolve())
            deployments.all()
    print(f"{deployments.checks} checks, {deployments.failed} failed")
    return 1 if deployments.failed else 0


if __name__ == "__main__":
    sys.exit(main())
