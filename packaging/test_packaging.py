"""What is installed where, how, and what the packages say; without building anything."""

import contextlib
import io
import os
import pathlib
import tarfile
import tempfile
import unittest
from unittest import mock

import archives
import layout
import proof
import sbom

import staging


class Scratch(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)
        self.build = self.root / "build"
        self.build.mkdir()
        for name in (layout.LIBRARY, layout.TOOL):
            (self.build / name).write_bytes(b"first")
        own = self.build / layout.GENERATED
        own.mkdir()
        for name in ("mesos-command.1", "bash", "zsh", "fish"):
            (own / name).write_bytes(b"generated")


class Installing(Scratch):
    def test_everything_lies_where_the_hosts_look(self) -> None:
        targets = {file.target: file for file in layout.files(self.build, layout.DEBIAN)}
        library = targets[f"/usr/lib/mesos/modules/{layout.LIBRARY}"]
        self.assertEqual((library.package, library.mode), (layout.MODULE, 0o644))
        self.assertEqual(targets["/usr/bin/mesos-command"].mode, 0o755)
        self.assertIn("/usr/share/man/man7/mesos-command-modules.7", targets)
        self.assertEqual(targets["/usr/share/man/man1/mesos-command.1"].package, layout.TOOL)
        self.assertIn("/usr/share/zsh/vendor-completions/_mesos-command", targets)
        example = targets["/usr/share/doc/mesos-command-modules/examples/usage.sh"]
        self.assertEqual(example.mode, 0o755)
        rpm = {file.target for file in layout.files(self.build, layout.RPM)}
        self.assertIn(f"/usr/lib64/mesos/modules/{layout.LIBRARY}", rpm)

    def test_a_mapped_library_is_never_written_to(self) -> None:
        destination = self.root / "host"
        wanted = layout.files(self.build, layout.DEBIAN)
        staging.install(wanted, destination)
        path = staging.place(destination, f"{layout.DEBIAN.modules}/{layout.LIBRARY}")
        with path.open("rb") as mapped:
            (self.build / layout.LIBRARY).write_bytes(b"second")
            staging.install(wanted, destination)
            self.assertEqual(mapped.read(), b"first")
        self.assertEqual(path.read_bytes(), b"second")
        self.assertEqual(sorted(it.name for it in path.parent.iterdir()), [layout.LIBRARY])

    def test_what_was_installed_is_removed_and_nothing_else(self) -> None:
        destination = self.root / "host"
        wanted = layout.files(self.build, layout.DEBIAN)
        installed = staging.install(wanted, destination)
        foreign = staging.place(destination, "/usr/lib/mesos/modules/libother.so")
        foreign.write_bytes(b"another's")
        self.assertEqual(staging.uninstall(wanted, destination), installed)
        left = [path for path in destination.rglob("*") if path.is_file()]
        self.assertEqual(left, [foreign])
        self.assertEqual(staging.uninstall(wanted, destination), [])

    def test_a_source_that_is_missing_leaves_no_new_file(self) -> None:
        gone = layout.File(layout.TOOL, self.build / "gone", "/bin/gone", 0o755)
        with self.assertRaises(OSError):
            staging.install([gone], self.root / "host")
        self.assertEqual(list((self.root / "host/bin").iterdir()), [])


class Packages(Scratch):
    def test_a_tarball_is_the_same_bytes_each_time(self) -> None:
        first = archives.tarball(self.build, self.root).read_bytes()
        os.utime(self.build / layout.LIBRARY, (1, 1))
        path = archives.tarball(self.build, self.root)
        self.assertEqual(path.read_bytes(), first)
        with tarfile.open(path) as tar:
            member = tar.getmember(f"{path.name[:-7]}/lib/mesos/modules/{layout.LIBRARY}")
        self.assertEqual((member.mode, member.uid, member.gid), (0o644, 0, 0))

    def test_a_control_file_has_one_line_for_each_of_the_description(self) -> None:
        text = archives.control(layout.MODULE, "libc6 (>= 2.17)", 4096)
        self.assertIn("\nDepends: libc6 (>= 2.17)\nSuggests: mesos-command\n", text)
        _, description = text.split("Description: ")
        lines = description.splitlines()
        self.assertEqual(lines[0], layout.SUMMARIES[layout.MODULE])
        self.assertTrue(all(line.startswith(" ") and line.strip() for line in lines[1:]))

    def test_the_bill_of_materials_names_each_package_once(self) -> None:
        document = sbom.document()
        references = [component["bom-ref"] for component in document["components"]]
        self.assertEqual(len(references), len(set(references)))
        library = next(it for it in document["dependencies"] if it["ref"] == layout.MODULE)
        names = {
            reference.removeprefix("pkg:cargo/").split("@")[0] for reference in library["dependsOn"]
        }
        self.assertLessEqual({"tokio", "dashmap", "cxx"}, names)
        self.assertNotIn("clap", names)
        self.assertEqual(document, sbom.document())


class Proving(Scratch):
    """How two builds are compared; the builds themselves take too long for a unit test."""

    def same(self, *libraries: bytes) -> pathlib.Path:
        contents = iter(libraries)

        def clone(work: pathlib.Path, name: str) -> pathlib.Path:
            (work / name).mkdir()
            return work / name

        def packages(_source: pathlib.Path, out: pathlib.Path) -> dict[str, str]:
            binaries = out / "binaries"
            binaries.mkdir(parents=True)
            library = next(contents)
            (binaries / layout.LIBRARY).write_bytes(library)
            (binaries / layout.TOOL).write_bytes(b"tool")
            return {"one.deb": library.decode(), "other.deb": "alike"}

        with (
            mock.patch.object(proof, "clone", clone),
            mock.patch.object(proof, "packages", packages),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            return proof.same(self.root)

    def test_two_builds_that_are_the_same_are_taken(self) -> None:
        self.assertEqual(self.same(b"a", b"a"), self.root / "one")

    def test_what_differs_is_named_with_the_file_that_it_comes_from(self) -> None:
        with self.assertRaises(proof.Wrong) as caught:
            self.same(b"a", b"b")
        told = str(caught.exception)
        self.assertIn("one.deb", told)
        self.assertIn(layout.LIBRARY, told)
        self.assertNotIn("other.deb", told)

    def test_packages_are_kept_from_the_next_build(self) -> None:
        (self.build / "one.deb").write_bytes(b"first")
        proof.keep(self.build, self.root / "first")
        (self.build / "one.deb").write_bytes(b"second")
        self.assertEqual((self.root / "first/one.deb").read_bytes(), b"first")


if __name__ == "__main__":
    unittest.main()
