#!/usr/bin/env python3
"""What the module library asks of the system and what it offers, against the committed lists.

  interface.py [LIBRARY]            compare; exit 1 if something rose or changed
  interface.py --update [LIBRARY]   write the lists anew, to be looked at in the diff

* required-versions.txt: the newest version of each family of symbols (glibc, libstdc++, libgcc)
  that the library needs. It must not rise unnoticed: every step leaves a distribution behind.
  Weak references count, because the linker records their versions as firmly as others.
* exported-symbols.txt: everything that the library exports, but for what cxx exports for itself,
  which cannot be hidden and changes with every function of the bridge.
* The manifests: both kinds without a suffix and with 2 to 32, each a data symbol of 64 bytes.
* The empty string of the strings before C++11 is libstdc++'s own, as what is not at its address is
  freed; with -static-libstdc++ it would be defined here.
* No function of the C library that makes a process from this one: before glibc 2.24 `clone` notes a
  wrong number for a thread whose memory the child shares. (posix_spawn is refused there.)
* The C++ that is compiled once for each kind of strings shares no name of ours between the two, but
  those of types that are the same in both.

LIBRARY is the release build by default, because a debug build needs other symbols.
"""

import argparse
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
LIBRARY = HERE.parent.parent / "target/release/libmesos_command_modules.so"
VERSIONS = HERE / "required-versions.txt"
EXPORTS = HERE / "exported-symbols.txt"
# Defined by libstdc++ alone.
EMPTY_STRING = "_ZNSs4_Rep20_S_empty_rep_storageE"
# They copy the agent, or leave its thread with a wrong number.
FORKS = {"clone", "fork", "vfork", "_Fork", "daemon", "system", "popen"}
# Types that hold no string, and a function: both kinds may make the same templates over them.
SHARED = ["AnswerKind", "Fallback", "HookInstance", "IsolatorInstance", "HookAnswer"]
SHARED += ["InputKind", "Input", "Item", "Completion", "Pending", "Sink", "Unexpected"]
SHARED += ["Future", "Severity", "log_line"]
FAMILIES = ["GLIBC", "GLIBCXX", "CXXABI", "GCC"]
MANIFESTS = [
    f"com_criteo_mesos_Command{kind}{suffix}"
    for kind in ["Hook", "Isolator"]
    for suffix in ["", *range(2, 33)]
]
# name, newest GLIBC and GLIBCXX of its own libraries.
SYSTEMS = [
    ("RHEL and CentOS 7", "2.17", "3.4.19"),
    ("Debian 8", "2.19", "3.4.20"),
    ("Ubuntu 16.04", "2.23", "3.4.21"),
    ("Debian 9", "2.24", "3.4.22"),
    ("Amazon Linux 2", "2.26", "3.4.24"),
    ("Ubuntu 18.04", "2.27", "3.4.25"),
    ("Debian 10", "2.28", "3.4.25"),
    ("RHEL 8", "2.28", "3.4.25"),
    ("Debian 11", "2.31", "3.4.28"),
    ("Ubuntu 20.04", "2.31", "3.4.28"),
    ("RHEL 9", "2.34", "3.4.29"),
    ("Amazon Linux 2023", "2.34", "3.4.29"),
    ("Ubuntu 22.04", "2.35", "3.4.30"),
    ("Debian 12", "2.36", "3.4.30"),
    ("Ubuntu 24.04", "2.39", "3.4.33"),
    ("Debian 13", "2.41", "3.4.33"),
]

# {family: {version: symbols}}
Needs = dict[str, dict[str, list[str]]]
# {name: (nm's type, size)}
Exports = dict[str, tuple[str, int]]


