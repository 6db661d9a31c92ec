"""The system libraries that libmesos needs, which Debian still packages."""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping

from releases import Missing

# soname -> Debian package
PACKAGES = {
    "libsvn_subr-1.so.1": "libsvn1",
    "libsvn_delta-1.so.1": "libsvn1",
    "libapr-1.so.0": "libapr1",
    "libsasl2.so.2": "libsasl2-2",
    "libz.so.1": "zlib1g",
}
# The same for releases before Mesos 1.8; stubs.py says why.
EVENT_PACKAGES = {
    "libevent-2.1.so.7": "libevent-2.1-7",
    "libevent_pthreads-2.1.so.7": "libevent-pthreads-2.1-7",
}


def wanted(releases: Iterable[str]) -> dict[str, str]:
    """What these releases need."""
    return PACKAGES | (EVENT_PACKAGES if "1.7.3" in releases else {})


def absent(libraries: Mapping[str, str] = PACKAGES) -> list[str]:
    """Debian packages of the libraries that the dynamic loader does not find."""
    packages = set()
    for soname, package in libraries.items():
        try:
            ctypes.CDLL(soname)
        except OSError:
            packages.add(package)
    return sorted(packages)


def ensure(releases: Iterable[str] = ()) -> None:
    """Installs what is missing when that is possible, else says what to install."""
    libraries = wanted(releases)
    packages = absent(libraries)
    if not packages:
        return
    wish = f"apt-get install {' '.join(packages)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise Missing(f"system libraries are missing; install them (Debian: {wish})")
    print(f"installing {' '.join(packages)}", flush=True)
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    for arguments in (
        ["update", "-qq"],
        ["install", "-qq", "-y", "--no-install-recommends", *packages],
    ):
        done = subprocess.run(
            ["apt-get", *arguments], env=environment, check=False, stdout=subprocess.DEVNULL
        )
        if done.returncode != 0:
            raise Missing(f"apt-get {arguments[0]} failed; install by hand: {wish}")
    if left := absent(libraries):
        raise Missing(f"still missing after installation: {' '.join(left)}")
