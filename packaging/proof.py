#!/usr/bin/env python3
"""Proves the packages: two builds, lintian, and a life in a Debian of their own.

    proof.py [--work DIR] [--same [--quick]]

1. The commit is built in two directories; every package is the same bytes.
2. lintian has nothing to say of Debian's packages that is an error or a warning.
3. In a fresh root file system (debootstrap): they are installed, the tool runs, a real libmesos
   loads the module from where it lies; a newer version comes while a host runs, which goes on; they
   are removed, and nothing is left.
4. The RPM is installed and removed in a root of its own; the tarball is unpacked over a library
   that is in use.

--same ends after the first. Nearly all of the time goes into two builds from nothing; the newer
version is made where the first was built, from the dependencies that are there. --quick leaves the
optimiser out, which is most of it: that finds what depends on directories and times, and no more.

Needs root, and what .ci/setup packages installs. Exit status: 0 all of it; 1 not.
"""

import argparse
import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

from layout import DEBIAN, LIBRARY, MODULE, ROOT, RPM, TOOL

REAL = pathlib.Path(os.environ.get("REAL_MESOS_DIR", ROOT / "target/real-mesos"))
RELEASE = "1.11.0"
SUITE = "bookworm"
# What the real libmesos of PyPI needs of Debian, and our examples.
LIBRARIES = ["libsvn1", "libapr1", "libsasl2-2", "python3"]


class Wrong(Exception):
    """Something is not as it has to be."""


