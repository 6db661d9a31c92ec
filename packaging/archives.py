"""The packages: tarball, Debian's, RPM. Each is the same bytes for the same files."""

import gzip
import hashlib
import io
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterable

from building import time_of_sources, version
from layout import DEBIAN, DESCRIPTIONS, MODULE, ROOT, RPM, SUMMARIES, TOOL, File, files, under

import staging

# Who is asked about a package; whoever makes one for others sets both.
MAINTAINER = (
    f"{os.environ.get('DEBFULLNAME', 'The mesos-command-modules authors')} "
    f"<{os.environ.get('DEBEMAIL', 'packages@mesos-command-modules.example')}>"
)
ARCHITECTURES = {"x86_64": "amd64"}
# The module runs on older systems than dpkg-shlibdeps believes, which knows this one: what it
# needs is in cpp/tests/required-versions.txt, and a test holds it.
MODULE_DEPENDS = "libc6 (>= 2.17), libgcc-s1 | libgcc1, libstdc++6 (>= 4.8)"
# What lintian would have of packages that are part of Debian.
OVERRIDE = "{package}: initial-upload-closes-no-bugs *\n"
# Files of Debian's packages that have to be compressed.
COMPRESSED = ("changelog", "changelog.Debian")


def machine() -> str:
    return os.uname().machine


def gzipped(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=9, mtime=0) as stream:
        stream.write(content)
    return buffer.getvalue()


def tarball(build: pathlib.Path, out: pathlib.Path) -> pathlib.Path:
    """lib, bin and share, to be unpacked with --strip-components=1 below a prefix."""
    name = f"{MODULE}-{version()}-linux-{machine()}"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for file in files(build, under("")):
            entry = tarfile.TarInfo(name + file.target)
            entry.mode, entry.mtime = file.mode, time_of_sources()
            entry.size = file.source.stat().st_size
            with file.source.open("rb") as stream:
                tar.addfile(entry, stream)
    path = out / f"{name}.tar.gz"
    path.write_bytes(gzipped(buffer.getvalue()))
    return path


def needed(binaries: Iterable[pathlib.Path]) -> str:
    """The packages that have the shared libraries, by dpkg-shlibdeps."""
    with tempfile.TemporaryDirectory() as directory:
        control = pathlib.Path(directory, "debian", "control")
        control.parent.mkdir()
        control.write_text("Source: x\n\nPackage: x\nArchitecture: any\n")
        done = subprocess.run(
            ["dpkg-shlibdeps", "-O", *(f"-e{path}" for path in binaries)],
            cwd=directory,
            check=True,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    return done.stdout.strip().removeprefix("shlibs:Depends=")


def control(package: str, depends: str, kibibytes: int) -> str:
    lines = [line or "." for line in DESCRIPTIONS[package]]
    fields = {
        "Package": package,
        "Version": f"{version()}-1",
        "Section": "admin",
        "Priority": "optional",
        "Architecture": ARCHITECTURES[machine()],
        "Maintainer": MAINTAINER,
        "Installed-Size": str(kibibytes),
        "Depends": depends,
    }
    if package == MODULE:
        fields["Suggests"] = TOOL
    head = "".join(f"{name}: {value}\n" for name, value in fields.items())
    return f"{head}Description: {SUMMARIES[package]}\n" + "".join(f" {line}\n" for line in lines)


def debian_changelog(package: str) -> str:
    date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(time_of_sources()))
    entry = f"  * Release {version()}; see changelog.gz for what an operator has to know.\n"
    return (
        f"{package} ({version()}-1) unstable; urgency=medium\n\n{entry}\n -- {MAINTAINER}  {date}\n"
    )


COPYRIGHT = f"""Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: {MODULE}

Files: *
Copyright: 2026 The mesos-command-modules authors
License: Apache-2.0
 On Debian systems the text of this license is in /usr/share/common-licenses/Apache-2.0. What is
 linked of others is listed in /usr/share/doc/{MODULE}/docs/licences.md.
"""


