#!/usr/bin/env python3
"""Builds what stands in for a libmesos without Mesos's code: hosts of several kinds.

    build.py --host MESOS_HOST [--root target/stand-in] [--archives DIR] [NAME ...]

A stand-in is protobuf 3.5.0, as Mesos has it, out of a pinned archive of PyPI; the message
classes, generated from the descriptors that a real Mesos 1.11.0 carries; and the sources beside
this file: the managers of modules and hooks, and what else the module and `mesos-host` call.
`ROOT/cow/libmesos.so` has the strings before C++11, `ROOT/cxx11/libmesos.so` is the same with those
of C++11, to tell a fault of the stand-in from one of the module. `ROOT/clusterd` is like that fork:
its ResourceStatistics has the fields of clusterd.proto too, and messages, protobuf and log are
libraries of their own, which libmesos.so finds beside itself. `mesos-host` loads them like real
ones: `--mesos cow --mesos-dir target/stand-in`. `driver` beside each is a test of its own.

What is there already is left alone. Exit codes: 0 done; 1 failed; 2 usage; 3 PyPI cannot be reached
(the callers' offline rule applies).
"""

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "real-mesos"))
import download
import wire
from releases import Archive, Failure, write_atomically

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
CLUSTERD = HERE / "clusterd.proto"
PROJECT = "grpcio-tools"
ARCHIVE = "grpcio-tools-1.8.6.tar.gz"
SHA256 = "8479bf332ce140898ea8a78c3f2acacc05467e20ad42272702239583a9a1cc13"
# protobuf 3.5.0 in it.
SOURCES = "grpcio-tools-1.8.6/third_party/protobuf/src"
# The release whose messages the stand-ins have.
RELEASE = "1.11.0"
MESSAGES = [
    "mesos/appc/spec",
    "mesos/docker/v1",
    "mesos/mesos",
    "mesos/module/hook",
    "mesos/module/module",
    "mesos/seccomp/seccomp",
    "mesos/slave/containerizer",
]


class Kind(NamedTuple):
    """What kind of host a stand-in is."""

    # Its _GLIBCXX_USE_CXX11_ABI.
    strings: str
    # It has the messages of clusterd.proto, and several libraries.
    is_clusterd: bool = False


KINDS = {"cow": Kind("0"), "cxx11": Kind("1"), "clusterd": Kind("1", is_clusterd=True)}
# Not optimised: that takes the longest, and no inline function of theirs is then left out.
FLAGS = ["-std=c++14", "-O0", "-w", "-fPIC", "-DHAVE_PTHREAD"]
# What is ours in a stand-in.
PROGRAM = ["standin", "hooks", "log"]
# Of protobuf, what messages do not need.
WELL_KNOWN = "any api duration empty field_mask source_context struct timestamp type wrappers"
LEFT_OUT = {*(f"{name}.pb.cc" for name in WELL_KNOWN.split()), "gzip_stream.cc", "io_win32.cc"}
LEFT_OUT |= {"atomicops_internals_x86_msvc.cc", "main.cc", "mock_code_generator.cc"}


