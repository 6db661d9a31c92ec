"""Builds what packages have in them, so that two builds of one commit are the same bytes.

What a compiler writes of the directories it works in is replaced by names that are the same
everywhere; times are that of the last commit (SOURCE_DATE_EPOCH, when it is set).
"""

import os
import pathlib
import subprocess
import tomllib

from layout import LIBRARY, MODULE, ROOT, TOOL, generate

# What stands in the binaries for the places of a build.
SOURCES, PACKAGES = "/usr/src/mesos-command-modules", "/usr/src/crates"


def version() -> str:
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())
    found = manifest["workspace"]["package"]["version"]
    if not isinstance(found, str):
        raise TypeError(f"Cargo.toml: a version that is no text: {found}")
    return found


def time_of_sources() -> int:
    """Seconds since 1970, for all times in packages."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return int(given)
    log = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    done = subprocess.run(log, capture_output=True, text=True, check=False)
    # Without a history: the oldest time that zip and ar can say.
    return int(done.stdout) if done.returncode == 0 and done.stdout.strip() else 315532800


def environment(target: pathlib.Path) -> dict[str, str]:
    cargo_home = pathlib.Path(os.environ.get("CARGO_HOME", pathlib.Path.home() / ".cargo"))
    # The longest match wins with rustc when it comes last.
    places = [(cargo_home, PACKAGES), (ROOT, SOURCES), (target, f"{SOURCES}/target")]
    flags = [f"--remap-path-prefix={place}={name}" for place, name in places]
    maps = " ".join(f"-ffile-prefix-map={place}={name}" for place, name in places)
    return {
        **os.environ,
        "SOURCE_DATE_EPOCH": str(time_of_sources()),
        "CARGO_TARGET_DIR": str(target),
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags),
        "CARGO_INCREMENTAL": "0",
        "CFLAGS": maps,
        "CXXFLAGS": maps,
    }


def build(out: pathlib.Path) -> pathlib.Path:
    """Builds library and program below `out`, without what only debuggers read; their directory."""
    out.mkdir(parents=True, exist_ok=True)
    target = out / "build"
    cargo = [os.environ.get("CARGO", "cargo"), "build", "--release", "--locked"]
    packages = ["-p", MODULE, "-p", TOOL]
    subprocess.run([*cargo, *packages], cwd=ROOT, env=environment(target), check=True)
    made = out / "binaries"
    made.mkdir(exist_ok=True)
    for name in (LIBRARY, TOOL):
        strip = ["strip", "--strip-unneeded", "--remove-section=.comment"]
        subprocess.run([*strip, "-o", made / name, target / "release" / name], check=True)
    generate(made)
    return made
