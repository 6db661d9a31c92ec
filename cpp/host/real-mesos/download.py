"""Downloading the archive of a release from PyPI and unpacking libmesos from it.

The PyPI client library `pypi-simple` does the talking, because pip itself refuses these archives.
It is installed by pip into a directory of its own, never into the user's environment.
"""

import hashlib
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

from releases import MEMBER_SUFFIX, Archive, Failure, Release, Unreachable

CLIENT = "pypi-simple"
CHUNK = 1 << 20
ATTEMPTS = 3
TIMEOUT_SECONDS = 60


def digest(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal text."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            sha.update(block)
    return sha.hexdigest()


def client(root: Path) -> Any:
    """The module `pypi_simple`, installed below `root` on the first use."""
    place = root / "client"
    if not (place / "pypi_simple").is_dir():
        fresh = place.with_name(place.name + ".new")
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-input",
            "--disable-pip-version-check",
            "--target",
            str(fresh),
            CLIENT,
        ]
        shutil.rmtree(fresh, ignore_errors=True)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            reason = last_line(done.stderr)
            raise Unreachable(f"pip could not install {CLIENT} from PyPI: {reason}")
        shutil.rmtree(place, ignore_errors=True)
        fresh.replace(place)
    sys.path.insert(0, str(place))
    import pypi_simple  # noqa: PLC0415 (it exists only from here on)

    return pypi_simple


def last_line(text: str) -> str:
    """The last line of a tool's complaint, which is where the reason stands."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no reason given"


def fetch(release: Release | Archive, archives: Path | None) -> Path:
    """Returns the path of the verified archive, downloading it unless `archives` has it."""
    if archives is not None:
        path = archives / release.archive_name
        if path.is_file():
            verify(path, release)
            return path
    path = release.directory / release.archive_name
    if path.is_file() and digest(path) == release.sha256:
        return path
    release.directory.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    download(release, partial)
    try:
        verify(partial, release)
    except Failure:
        # A wrong file cannot be resumed into a right one.
        partial.unlink(missing_ok=True)
        raise
    partial.replace(path)
    return path


def verify(path: Path, release: Release | Archive) -> None:
    """Fails unless the file is the pinned one."""
    found = digest(path)
    if found != release.sha256:
        raise Failure(f"{path}: sha256 is {found}, expected {release.sha256}")


def download(release: Release | Archive, partial: Path) -> None:
    """Downloads into `partial`, going on where an earlier attempt stopped."""
    pypi = client(release.root)
    import requests  # noqa: PLC0415 (comes with the client)

    for attempt in range(1, ATTEMPTS + 1):
        try:
            with pypi.PyPISimple() as connection:
                package = find(connection, release)
                print(f"downloading {release.archive_name}", flush=True)
                receive(connection.s, package.url, partial)
                return
        except requests.RequestException as error:
            if attempt == ATTEMPTS:
                raise Unreachable(
                    f"PyPI cannot be reached: {type(error).__name__}: "
                    f"{release.archive_name} could not be downloaded"
                ) from error


def find(connection: Any, release: Release | Archive) -> Any:
    """The package entry of the archive in PyPI's list of files."""
    page = connection.get_project_page(release.project, timeout=TIMEOUT_SECONDS)
    for package in page.packages:
        if package.filename == release.archive_name:
            return package
    raise Failure(f"PyPI no longer lists {release.archive_name}")


def receive(session: Any, url: str, partial: Path) -> None:
    """One request, for the part that is missing."""
    have = partial.stat().st_size if partial.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as answer:
        if answer.status_code == 416:
            # Nothing is missing, or the rest is not what the server has: the digest decides.
            return
        answer.raise_for_status()
        mode = "ab" if answer.status_code == 206 else "wb"
        with partial.open(mode) as file:
            file.writelines(answer.iter_content(CHUNK))


def unpack(archive: Path, release: Release) -> None:
    """Puts the library where the host program expects it."""
    temporary = release.library.with_name(".libmesos.so.new")
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            if member.isfile() and member.name.endswith(MEMBER_SUFFIX):
                source = tar.extractfile(member)
                assert source is not None  # It is a regular file.
                with source, temporary.open("wb") as target:
                    shutil.copyfileobj(source, target, CHUNK)
                temporary.replace(release.library)
                return
    raise Failure(f"{archive}: no file that ends in {MEMBER_SUFFIX}")
