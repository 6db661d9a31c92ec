"""Puts files in place, and takes them away again.

A library that an agent has mapped is never written to: a new one is renamed over it, and the agent
keeps the old one until it is restarted.
"""

import os
import pathlib
import shutil
from collections.abc import Iterable

from layout import File


def place(destination: pathlib.Path, target: str) -> pathlib.Path:
    """Where a file is put: below DESTDIR, or the place itself when that is the root."""
    return destination / target.lstrip("/")


def install(wanted: Iterable[File], destination: pathlib.Path) -> list[pathlib.Path]:
    """Installs files below `destination`; the paths."""
    done = []
    for file in wanted:
        path = place(destination, file.target)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
        try:
            shutil.copyfile(file.source, fresh)
            fresh.chmod(file.mode)
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
        done.append(path)
    return done


def uninstall(wanted: Iterable[File], destination: pathlib.Path) -> list[pathlib.Path]:
    """Removes what `install` put there, and the directories that are empty then; the paths."""
    done = []
    for file in wanted:
        path = place(destination, file.target)
        if not path.exists():
            continue
        path.unlink()
        done.append(path)
        for parent in path.parents:
            if parent == destination or any(parent.iterdir()):
                break
            parent.rmdir()
    return done