def run(*words: str | pathlib.Path, cwd: pathlib.Path | None = None, **variables: str) -> str:
    """Runs a command to its good end; its output."""
    done = subprocess.run(
        words,
        cwd=cwd,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise Wrong(
            f"{' '.join(map(str, words))} ended with {done.returncode}:\n{done.stdout[-4000:]}"
        )
    return done.stdout


class Root:
    """A root file system to install in."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path

    def make(self) -> None:
        if (self.path / "usr/bin/dpkg").exists():
            return
        include = f"--include={','.join(LIBRARIES)}"
        run("debootstrap", "--variant=minbase", include, SUITE, self.path)

    def command(self, *words: str) -> list[str]:
        """A command in it, with /proc and /dev, in mounts of its own."""
        script = f"mount -t proc proc {self.path}/proc && mount --rbind /dev {self.path}/dev && "
        script += f'exec chroot {self.path} "$@"'
        return ["unshare", "--mount", "--pid", "--fork", "sh", "-c", script, "sh", *words]

    def run(self, *words: str) -> str:
        return run(*self.command(*words))

    def put(self, path: pathlib.Path, target: str) -> None:
        place = self.path / target.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, place, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy(path, place)

    def files(self) -> set[pathlib.Path]:
        """What there is, but for what dpkg and other programs note of themselves."""
        found = subprocess.run(
            ["find", self.path, "-xdev", "-not", "-type", "d"],
            capture_output=True,
            text=True,
            check=True,
        )
        own = ("var/lib/dpkg/", "var/log/", "var/cache/", "tmp/", "proof/", "run/")
        paths = (pathlib.Path(line).relative_to(self.path) for line in found.stdout.splitlines())
        return {path for path in paths if not str(path).startswith(own)}


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    print(f"ok  {time.monotonic() - began:6.1f} s  {what}", flush=True)


def packages(source: pathlib.Path, out: pathlib.Path) -> dict[str, str]:
    """Makes everything from a checkout; names and sums."""
    run(sys.executable, source / "packaging/package.py", "all", f"--out={out}")
    return sums_of(out)


def sums_of(out: pathlib.Path) -> dict[str, str]:
    """The names and sums that came with packages."""
    words = (out / "SHA256SUMS").read_text().split()
    return dict(zip(words[1::2], words[::2], strict=True))


def newer(source: pathlib.Path) -> None:
    """A next version in a checkout."""
    # Packages of others have a line with their source, and may have that version, too.
    own = re.compile(r'version = "0\.1\.0"\n(?!source)')
    for name in ("Cargo.toml", "Cargo.lock"):
        path = source / name
        path.write_text(own.sub('version = "0.1.1"\n', path.read_text()))


def clone(work: pathlib.Path, name: str) -> pathlib.Path:
    place = work / name
    if place.exists():
        shutil.rmtree(place)
    run("git", "clone", "-q", ROOT, place)
    return place


def debs(out: pathlib.Path) -> list[str]:
    return [str(path) for path in sorted(out.glob("*.deb"))]


def life_in_debian(
    root: Root, first: pathlib.Path, second: pathlib.Path, host: pathlib.Path
) -> None:
    with step("a fresh Debian"):
        root.make()
        for package in (TOOL, MODULE):
            subprocess.run(
                root.command("dpkg", "--purge", package), capture_output=True, check=False
            )
    before = root.files()
    for out, name in ((first, "first"), (second, "second")):
        for path in debs(out):
            root.put(pathlib.Path(path), f"/proof/{name}/{pathlib.Path(path).name}")
    root.put(host, "/proof/mesos-host")
    root.put(REAL / RELEASE, f"/proof/real/{RELEASE}")
    root.put(ROOT / "tests/mesos", "/proof/tests/mesos")
    root.put(ROOT / "examples", "/proof/examples")
    library = f"{DEBIAN.modules}/{LIBRARY}"
    with step("installed; the tool runs"):
        root.run("sh", "-c", "dpkg --install /proof/first/*.deb")
        print("    " + root.run(TOOL, "--version").splitlines()[0])
        root.run(TOOL, "explain", "isolator_usage")
        # What that libmesos takes from a system of its time.
        stubs = f"/proof/real/{RELEASE}/stubs"
        inspected = root.run(
            "env",
            f"LD_LIBRARY_PATH={stubs}",
            f"LD_PRELOAD={stubs}/libpython2-symbols.so",
            TOOL,
            "inspect",
            f"/proof/real/{RELEASE}/libmesos.so",
            "--module",
            library,
        )
        print("    " + inspected.strip().splitlines()[-1])
    with step(f"a real libmesos {RELEASE} loads the module from {library}"):
        root.run(*host_command("examples", "examples", library))
    with step("a newer version is installed over it while a host runs, which goes on"):
        playing = subprocess.Popen(
            root.command(*host_command("upgrade", "upgrade", library)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        wait_until_mapped(root.path / library.lstrip("/"))
        root.run("sh", "-c", "dpkg --install /proof/second/*.deb")
        if playing.poll() is not None:
            raise Wrong("the host had ended before the new version was there")
        output, _ = playing.communicate(timeout=120)
        if playing.returncode:
            raise Wrong(f"the host ended with {playing.returncode}:\n{output}")
        version = root.run("dpkg-query", "--show", "--showformat=${Version}", MODULE)
        if version != "0.1.1-1":
            raise Wrong(f"version {version} is installed")
    with step("removed; nothing is left"):
        root.run("dpkg", "--purge", TOOL, MODULE)
        left = root.files() - before
        if left:
            raise Wrong(f"left: {sorted(map(str, left))[:10]}")


def host_command(modules: str, scenario: str, library: str) -> list[str]:
    return [
        "/proof/mesos-host",
        "run",
        f"--mesos={RELEASE}",
        "--mesos-dir=/proof/real",
        f"--modules=/proof/tests/mesos/{modules}.modules.json",
        f"--scenario=/proof/tests/mesos/{scenario}.scenario.json",
        f"--set=LIBRARY={library}",
        "--log=/dev/null",
    ]


def wait_until_mapped(library: pathlib.Path) -> None:
    """Until a process has the file in its memory."""
    number = library.stat().st_ino
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for maps in pathlib.Path("/proc").glob("[0-9]*/maps"):
            with contextlib.suppress(OSError):
                if any(
                    line.split()[4:5] == [str(number)] for line in maps.read_text().splitlines()
                ):
                    return
        time.sleep(0.1)
    raise Wrong(f"no process has loaded {library}")


def other_packages(out: pathlib.Path, work: pathlib.Path) -> None:
    with step("the RPM is installed and removed in a root of its own"):
        root = work / "rpm"
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        rpms = [str(path) for path in out.glob("*.rpm")]
        words = ["rpm", f"--root={root}", "--nodeps", "--noscripts"]
        run(*words, "--install", *rpms)
        if not (root / RPM.modules.lstrip("/") / LIBRARY).is_file():
            raise Wrong(f"no {RPM.modules}/{LIBRARY}")
        run(*words, "--erase", MODULE, TOOL)
        left = [path for path in (root / "usr").rglob("*") if not path.is_dir()]
        left = [path for path in left if "/rpm/" not in str(path)]
        if left:
            raise Wrong(f"left: {left[:10]}")
    with step("the tarball is unpacked over a library that is in use"):
        prefix = work / "prefix"
        shutil.rmtree(prefix, ignore_errors=True)
        prefix.mkdir()
        (tarball,) = out.glob("*.tar.gz")
        unpack = ["tar", "-xf", str(tarball), "--strip-components=1", "-C", str(prefix)]
        run(*unpack)
        library = prefix / "lib/mesos/modules" / LIBRARY
        first = library.stat().st_ino
        with library.open("rb") as held:
            run(*unpack)
            if library.stat().st_ino == first or os.fstat(held.fileno()).st_nlink:
                raise Wrong("the library was written to")


def lint(out: pathlib.Path) -> None:
    with step("lintian"):
        done = subprocess.run(
            [
                "lintian",
                "--allow-root",
                "--fail-on=error,warning",
                "--tag-display-limit=0",
                *debs(out),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        print("\n".join(f"    {line}" for line in done.stdout.splitlines()))
        if done.returncode:
            raise Wrong(f"lintian ended with {done.returncode}")


def same(work: pathlib.Path) -> pathlib.Path:
    """Builds twice; the first checkout."""
    places = []
    with step("built in two directories: the same bytes"):
        sums = []
        for name in ("one", "a-longer-name-for-another-place"):
            places.append(clone(work, name))
            sums.append(packages(places[-1], places[-1] / "target/packages"))
        different = sorted(name for name in sums[0] if sums[0][name] != sums[1].get(name))
        if different or not sums[0]:
            binaries = [place / "target/packages/binaries" for place in places]
            unlike = [
                name
                for name in (LIBRARY, TOOL)
                if (binaries[0] / name).read_bytes() != (binaries[1] / name).read_bytes()
            ]
            raise Wrong(f"different: {different}, because of {unlike or 'how they are packed'}")
        print("\n".join(f"    {sum_}  {name}" for name, sum_ in sums[0].items()))
    return places[0]


def prove(work: pathlib.Path) -> None:
    source = same(work)
    made = source / "target/packages"
    first, second = work / "first", work / "second"
    for place in (first, second):
        shutil.rmtree(place, ignore_errors=True)
    keep(made, first)
    lint(first)
    newer(source)
    with step("a newer version is made"):
        for path in made.iterdir():
            if path.is_file():
                path.unlink()
        packages(source, made)
    keep(made, second)
    host = ROOT / "target/release/mesos-host"
    life_in_debian(Root(work / "debian"), first, second, host)
    other_packages(first, work)


def keep(made: pathlib.Path, place: pathlib.Path) -> None:
    """Copies packages to where no later build replaces them."""
    place.mkdir()
    for path in made.iterdir():
        if path.is_file():
            shutil.copy(path, place)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=pathlib.Path, help="a directory to use and to keep")
    parser.add_argument("--same", action="store_true", help="compare the two builds, no more")
    parser.add_argument("--quick", action="store_true", help="with --same: builds of no other use")
    arguments = parser.parse_args()
    if arguments.quick and not arguments.same:
        parser.error(
            "--quick: packages without optimisation are of no use to what comes after --same"
        )
    if arguments.quick:
        os.environ["CARGO_PROFILE_RELEASE_OPT_LEVEL"] = "0"
    place: Callable[[], contextlib.AbstractContextManager[str]] = tempfile.TemporaryDirectory
    if arguments.work:
        arguments.work.mkdir(parents=True, exist_ok=True)
        place = lambda: contextlib.nullcontext(str(arguments.work))  # noqa: E731
    with place() as name:
        try:
            work = pathlib.Path(name).resolve()
            if arguments.same:
                same(work)
                return 0
            prove(work)
        except Wrong as reason:
            print(f"FAILED: {reason}")
            return 1
    print("the packages are as they have to be")
    return 0


if __name__ == "__main__":
    sys.exit(main())
