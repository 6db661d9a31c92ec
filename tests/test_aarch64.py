"""The parts of aarch64.py and of its guest that need neither compiler nor emulator. `make unit`."""

import contextlib
import io
import pathlib
import stat
import tempfile
import unittest
from unittest import mock

import aarch64
import aarch64_guest


def unpacked(archive: bytes) -> dict[str, tuple[int, bytes]]:
    """Mode and content of each file of an archive, by its name."""
    found, at = {}, 0
    while at < len(archive):
        magic, head = archive[at : at + 6], archive[at + 6 : at + 110]
        assert magic == b"070701", magic
        fields = [int(head[place : place + 8], 16) for place in range(0, 104, 8)]
        begin = at + 110
        name = archive[begin : begin + fields[11] - 1].decode()
        begin = (begin + fields[11] + 3) // 4 * 4
        found[name] = fields[1], archive[begin : begin + fields[6]]
        at = (begin + fields[6] + 3) // 4 * 4
    return found


class Archive(unittest.TestCase):
    """The guest's files."""

    def test_files_links_and_the_directories_before_them(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            place = pathlib.Path(name)
            (place / "program").write_bytes(b"abcde")
            (place / "program").chmod(0o755)
            (place / "link").symlink_to("program")
            files = {"usr/bin/p": place / "program", "usr/bin/q": place / "link"}
            archive = b"".join(aarch64_guest.entries(files))
        self.assertEqual(
            unpacked(archive),
            {
                "usr": (stat.S_IFDIR | 0o755, b""),
                "usr/bin": (stat.S_IFDIR | 0o755, b""),
                "usr/bin/p": (stat.S_IFREG | 0o755, b"abcde"),
                "usr/bin/q": (stat.S_IFLNK | 0o777, b"program"),
            },
        )

    def test_a_link_to_a_directory_is_no_directory(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            (root / "usr/bin").mkdir(parents=True)
            (root / "bin").symlink_to("usr/bin")
            found = unpacked(b"".join(aarch64_guest.entries(aarch64_guest.tree(root))))
        self.assertEqual(found["bin"], (stat.S_IFLNK | 0o777, b"usr/bin"))


class LeavingOut(unittest.TestCase):
    """Tests that an emulator cannot play."""

    def options(self, table: dict[str, list[str]]) -> tuple[list[str], int, str]:
        names = ["sys::spawn::one", "sys::spawn::two", "cache::three"]
        output = io.StringIO()
        with (
            mock.patch.object(aarch64, "listed", return_value=names),
            contextlib.redirect_stdout(output),
        ):
            options, count = aarch64.left_out("user", "units", pathlib.Path("p"), table)
        return options, count, output.getvalue()

    def test_each_is_told_with_its_reason(self) -> None:
        table = {"no pidfds": ["units sys::spawn", "codec other"]}
        options, count, output = self.options(table)
        self.assertEqual((options, count), (["--skip", "sys::spawn"], 2))
        self.assertEqual(output, "LEFT OUT user units sys::spawn (2): no pidfds\n")

    def test_one_that_does_not_exist_is_no_reason(self) -> None:
        with self.assertRaisesRegex(aarch64.Missing, "'sys::gone'"):
            self.options({"why": ["units sys::gone"]})


class Table(unittest.TestCase):
    """The end of the output."""

    def report(self, *rows: aarch64.Row) -> bool:
        with contextlib.redirect_stdout(io.StringIO()):
            return aarch64.report(list(rows))

    def test_what_played_nothing_has_failed(self) -> None:
        good = aarch64.Row("user", "units", 5, 0, 2, 0)
        self.assertTrue(self.report(good))
        self.assertFalse(self.report(good, good._replace(passed=0)))
        self.assertFalse(self.report(good._replace(failed=1)))
        self.assertFalse(self.report(good._replace(status=101)))


class Check(unittest.TestCase):
    """What `make test` plays."""

    def test_a_missing_compiler_is_told(self) -> None:
        output = io.StringIO()
        with (
            mock.patch("shutil.which", return_value=None),
            contextlib.redirect_stdout(output),
        ):
            self.assertEqual(aarch64.check(), 0)
        self.assertRegex(output.getvalue(), r"^SKIPPED aarch64: .*g\+\+-aarch64-linux-gnu")


if __name__ == "__main__":
    unittest.main()