class Build:
    """Compiles below one directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sources = root / SOURCES
        self.pool = ThreadPoolExecutor(os.cpu_count() or 1)

    def runtime(self) -> list[Path]:
        """The sources of protobuf."""
        return self.protobuf("", "io", "stubs")

    def compiler(self) -> list[Path]:
        """What protoc has beside them, for C++ alone."""
        return [HERE / "protoc.cpp", *self.protobuf("compiler", "compiler/cpp")]

    def protobuf(self, *folders: str) -> list[Path]:
        """Its sources in these folders, without tests."""
        base = self.sources / "google/protobuf"
        found = [path for folder in folders for path in (base / folder).glob("*.cc")]
        return sorted(it for it in found if "test" not in it.name and it.name not in LEFT_OUT)

    def objects(self, kind: Kind, sources: Iterable[Path]) -> list[Path]:
        """Compiles for that kind what is not compiled yet."""
        return list(self.pool.map(lambda source: self.object(kind, source), sources))

    def object(self, kind: Kind, source: Path) -> Path:
        flags = [*FLAGS, f"-D_GLIBCXX_USE_CXX11_ABI={kind.strings}"]
        includes = [self.sources]
        if not source.is_relative_to(self.sources):
            includes.append(self.generated(kind))
        flags += [f"-I{path}" for path in includes]
        # Not by where it all lies, so that it can be moved.
        key = hashlib.sha256(" ".join([source.name, *FLAGS, kind.strings]).encode())
        key.update(str([path.relative_to(self.root) for path in includes]).encode())
        key.update(source.read_bytes() + (own_sources() if source.parent == HERE else b""))
        target = self.root / "objects" / f"{source.stem}-{key.hexdigest()[:16]}.o"
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            partial = target.with_suffix(".part")
            run(["g++", *flags, "-c", source, "-o", partial])
            partial.replace(target)
        return target

    def protoc(self) -> Path:
        program = self.root / "protoc"
        if not program.exists():
            objects = self.objects(KINDS["cxx11"], [*self.runtime(), *self.compiler()])
            partial = program.with_suffix(".part")
            run(["g++", "-o", partial, *objects, "-lpthread"])
            partial.replace(program)
        return program

    def generated(self, kind: Kind) -> Path:
        """Where the message classes of a kind are."""
        return self.root / ("messages-clusterd" if kind.is_clusterd else "messages")

    def messages(self, kind: Kind, host: Path) -> list[Path]:
        """The sources of the message classes, from the descriptors of a real libmesos."""
        place = self.generated(kind)
        done = [place / f"{name}.pb.cc" for name in MESSAGES]
        marker = place / "complete"
        wanted = hashlib.sha256(own_sources()).hexdigest()
        if marker.exists() and marker.read_text() == wanted:
            return done
        protoc = self.protoc()
        fresh = place.with_name("messages.new")
        shutil.rmtree(fresh, ignore_errors=True)
        run([host, "descriptors", "--mesos", RELEASE, "--out", fresh])
        if kind.is_clusterd:
            more = fresh / "clusterd.pb"
            run([protoc, f"--proto_path={HERE}", f"--descriptor_set_out={more}", CLUSTERD])
            file = fresh / "mesos/mesos.pb"
            file.write_bytes(wire.merge_file(file.read_bytes(), more.read_bytes()))
        everything = fresh / "descriptors.pb"
        with everything.open("wb") as file_set:
            for name in MESSAGES:
                file_set.write(wire.field(1, (fresh / f"{name}.pb").read_bytes()))
        files = [f"{name}.proto" for name in MESSAGES]
        run([protoc, f"--descriptor_set_in={everything}", f"--cpp_out={fresh}", *files])
        (fresh / marker.name).write_text(wanted)
        shutil.rmtree(place, ignore_errors=True)
        fresh.replace(place)
        return done

    def stand_in(self, name: str, host: Path) -> bool:
        """Makes one stand-in complete; whether there was anything to do."""
        kind, directory = KINDS[name], self.root / name
        marker, library = directory / "complete", directory / "libmesos.so"
        wanted = f"{SHA256} {hashlib.sha256(own_sources()).hexdigest()}\n".encode()
        if library.exists() and marker.exists() and marker.read_bytes() == wanted:
            return False
        (directory / "stubs").mkdir(parents=True, exist_ok=True)
        # The longest first.
        messages = sorted(self.messages(kind, host), key=lambda path: -path.stat().st_size)
        program = [HERE / f"{it}.cpp" for it in PROGRAM]
        objects = self.objects(kind, [*messages, *program, *self.runtime()])
        neighbours: list[Path] = []
        if kind.is_clusterd:
            ours = len(messages) + len(program)
            parts = [
                ("libprotobuf.so", objects[ours:]),
                ("libmesos-protobufs.so", objects[: len(messages)]),
                ("libglog.so", objects[ours - 1 : ours]),
            ]
            for soname, part in parts:
                neighbours.append(self.link(directory / soname, part, neighbours))
            objects = objects[len(messages) : ours - 1]
        self.link(library, objects, neighbours)
        driver = self.object(kind, HERE / "driver.cpp")
        link: list[str | Path] = ["-rdynamic", library, *neighbours, f"-Wl,-rpath,{directory}"]
        run(["g++", "-o", directory / "driver", driver, *link, "-ldl"])
        write_atomically(marker, wanted)
        return True

    def link(self, library: Path, objects: Sequence[Path], neighbours: Sequence[Path]) -> Path:
        """A shared library that finds others beside itself."""
        partial = library.with_suffix(".so.part")
        command: list[str | Path] = ["g++", "-shared", f"-Wl,-soname,{library.name}"]
        command += ["-Wl,-rpath,$ORIGIN", "-o", partial, *objects, *neighbours, "-lpthread"]
        run(command)
        partial.replace(library)
        return library


def own_sources() -> bytes:
    """What the stand-ins depend on of this directory."""
    return b"".join(path.read_bytes() for path in sorted(HERE.glob("*.[chp]*")))


def run(command: list[str | Path]) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        text = (done.stdout + done.stderr).decode(errors="replace")[:4000]
        raise Failure(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{text}")


def unpack(root: Path, archives: Path | None) -> None:
    """The sources of protobuf, from the pinned archive."""
    if (root / SOURCES).is_dir():
        return
    archive = download.fetch(Archive(PROJECT, ARCHIVE, SHA256, root), archives)
    fresh = root / "unpacked"
    shutil.rmtree(fresh, ignore_errors=True)
    with tarfile.open(archive, "r:gz") as tar:
        tar.extractall(fresh, filter="data")
    top = SOURCES.partition("/")[0]
    shutil.rmtree(root / top, ignore_errors=True)
    (fresh / top).replace(root / top)
    fresh.rmdir()


def arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=REPOSITORY / "target/stand-in")
    parser.add_argument(
        "--host",
        type=Path,
        default=REPOSITORY / "target/release/mesos-host",
        help="the program that reads the descriptors of a real Mesos",
    )
    parser.add_argument(
        "--archives",
        type=Path,
        default=os.environ.get("REAL_MESOS_ARCHIVES") or None,
        help="directory with the archive already downloaded (default: $REAL_MESOS_ARCHIVES)",
    )
    parser.add_argument("names", nargs="*", choices=[*KINDS, []], help="default: all")
    return parser.parse_args(words)


def main(words: list[str]) -> int:
    options = arguments(words)
    root = options.root.resolve()
    root.mkdir(parents=True, exist_ok=True)
    try:
        with (root / "lock").open("w", encoding="ascii") as lock:
            # Test programs run side by side; the second one waits and finds the work done.
            fcntl.flock(lock, fcntl.LOCK_EX)
            unpack(root, options.archives)
            build = Build(root)
            for name in options.names or KINDS:
                began = time.monotonic()
                made = build.stand_in(name, options.host)
                took = f"made in {time.monotonic() - began:.0f} s" if made else "present"
                print(f"stand-in {name}: {took} in {root / name}", flush=True)
    except Failure as failure:
        print(f"build.py: {failure}", file=sys.stderr)
        return failure.code
    except OSError as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
