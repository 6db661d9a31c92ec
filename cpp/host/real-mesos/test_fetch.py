"""Tests of the fetching scripts: python3 -m unittest discover cpp/host/real-mesos.

They need gcc and binutils, no network and no libmesos: a small library plays its part.
"""

import contextlib
import io
import subprocess
import sys
import tarfile
import tempfile
import types
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parent))

import download
import fetch
import releases
import stubs
import system

NEEDS = """
Version needs section '.gnu.version_r' contains 2 entries:
  000000: Version: 1  File: libcrypto.so.1.0.0  Cnt: 2
  0x0010:   Name: OPENSSL_1.0.2  Flags: none  Version: 21
  0x0020:   Name: OPENSSL_1.0.0  Flags: none  Version: 9
  0x0030: Version: 1  File: libc.so.6  Cnt: 1
  0x0040:   Name: GLIBC_2.2.5  Flags: none  Version: 2
"""
SYMBOLS = """
     1: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND HMAC@OPENSSL_1.0.0 (9)
     2: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND malloc@GLIBC_2.2.5 (2)
     3: 0000000000000000     0 NOTYPE  GLOBAL DEFAULT  UND _Py_NoneStruct
     4: 0000000000000000     0 NOTYPE  GLOBAL DEFAULT  UND PyList_New
     5: 0000000000000000     0 NOTYPE  WEAK   DEFAULT  UND __gmon_start__
     6: 0000000000001000     0 FUNC    GLOBAL DEFAULT   12 PyInit_mine
     7: 0000000000000000     0 NOTYPE  GLOBAL DEFAULT  UND bufferevent_openssl_get_ssl
     8: 0000000000000000     0 NOTYPE  GLOBAL DEFAULT  UND bufferevent_get_openssl_error
     9: 0000000000000000     0 NOTYPE  GLOBAL DEFAULT  UND bufferevent_free
"""
# One symbol for each of the replaced libraries, in each of their versions.
OLD: dict[str, stubs.Versions] = {
    "libssl.so.1.0.0": {"OPENSSL_1.0.0": ["SSL_new"], "OPENSSL_1.0.2": ["SSL_get0_param"]},
    "libcrypto.so.1.0.0": {"OPENSSL_1.0.0": ["HMAC"]},
    "libcurl.so.4": {"CURL_OPENSSL_3": ["curl_global_init", "curl_easy_init"]},
}


def compile_library(path: Path, code: str, *flags: str) -> None:
    """Compiles a shared library from C text."""
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-o", str(path), "-x", "c", "-", "-x", "none", *flags],
        input=code,
        text=True,
        check=True,
    )


class Parsing(unittest.TestCase):
    def test_symbols_are_sorted_by_library_and_version(self) -> None:
        wanted = stubs.parse_symbols(SYMBOLS, stubs.parse_needs(NEEDS))
        self.assertEqual(
            wanted,
            {
                "libcrypto.so.1.0.0": {"OPENSSL_1.0.0": ["HMAC"]},
                stubs.PYTHON: {None: ["PyList_New", "_Py_NoneStruct"]},
                stubs.EVENT_TLS: {
                    None: ["bufferevent_get_openssl_error", "bufferevent_openssl_get_ssl"]
                },
            },
        )

    def test_libevent_is_wanted_of_the_oldest_release(self) -> None:
        self.assertIn("libevent-2.1.so.7", system.wanted(["1.8.0", "1.7.3"]))
        self.assertNotIn("libevent-2.1.so.7", system.wanted(["1.8.0"]))

    def test_data_is_told_from_functions(self) -> None:
        text = stubs.source(["_Py_NoneStruct", "PyExc_TypeError", "PyType_Ready"])
        self.assertIn("char _Py_NoneStruct[4096]", text)
        self.assertIn("char PyExc_TypeError[4096]", text)
        self.assertIn("long PyType_Ready(void)", text)

    def test_versions_follow_one_another(self) -> None:
        script = stubs.version_script({"V_1.1": ["b"], "V_1.0": ["a"]})
        self.assertLess(script.index("V_1.0 {"), script.index("V_1.1 {"))
        self.assertIn("} V_1.0;", script)
        self.assertEqual(stubs.version_script({None: ["a"]}), "")