def deb(package: str, build: pathlib.Path, out: pathlib.Path) -> pathlib.Path:
    """One of Debian's packages. It has no maintainer scripts: nothing is restarted, ever."""
    with tempfile.TemporaryDirectory() as directory:
        stage = pathlib.Path(directory)
        stage.chmod(0o755)
        wanted = [file for file in files(build, DEBIAN) if file.package == package]
        # Debian has the licence of its own, and the changelog under another name.
        wanted = [
            file for file in wanted if not file.target.endswith(("/LICENSE", "/CHANGELOG.md"))
        ]
        staging.install(wanted, stage)
        documents = staging.place(stage, f"{DEBIAN.documents}/{package}")
        documents.mkdir(parents=True, exist_ok=True)
        (documents / "copyright").write_text(COPYRIGHT)
        changes = {
            "changelog": (ROOT / "CHANGELOG.md").read_text(),
            "changelog.Debian": debian_changelog(package),
        }
        overrides = staging.place(stage, f"/usr/share/lintian/overrides/{package}")
        overrides.parent.mkdir(parents=True)
        overrides.write_text(OVERRIDE.format(package=package))
        for name in COMPRESSED:
            (documents / f"{name}.gz").write_bytes(gzipped(changes[name].encode()))
        for page in (stage / "usr/share/man").rglob("*.[1-9]"):
            page.with_name(f"{page.name}.gz").write_bytes(gzipped(page.read_bytes()))
            page.unlink()
        installed = sorted(path for path in stage.rglob("*") if path.is_file())
        binaries = [path for path in installed if path.read_bytes()[:4] == b"\x7fELF"]
        size = sum(-(-path.stat().st_size // 1024) for path in installed)
        about = stage / "DEBIAN"
        about.mkdir()
        sums = (f"{md5(path)}  {path.relative_to(stage)}\n" for path in installed)
        (about / "md5sums").write_text("".join(sums))
        depends = MODULE_DEPENDS if package == MODULE else needed(binaries)
        (about / "control").write_text(control(package, depends, size))
        settle(stage)
        path = out / f"{package}_{version()}-1_{ARCHITECTURES[machine()]}.deb"
        words = ["dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(stage), str(path)]
        epoch = {**os.environ, "SOURCE_DATE_EPOCH": str(time_of_sources())}
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env=epoch)
    return path


def md5(path: pathlib.Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def settle(stage: pathlib.Path) -> None:
    """Modes and times that do not depend on who makes the package, and when."""
    for path in [stage, *stage.rglob("*")]:
        if path.is_dir() or not os.access(path, os.X_OK):
            path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (time_of_sources(), time_of_sources()))


SPEC = """Name: {package}
Version: {version}
Release: 1
Summary: {summary}
License: ASL 2.0
%description
{description}
%install
cp -a {stage}/. %{{buildroot}}
%files
{files}
"""
# Nothing is done to the files, and nothing says when and where the package was made.
DEFINES = {
    "__os_install_post": "%{nil}",
    "debug_package": "%{nil}",
    "_build_id_links": "none",
    "_buildhost": "reproducible",
    "use_source_date_epoch_as_buildtime": "1",
    "clamp_mtime_to_source_date_epoch": "1",
}


def rpm(package: str, build: pathlib.Path, out: pathlib.Path) -> pathlib.Path:
    """A package for CentOS and its kin, whose module directory is another one."""
    with tempfile.TemporaryDirectory() as directory:
        scratch = pathlib.Path(directory)
        stage = scratch / "stage"
        wanted = [file for file in files(build, RPM) if file.package == package]
        staging.install(wanted, stage)
        settle(stage)
        spec = scratch / f"{package}.spec"
        text = SPEC.format(
            package=package,
            version=version(),
            summary=SUMMARIES[package],
            description="\n".join(DESCRIPTIONS[package]),
            stage=stage,
            files="\n".join(attribute(file) for file in wanted),
        )
        spec.write_text(text)
        defines = {**DEFINES, "_topdir": str(scratch / "top")}
        words = [word for pair in defines.items() for word in ("--define", " ".join(pair))]
        epoch = {**os.environ, "SOURCE_DATE_EPOCH": str(time_of_sources())}
        subprocess.run(["rpmbuild", "-bb", "--quiet", *words, str(spec)], check=True, env=epoch)
        made = next((scratch / "top/RPMS").rglob("*.rpm"))
        path = out / made.name
        shutil.copyfile(made, path)
    return path


def attribute(file: File) -> str:
    return f'%attr({file.mode:o}, root, root) "{file.target}"'
