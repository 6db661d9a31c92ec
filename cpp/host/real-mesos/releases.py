"""The Mesos releases that the tests run in, and where their parts are kept.

PyPI's `mesos.scheduler` has a `linux-x86_64` archive for each release. It is no Python package in
pip's sense but a dump of an installation; the one shared object in it holds the whole of libmesos
with every symbol exported. The digests below were taken from the archives themselves, so that what
runs in the tests is the same file everywhere.
"""

import os
from dataclasses import dataclass
from pathlib import Path

PROJECT = "mesos.scheduler"

SHA256 = {
    "1.7.3": "14f75c9d6d849d71e8fe476b2e9d6ec2243964ec2a692eb1ffd9c6692051f89b",
    "1.8.0": "4a23876d13b7a278f0e1574d2ff9c8c3b07d845b338c4e4196d42987a96a2e1f",
    "1.8.1": "3a0bfe4151ab0bfd7f94359743342f39fd9e21f72ab9c53151117f491200e2e0",
    "1.9.0": "6829dc7ee6400b7a6d186e966a25d217638b365f5a9ba0b783222a5858f56dcf",
    "1.10.0": "76f111c32a0cd82fc23aff61a85215d4d9ceebb34654d93264d8e64a27483ff5",
    "1.11.0": "1d376f20bca6d05ee8b90c1c123a452b28753497ccc2f1c80ea3ac94c12e8f6e",
}

# Member of the archive that is libmesos (and a Python 2 extension, which nothing here uses).
MEMBER_SUFFIX = "/mesos/scheduler/_scheduler.so"


class Failure(Exception):
    """Something that the person running this has to know; `code` is the exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class Unreachable(Failure):
    """PyPI did not answer. Callers may treat it as "offline": exit code 3."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code=3)


class Missing(Failure):
    """A tool or system library has to be installed first: exit code 4."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code=4)


@dataclass(frozen=True)
class Archive:
    """A file of a project on PyPI, kept in `directory`; the client is below `root`."""

    project: str
    archive_name: str
    sha256: str
    root: Path

    @property
    def directory(self) -> Path:
        return self.root


@dataclass(frozen=True)
class Release:
    """One release and its files below `root`."""

    version: str
    root: Path

    @property
    def project(self) -> str:
        return PROJECT

    @property
    def archive_name(self) -> str:
        return f"{PROJECT}-{self.version}.linux-x86_64.tar.gz"

    @property
    def sha256(self) -> str:
        return SHA256[self.version]

    @property
    def directory(self) -> Path:
        return self.root / self.version

    @property
    def library(self) -> Path:
        return self.directory / "libmesos.so"

    @property
    def stubs(self) -> Path:
        return self.directory / "stubs"

    @property
    def marker(self) -> Path:
        """Written last; its presence says that the directory is complete."""
        return self.directory / "complete"


def release(version: str, root: Path) -> Release:
    """The release `version`, or a failure that names the known ones."""
    if version not in SHA256:
        known = ", ".join(SHA256)
        raise Failure(f"unknown Mesos release {version!r}; known: {known}", code=2)
    return Release(version, root)


def write_atomically(path: Path, data: bytes) -> None:
    """Replaces `path` by a file with these bytes, or leaves it as it was."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
