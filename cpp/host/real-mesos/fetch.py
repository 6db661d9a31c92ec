#!/usr/bin/env python3
"""Brings real Mesos libraries to this machine, ready to be loaded by `mesos-host`.

    fetch.py [--root target/real-mesos] [--archives DIR] [VERSION ...]

Without a version: all releases of releases.py. What is complete already is left alone. Exit codes:
0 done; 1 failed; 2 usage; 3 PyPI cannot be reached (the callers' offline rule applies); 4 a tool or
system library has to be installed first.
"""

import argparse
import fcntl
import os
import sys
from pathlib import Path

import download
import stubs
import system
from releases import SHA256, Failure, Release, release, write_atomically

REPOSITORY = Path(__file__).resolve().parents[3]
# Raised when the way the directory is made changes, so that old directories are made anew.
LAYOUT = "1"


def arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fetches real Mesos libraries for the tests.")
    parser.add_argument(
        "--root",
        type=Path,
        default=Path(os.environ.get("REAL_MESOS_DIR") or REPOSITORY / "target" / "real-mesos"),
        help="where to keep them (default: $REAL_MESOS_DIR or target/real-mesos)",
    )
    parser.add_argument(
        "--archives",
        type=Path,
        default=os.environ.get("REAL_MESOS_ARCHIVES") or None,
        help="directory with archives already downloaded (default: $REAL_MESOS_ARCHIVES)",
    )
    parser.add_argument(
        "versions",
        nargs="*",
        metavar="VERSION",
        help=f"releases to fetch (default: {' '.join(SHA256)})",
    )
    return parser.parse_args(words)


def stamp(wanted: Release) -> bytes:
    """What the marker of a complete directory says."""
    return f"{LAYOUT} {wanted.sha256}\n".encode()


def complete(wanted: Release) -> bool:
    """Whether the directory was finished by this very layout from the pinned archive."""
    return (
        wanted.marker.is_file()
        and wanted.marker.read_bytes() == stamp(wanted)
        and wanted.library.is_file()
    )


def provide(wanted: Release, archives: Path | None) -> bool:
    """Makes one release's directory complete; returns whether there was anything to do."""
    if complete(wanted):
        return False
    wanted.directory.mkdir(parents=True, exist_ok=True)
    with (wanted.directory / "lock").open("w", encoding="ascii") as lock:
        # Test programs run side by side; the second one waits and finds the work done.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if complete(wanted):
            return False
        wanted.marker.unlink(missing_ok=True)
        archive = download.fetch(wanted, archives)
        download.unpack(archive, wanted)
        stubs.make(wanted)
        if archive.parent == wanted.directory:
            archive.unlink()
        write_atomically(wanted.marker, stamp(wanted))
    return True


def main(words: list[str]) -> int:
    options = arguments(words)
    try:
        wanted = [
            release(version, options.root.resolve()) for version in options.versions or SHA256
        ]
        system.ensure([one.version for one in wanted])
        for one in wanted:
            done = provide(one, options.archives)
            print(f"Mesos {one.version}: {'made' if done else 'present in'} {one.directory}")
    except Failure as failure:
        print(f"fetch.py: {failure}", file=sys.stderr)
        return failure.code
    except OSError as error:
        print(f"fetch.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
