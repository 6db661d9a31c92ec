#!/usr/bin/env python3
"""Checks what the workspace depends on, and ends with a table.

    deps.py [CHECK ...]

Checks, by default all of them:

* `licenses`, `bans`, `sources`: cargo-deny, for the workspace and for the fuzzing targets, by
  deny.toml;
* `advisories`: the same, with the database of RustSec, which git brings up to date first.

cargo-deny comes from crates.io into target/tools, in its version below, when it is not there. It is
built without optimization, which takes minutes all the same.

Exit status: 0 all is well; 1 something is not; 2 usage; 3 the tool or the database could not be had
(with ALLOW_OFFLINE=1 that is reported as skipped, with status 0).
"""

import argparse
import os
import pathlib
import subprocess
import sys

import skips

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOOLS = ROOT / "target/tools"
DENY = ROOT / "deny.toml"
# The fuzzing targets have a lock file of their own. What they link twice, the engine does.
MANIFESTS = {"workspace": ROOT / "Cargo.toml", "fuzzing": ROOT / "tests/fuzz/Cargo.toml"}
ONLY_OF_WORKSPACE = {"bans"}
# An exception from the rules on duplicates that is not needed any more fails; one for a licence is
# needed by one of the two alone.
LEVELS = ["-D", "unmatched-skip", "-D", "unnecessary-skip"]
LEVELS += ["-A", "license-exception-not-encountered"]
CARGO_DENY = "0.20.2"
CHECKS = ["licenses", "bans", "sources", "advisories"]


class Unavailable(Exception):
    """What a check needs cannot be had; why."""


def run(*command: str | pathlib.Path) -> bool:
    """Whether a program that prints what is wrong succeeds."""
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def tool() -> pathlib.Path:
    """cargo-deny, installed when it is not."""
    place = TOOLS / f"cargo-deny-{CARGO_DENY}"
    program = place / "bin/cargo-deny"
    if not program.is_file():
        cargo = os.environ.get("CARGO", "cargo")
        version = ["--version", CARGO_DENY, "--locked"]
        # A debug build without its information takes half of the time.
        profile = ["--debug", "--config", "profile.dev.debug=false"]
        if not run(cargo, "install", "cargo-deny", *version, *profile, "--root", place):
            raise Unavailable(f"cargo-deny {CARGO_DENY} could not be installed from crates.io")
    return program


def deny(check: str, option: str) -> bool:
    """A check of cargo-deny."""
    program = tool()
    good = True
    for name, manifest in MANIFESTS.items():
        if name == "workspace" or check not in ONLY_OF_WORKSPACE:
            print(f"== {check}: {name}", flush=True)
            where: list[str | pathlib.Path] = [
                "--manifest-path",
                manifest,
                "--workspace",
                "--config",
                DENY,
                option,
            ]
            good = run(program, *where, "check", "--hide-inclusion-graph", *LEVELS, check) and good
    return good


def advisories() -> bool:
    """The advisories of RustSec, as they are now."""
    if not run(tool(), "--config", DENY, "fetch", "db"):
        raise Unavailable(
            "the database of advisories could not be had (git's own settings lead to it: "
            'deny.toml, "git-fetch-with-cli")'
        )
    return deny("advisories", "--offline")


def play(check: str) -> str:
    """Runs a check; how it ended."""
    try:
        good = advisories() if check == "advisories" else deny(check, "--locked")
    except Unavailable as reason:
        if skips.allowed_offline():
            print(f"SKIPPED {check} of the dependencies: {reason}")
            return "SKIPPED"
        print(f"FAILED: {reason} (ALLOW_OFFLINE=1 skips this)")
        return "NOT HAD"
    return "ok" if good else "FAILED"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checks", nargs="*", metavar="CHECK", help=f"of {', '.join(CHECKS)}")
    arguments = parser.parse_args()
    unknown = [check for check in arguments.checks if check not in CHECKS]
    if unknown:
        parser.error(f"no such check: {', '.join(unknown)}; there are {', '.join(CHECKS)}")
    results = {check: play(check) for check in arguments.checks or CHECKS}
    print()
    for check, result in results.items():
        print(f"{check:12} {result}")
    if "FAILED" in results.values():
        return 1
    return 3 if "NOT HAD" in results.values() else 0


if __name__ == "__main__":
    sys.exit(main())
