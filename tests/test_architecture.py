"""What architecture.py finds wrong with a repository. Played by `make unit`."""

import pathlib
import tempfile
import unittest

import architecture
from architecture import Arrow

ENGINE = """//! use crate::above
use crate::{low, other::{self, Thing}};
fn a() { crate::third::b(); }
#[cfg(test)]
pub(crate) use crate::hidden::tests::X;
#[cfg(test)]
mod beside;
#[cfg(test)]
mod tests {
    use crate::hidden;
    fn b() {
    }
}
use crate::last;
"""
TABLE = """<!-- imports:begin -->
| folder | uses |
|---|---|
{rows}
<!-- imports:end -->
"""


class Repository(unittest.TestCase):
    """A small one."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def engine(self) -> dict[Arrow, list[str]]:
        self.write("src/high/mod.rs", ENGINE)
        self.write("src/high/beside.rs", "use crate::hidden;\n")
        for name in ("low", "other", "third", "hidden", "last", "above"):
            self.write(f"src/{name}.rs", "use std::io;\n")
        self.write(
            "src/cli/main.rs",
            "use crate::own;\nuse mesos_command::{\n    high,\n"
            "    low::{A, B},\n};\nuse load_generator::Load;\n",
        )
        self.write("src/load/lib.rs", "use crate::high;\nuse mesos_command::low;\n")
        return architecture.arrows(self.root)

    def test_arrows_are_those_of_code_without_tests(self) -> None:
        found = self.engine()
        self.assertEqual(
            sorted(found),
            [
                Arrow("high", "last"),
                Arrow("high", "low"),
                Arrow("high", "other"),
                Arrow("high", "third"),
                Arrow("src/cli", "high"),
                Arrow("src/cli", "low"),
                Arrow("src/cli", "src/load"),
                Arrow("src/load", "low"),
            ],
        )

    def problems(self, rows: list[str]) -> list[str]:
        text = TABLE.format(rows="\n".join(rows))
        return architecture.import_problems(architecture.table(text) or {}, self.engine())

    def test_the_table_is_held_to_the_code_and_to_its_order(self) -> None:
        low = [f"| `{name}` | |" for name in ("low", "other", "third", "last")]
        high = "| `high` | `low`, `other`, `third`, `last` |"
        load = "| `src/load` | `low` |"
        tool = "| `src/cli` | `high`, `low`, `src/load` |"
        self.assertEqual(self.problems([*low, high, load, tool]), [])
        for rows, words in [
            ([*low, high, load], "no row for src/cli"),
            ([*low, "| `high` | `low`, `other`, `third` |", load, tool], "high must not use last"),
            ([*low, "| `third` | `low` |", high, load, tool], "third does not use low any more"),
            ([low[0], *low[2:], high, low[1], load, tool], "other, whose row must stand above"),
        ]:
            found = self.problems(rows)
            self.assertEqual(len(found), 1, found)
            self.assertIn(words, found[0])

    def test_what_the_library_links_is_no_programs(self) -> None:
        module = {architecture.MODULE, "libc", "cxx"}
        self.assertEqual(architecture.link_problems(module), [])
        self.assertEqual(len(architecture.link_problems(module | {"clap", "anyhow"})), 2)
        self.assertEqual(len(architecture.link_problems({"libc"})), 1)

    def test_every_program_of_tests_is_in_a_package(self) -> None:
        self.write(
            "tests/Cargo.toml", '[[test]]\npath = "one.rs"\n[[test]]\npath = "two/main.rs"\n'
        )
        self.write("src/cli/Cargo.toml", '[[test]]\npath = "../../tests/tool/main.rs"\n')
        for path in ("one.rs", "two/main.rs", "two/part.rs", "tool/main.rs"):
            self.write(f"tests/{path}", "")
        self.assertEqual(architecture.forgotten_tests(self.root), [])
        self.write("tests/three.rs", "")
        self.write("tests/four/main.rs", "")
        self.assertEqual(len(architecture.forgotten_tests(self.root)), 2)

    def test_threads_are_known_to_both(self) -> None:
        self.write("src/a.rs", 'start("mcmd-one");\n// "mcmd-no"\n')
        self.assertEqual(architecture.thread_problems(self.root, "`mcmd-one-0`"), [])
        self.assertEqual(len(architecture.thread_problems(self.root, "`mcmd-two`")), 2)

    def test_names_of_the_page_are_in_the_code(self) -> None:
        self.write("src/a.rs", "impl Run { fn start() {} }\n")
        self.assertEqual(
            architecture.name_problems(self.root, {"p": "`Run::start`, `a b`, `x/y`"}), []
        )
        self.assertEqual(len(architecture.name_problems(self.root, {"p": "`Run::stop`"})), 1)

    def test_long_functions_and_files_are_found(self) -> None:
        body = "    x();\n"
        self.write("src/a.rs", f"pub(in crate::b) fn long() {{\n{body * 59}}}\n")
        self.write("src/b.rs", f"fn short() {{\n{body * 58}}}\n")
        self.write("src/c.py", "#\n" * 401)
        self.write("src/d.rs", "//\n" * 400)
        self.assertEqual(
            list(architecture.long_things(self.root)),
            [
                "src/a.rs:1: long has 61 lines, more than 60",
                "src/c.py has 401 lines, more than 400",
            ],
        )


if __name__ == "__main__":
    unittest.main()
