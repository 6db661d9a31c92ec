"""What documents.py finds wrong with a repository. Played by `make unit`."""

import pathlib
import tempfile
import unittest

import documents

DOOR = """# Door

[one](docs/one.md) [two](docs/two.md#a-heading-of-two) `src/a.rs` `src/*.rs` `src/`
"""
ONE = """# One

For readers.

`two.md`
[door](../README.md#door) [here](#twice-1) [folder](../src/) [far](https://e/f#g) `[x](nowhere.md)`

```sh
# no heading
cat `src/nowhere.rs` [y](nowhere.md)
```

## Twice

## Twice
"""
TWO = "# Two\n\nFor others.\n\n## A `heading` of [two](two.md)!\n"


class Repository(unittest.TestCase):
    """A small one, in which all is well."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)
        for path, text in [
            ("README.md", DOOR),
            ("docs/one.md", ONE),
            ("docs/two.md", TWO),
            ("src/a.rs", ""),
            ("target/x.md", "[a](b.md)"),
            (".git/x.md", "[a](b.md)"),
        ]:
            self.write(path, text)

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def found(self) -> list[str]:
        return documents.problems(self.root)[1]

    def test_nothing_is_wrong_with_it(self) -> None:
        self.assertEqual(documents.problems(self.root), (3, []))

    def test_what_a_page_names_and_is_not_there_is_found(self) -> None:
        for text, words in [
            ("[x](nowhere.md)", "there is no docs/nowhere.md"),
            ("[x](../nowhere/)", "there is no nowhere"),
            ("[x](#nothing)", "docs/two.md has no heading #nothing"),
            ("[x](one.md#twice-2)", "docs/one.md has no heading #twice-2"),
            ("[x](one.md#no-heading)", "docs/one.md has no heading #no-heading"),
            ("[x](../src/a.rs#12)", "src/a.rs has no heading #12"),
            ("`src/b.rs`", "there is no src/b.rs"),
            ("`src/*.py`", "there is no src/*.py"),
            ("`three.md`", "there is no three.md"),
            ("`tests/nowhere.rs::x`", "tests/nowhere.rs"),
        ]:
            self.write("docs/two.md", f"{TWO}\n{text}\n")
            found = self.found()
            self.assertEqual(len(found), 1, (text, found))
            self.assertIn("docs/two.md:7: ", found[0])
            self.assertIn(words, found[0])

    def test_paths_may_begin_where_the_page_is(self) -> None:
        self.write("cpp/README.md", "`src/edge.rs` `src/<name>.rs` `srcs/x` `a/b`")
        self.write("cpp/src/edge.rs", "")
        self.write("README.md", DOOR + "[c](cpp/README.md)")
        self.assertEqual(self.found(), [])

    def test_every_page_can_be_reached(self) -> None:
        self.write("docs/three.md", "# Three\n\nFor nobody.\n")
        self.assertEqual(self.found(), ["docs/three.md cannot be reached from README.md"])
        self.write("docs/two.md", f"{TWO}\n[three](three.md)\n")
        self.assertEqual(self.found(), [])

    def test_pages_are_short_and_say_for_whom_they_are(self) -> None:
        self.write("docs/two.md", TWO + "\n" * 245)
        self.assertEqual(self.found(), [])
        self.write("docs/two.md", TWO + "\n" * 246)
        self.assertEqual(self.found(), ["docs/two.md has 251 lines, more than 250"])
        self.write("docs/two.md", TWO.replace("For others", "Others"))
        self.assertEqual(len(self.found()), 1)
        self.write("docs/two.md", TWO)
        self.write("README.md", DOOR + "\n" * 198)
        self.assertEqual(self.found(), ["README.md has 201 lines, more than 200"])


if __name__ == "__main__":
    unittest.main()