def number(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def output(*command: str) -> str:
    return subprocess.run(
        command,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"},
    ).stdout


def needs(library: pathlib.Path) -> Needs:
    """The undefined symbols, by family and version."""
    found: Needs = {family: {} for family in FAMILIES}
    for line in output("objdump", "-T", str(library)).splitlines():
        match = re.search(r"\*UND\*.*\(?\b([A-Z]+)_([0-9.]+)\)?\s+(\S+)$", line)
        if match and match[1] in found:
            found[match[1]].setdefault(match[2], []).append(match[3])
    return found


def newest(found: Needs) -> dict[str, str]:
    return {family: max(versions, key=number) for family, versions in found.items() if versions}


def exports(library: pathlib.Path) -> Exports:
    """What the library exports, but for what cxx exports for itself."""
    table = {}
    internal = "cxxbridge1$"
    for line in output("nm", "-D", "-S", "--defined-only", str(library)).splitlines():
        fields = line.split()
        if internal in fields[-1]:
            continue
        size = int(fields[1], 16) if len(fields) == 4 else 0
        table[fields[-1]] = (fields[-2], size)
    return table


def listed(path: pathlib.Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]


def compare_versions(found: Needs) -> list[str]:
    wrong = []
    committed = dict(line.rsplit("_", 1) for line in listed(VERSIONS))
    for family, version in newest(found).items():
        limit = committed.get(family)
        if limit is None:
            wrong.append(f"symbols of a new family: {family}_{version}")
            continue
        for newer in sorted(found[family], key=number):
            if number(newer) > number(limit):
                names = ", ".join(found[family][newer])
                wrong.append(f"needs {family}_{newer}, more than {family}_{limit}: {names}")
        if number(version) < number(limit):
            print(f"note: {family}_{version} is enough; --update lowers the list")
    return wrong


def compare_exports(found: Exports) -> list[str]:
    committed = set(listed(EXPORTS))
    wrong = [f"exported, but not on the list: {name}" for name in sorted(set(found) - committed)]
    wrong += [f"not exported any more: {name}" for name in sorted(committed - set(found))]
    return wrong


def compare_manifests(found: Exports) -> list[str]:
    wrong = [
        f"manifest {name}: expected a data symbol of 64 bytes, found {found.get(name)}"
        for name in MANIFESTS
        if found.get(name, ("", 0)) not in [("D", 64), ("R", 64)]
    ]
    surplus = {name for name in found if name.startswith("com_criteo_")} - set(MANIFESTS)
    return wrong + [f"a manifest too many: {name}" for name in sorted(surplus)]


def compare_strings(library: pathlib.Path) -> list[str]:
    """The strings before C++11 are libstdc++'s."""
    undefined = output("nm", "-D", "--undefined-only", str(library)).split()
    wrong = []
    if not any(name.startswith(f"{EMPTY_STRING}@GLIBCXX") for name in undefined):
        wrong.append(f"{EMPTY_STRING} is not taken from libstdc++")
    for line in output("nm", str(library)).splitlines():
        kind, name = line.split()[-2:]
        if name.startswith(EMPTY_STRING) and kind != "U":
            wrong.append(f"{EMPTY_STRING} is defined here ({kind})")
    return wrong


def compare_processes(library: pathlib.Path) -> list[str]:
    """What makes processes."""
    undefined = output("nm", "-D", "--undefined-only", str(library)).split()
    return [
        f"needs {name}, which makes a process from the agent's"
        for name in sorted(undefined)
        if name.partition("@")[0] in FORKS
    ]


def names_of_ours(archive: pathlib.Path) -> set[str]:
    """The global names that an archive defines, with one of ours in them that is not shared."""
    listed = output("nm", "--defined-only", "--extern-only", "-f", "posix", str(archive))
    names = {line.split()[0] for line in listed.splitlines() if len(line.split()) > 1}
    types = "|".join(f"{len(it)}{it}" for it in SHARED)
    shared = re.compile(rf"\d+mesos_command(?:3abi|4shim)(?:{types})")
    return {name for name in names if "mesos_command" in shared.sub("", name)}


def compare_sets(library: pathlib.Path) -> list[str]:
    """The archives of both kinds of strings, as the newest build script left them."""
    built = library.parent.glob("build/mesos-command-modules-*/out/*/libmesos_command_modules_c*.a")
    newest = {path.name: path for path in sorted(built, key=lambda path: path.stat().st_mtime)}
    sets = [names_of_ours(path) for path in newest.values()]
    if len(sets) != 2 or min(len(names) for names in sets) < 50:
        return [f"expected two archives with names of ours: {newest}"]
    return [f"in both sets, so that one is taken for the other: {it}" for it in sets[0] & sets[1]]


def update(found: Needs, exported: Exports) -> None:
    VERSIONS.write_text(
        "# The newest symbol versions that the release build may need.\n"
        + "".join(f"{family}_{version}\n" for family, version in newest(found).items())
    )
    EXPORTS.write_text(
        "# What the library exports.\n" + "".join(f"{name}\n" for name in sorted(exported))
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--update", action="store_true", help="write the lists anew")
    parser.add_argument("library", nargs="?", type=pathlib.Path, default=LIBRARY)
    arguments = parser.parse_args()
    if not arguments.library.is_file():
        print(f"{arguments.library} does not exist; build it: cargo build --release")
        sys.exit(2)
    found, exported = needs(arguments.library), exports(arguments.library)
    if not found["GLIBC"] or not exported:
        print(f"{arguments.library} asks for or offers nothing: is it the module library?")
        sys.exit(2)
    if arguments.update:
        update(found, exported)
    wrong = compare_versions(found) + compare_exports(exported) + compare_manifests(exported)
    wrong += compare_strings(arguments.library) + compare_sets(arguments.library)
    wrong += compare_processes(arguments.library)
    for line in wrong:
        print(f"FAILED: {line}")
    least = newest(found)
    print("needs " + ", ".join(f"{family}_{version}" for family, version in least.items()))
    runs = [
        name
        for name, glibc, cxx in SYSTEMS
        if number(glibc) >= number(least["GLIBC"])
        and number(cxx) >= number(least.get("GLIBCXX", "0"))
    ]
    print(f"so it loads on: {', '.join(runs)} and newer")
    print(f"exports {len(exported)} symbols, {len(MANIFESTS)} of them manifests")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