class Fetching(unittest.TestCase):
    """Everything but the network, with a release whose library was compiled a moment ago."""

    def setUp(self) -> None:
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.root = Path(place.name).resolve()
        self.archives = self.root / "archives"
        self.archives.mkdir()
        self.library = self.root / "_scheduler.so"
        self.compile_library()
        self.release = releases.Release("9.9.9", self.root / "mesos")
        archive = self.archives / self.release.archive_name
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(self.library, "./usr/lib/mesos/scheduler/_scheduler.so")
        pins = mock.patch.dict(releases.SHA256, {"9.9.9": download.digest(archive)})
        pins.start()
        self.addCleanup(pins.stop)
        ensure = mock.patch.object(system, "ensure")
        ensure.start()
        self.addCleanup(ensure.stop)

    def compile_library(self) -> None:
        """A library with undefined symbols in all the libraries that stubs replace."""
        old = self.root / "old"
        old.mkdir()
        uses, flags = ["extern char _Py_NoneStruct[]; void PyList_New(void);"], []
        for soname, versions in OLD.items():
            stubs.build(soname, versions, old)
            flags.append(str(old / soname))
            for names in versions.values():
                uses += [f"void {name}(void);" for name in names]
        calls = [
            f"{name}();"
            for versions in OLD.values()
            for names in versions.values()
            for name in names
        ]
        calls.append("PyList_New(); return _Py_NoneStruct;")
        compile_library(
            self.library,
            "\n".join(uses) + "\nvoid* use(void){" + "".join(calls) + "}",
            "-Wl,-z,lazy",
            *flags,
        )

    def run_fetch(self, *words: str) -> tuple[int, str]:
        errors, output = io.StringIO(), io.StringIO()
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(output):
            code = fetch.main(["--root", str(self.release.root), *words])
        return code, output.getvalue() + errors.getvalue()

    def test_a_library_is_made_that_the_loader_accepts(self) -> None:
        code, said = self.run_fetch("--archives", str(self.archives), "9.9.9")
        self.assertEqual(code, 0, said)
        load = (
            "import ctypes,glob,os,sys\n"
            "for path in [p for p in glob.glob(sys.argv[1] + '/stubs/*.so*')\n"
            "             if not p.endswith(('.c', '.map'))] + [sys.argv[1] + '/libmesos.so']:\n"
            "    library = ctypes.CDLL(path, mode=os.RTLD_NOW | os.RTLD_GLOBAL)\n"
            "print(library.curl_global_init())\n"
            "sys.stdout.flush()\n"
            "library.SSL_new()\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", load, str(self.release.directory)],
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.stdout, "0\n", done.stderr)
        self.assertIn("SSL_new: only a stub", done.stderr)
        self.assertEqual(done.returncode, -6, "a stub that is called aborts")

    def test_a_second_run_does_nothing_and_a_broken_one_is_repaired(self) -> None:
        arguments = ["--archives", str(self.archives), "9.9.9"]
        self.assertIn("made", self.run_fetch(*arguments)[1])
        self.assertIn("present", self.run_fetch(*arguments)[1])
        self.release.marker.write_text("from an older layout\n")
        self.assertIn("made", self.run_fetch(*arguments)[1])

    def test_a_wrong_archive_is_refused(self) -> None:
        (self.archives / self.release.archive_name).write_bytes(b"something else")
        code, said = self.run_fetch("--archives", str(self.archives), "9.9.9")
        self.assertEqual(code, 1)
        self.assertIn("expected " + self.release.sha256, said)
        self.assertFalse(self.release.marker.exists())

    def test_an_unknown_release_is_a_usage_error(self) -> None:
        code, said = self.run_fetch("0.0.1")
        self.assertEqual(code, 2)
        self.assertIn("1.11.0", said)

    def test_no_answer_from_pypi_has_its_own_exit_code(self) -> None:
        failed = types.SimpleNamespace(returncode=1, stderr="a\nERROR: no network\n", stdout="")
        with mock.patch("download.subprocess.run", return_value=failed):
            code, said = self.run_fetch("9.9.9")
        self.assertEqual(code, 3)
        self.assertIn("no network", said)


class Receiving(unittest.TestCase):
    """Resuming a download."""

    def receive(self, status: int, have: bytes) -> tuple[bytes, dict[str, str]]:
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        partial = Path(place.name) / "part"
        partial.write_bytes(have)
        answer = mock.MagicMock(status_code=status)
        answer.iter_content.return_value = [b"de", b"f"]
        session = mock.MagicMock()
        session.get.return_value.__enter__.return_value = answer
        download.receive(session, "address", partial)
        return partial.read_bytes(), session.get.call_args.kwargs["headers"]

    def test_the_missing_part_is_asked_for_and_appended(self) -> None:
        self.assertEqual(self.receive(206, b"abc"), (b"abcdef", {"Range": "bytes=3-"}))

    def test_a_server_that_sends_everything_is_believed(self) -> None:
        self.assertEqual(self.receive(200, b"abc")[0], b"def")

    def test_nothing_left_to_send_is_no_error(self) -> None:
        self.assertEqual(self.receive(416, b"abc")[0], b"abc")


class SystemLibraries(unittest.TestCase):
    def test_without_root_the_packages_are_named(self) -> None:
        with (
            mock.patch.object(system, "absent", return_value=["libapr1", "libsvn1"]),
            mock.patch("os.geteuid", return_value=1000),
            self.assertRaises(releases.Missing) as caught,
        ):
            system.ensure()
        self.assertEqual(caught.exception.code, 4)
        self.assertIn("apt-get install libapr1 libsvn1", str(caught.exception))


if __name__ == "__main__":
    unittest.main()
