"""Stub libraries for what libmesos needs and today's systems no longer have.

A library was built in 2019 and 2020 as a Python 2 extension against OpenSSL 1.0 and a libcurl
with the symbol version CURL_OPENSSL_3. The dynamic loader wants every one of those symbols, with
its version, although nothing that the tests do ever calls them. So small libraries are made from
the list of undefined symbols of libmesos itself. A stub that is called all the same says its name
and aborts; the few that Mesos calls while it starts up answer "done".

Mesos 1.7 was built with libevent 2.0, which is its event loop. It calls nothing that libevent 2.1
does not have, so the sonames of the old one become libraries that load the new one.
"""

import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from releases import Failure, Missing, Release

# Sonames that no current distribution provides with these symbol versions.
REPLACED = ("libssl.so.1.0.0", "libcrypto.so.1.0.0", "libcurl.so.4")
# The Python 2 symbols have neither a version nor a library in the list of needed ones.
PYTHON = "libpython2-symbols.so"
PYTHON_SYMBOL = re.compile(r"_?Py[A-Z_]")
# Objects, not functions: the symbol table of a reference does not tell them apart.
PYTHON_DATA = re.compile(r"_Py_\w+Struct|PyExc_\w+|Py\w+_Type")

# What loads the library of another soname in its place.
RENAMED = {
    "libevent-2.0.so.5": "libevent-2.1.so.7",
    "libevent_pthreads-2.0.so.5": "libevent_pthreads-2.1.so.7",
}
# The part of libevent that is for TLS, which nobody here uses; no versions either.
EVENT_TLS = "libevent_openssl-2.0.so.5"
EVENT_TLS_SYMBOL = re.compile(r"bufferevent_(get_)?openssl_")

# Functions that are called when a process merely starts libprocess or an agent, with the value
# that means success.
ANSWERS = {
    "curl_global_init": 0,
}

SYMBOL = re.compile(r"\sUND\s+(?P<name>[^@\s]+)(?:@+(?P<version>\S+)(?:\s+\((?P<index>\d+)\))?)?")
NEEDED = re.compile(r"\(NEEDED\)\s+Shared library: \[(?P<soname>[^]]+)\]")
NEED_FILE = re.compile(r"Version: \d+\s+File: (?P<file>\S+)")
NEED_NAME = re.compile(r"Name: (?P<name>\S+)\s+Flags: .*?Version: (?P<index>\d+)")

# The symbols of a library by their version, which is None without one.
Versions = dict[str | None, list[str]]

PROLOGUE = """\
/* Generated from the undefined symbols of a libmesos; see stubs.py. */
#include <stdio.h>
#include <stdlib.h>

static void stub_was_called(const char* name)
{
  fprintf(stderr, "%s: only a stub of this function exists in this process\\n", name);
  abort();
}
"""


def run(command: list[str]) -> str:
    """The output of a tool, or a failure that says which tool is missing or what it said."""
    if shutil.which(command[0]) is None:
        raise Missing(f"{command[0]} is not installed (Debian: apt-get install gcc binutils)")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"{command[0]} failed: {done.stderr.strip()}")
    return done.stdout


def parse_needs(text: str) -> dict[int, str]:
    """Version index -> soname, from `readelf --version-info`."""
    needs: dict[int, str] = {}
    file = None
    for line in text.splitlines():
        if match := NEED_FILE.search(line):
            file = match["file"]
        elif (match := NEED_NAME.search(line)) and file is not None:
            needs[int(match["index"])] = file
    return needs


def parse_symbols(text: str, needs: Mapping[int, str]) -> dict[str, Versions]:
    """Soname -> version (None without one) -> sorted names, for the libraries to be replaced."""
    wanted: dict[str, Versions] = defaultdict(lambda: defaultdict(list))
    for line in text.splitlines():
        match = SYMBOL.search(line)
        if match is None:
            continue
        if match["index"] is not None:
            soname = needs.get(int(match["index"]))
            if soname is not None and soname in REPLACED:
                wanted[soname][match["version"]].append(match["name"])
        elif match["version"] is None and PYTHON_SYMBOL.match(match["name"]):
            wanted[PYTHON][None].append(match["name"])
        elif match["version"] is None and EVENT_TLS_SYMBOL.match(match["name"]):
            wanted[EVENT_TLS][None].append(match["name"])
    return {
        soname: {version: sorted(names) for version, names in versions.items()}
        for soname, versions in wanted.items()
    }


def source(names: Iterable[str]) -> str:
    """C text that defines the symbols."""
    parts = [PROLOGUE]
    for name in names:
        if PYTHON_DATA.fullmatch(name):
            parts.append(f"__attribute__((aligned(64))) char {name}[4096];\n")
        elif name in ANSWERS:
            parts.append(f"long {name}(void) {{ return {ANSWERS[name]}; }}\n")
        else:
            parts.append(f'long {name}(void) {{ stub_was_called("{name}"); return 0; }}\n')
    return "".join(parts)


def version_script(versions: Versions) -> str:
    """A linker version script; an empty text when the symbols carry no version."""
    parts: list[str] = []
    previous = ""
    for version in sorted(version for version in versions if version is not None):
        names = "".join(f"    {name};\n" for name in versions[version])
        local = "" if previous else "  local: *;\n"
        parts.append(f"{version} {{\n  global:\n{names}{local}}} {previous};\n".replace(" ;", ";"))
        previous = version
    return "".join(parts)


def build(soname: str, versions: Versions, directory: Path) -> Path:
    """Compiles one stub library; returns its path."""
    stem = directory / soname
    code = directory / f"{soname}.c"
    code.write_text(source([name for names in versions.values() for name in names]))
    command = [
        "gcc",
        "-shared",
        "-fPIC",
        "-O1",
        "-fno-builtin",
        "-w",
        f"-Wl,-soname,{soname}",
        "-o",
        str(stem),
        str(code),
    ]
    if script := version_script(versions):
        path = directory / f"{soname}.map"
        path.write_text(script)
        command.append(f"-Wl,--version-script={path}")
    run(command)
    return stem


def rename(soname: str, other: str, directory: Path) -> None:
    """Makes a library with this soname that loads the library with the other one."""
    needs = ["-Wl,--no-as-needed", f"-l:{other}"]
    run(["gcc", "-shared", f"-Wl,-soname,{soname}", "-o", str(directory / soname), *needs])


def make(release: Release) -> None:
    """Makes all stub libraries of a release, in place of those of an earlier run."""
    dynamic = run(["readelf", "--dynamic", "--wide", str(release.library)])
    needed = {match["soname"] for match in NEEDED.finditer(dynamic)}
    needs = parse_needs(run(["readelf", "--version-info", "--wide", str(release.library)]))
    wanted = parse_symbols(run(["readelf", "--dyn-syms", "--wide", str(release.library)]), needs)
    absent = [soname for soname in (*REPLACED, PYTHON) if soname not in wanted]
    if absent:
        raise Failure(f"{release.library}: no undefined symbols of {', '.join(absent)} found")
    shutil.rmtree(release.stubs, ignore_errors=True)
    release.stubs.mkdir(parents=True)
    for soname, versions in wanted.items():
        build(soname, versions, release.stubs)
    for soname in needed & RENAMED.keys():
        rename(soname, RENAMED[soname], release.stubs)
