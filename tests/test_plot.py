"""The picture of docs/performance.md."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "benches"))

import plot

TEXT = """| one | 9 x | earlier |
## What was found
| work | found |
| one trivial call | 1.11 (1.25) x bare |
| cached usage | 5.0 million/s, 0.89 x a constant |
"""


class Picture(unittest.TestCase):
    def test_it_is_what_the_table_says(self) -> None:
        self.assertEqual(plot.PICTURE.read_text(), plot.draw(plot.TABLE.read_text()))

    def test_numbers_are_those_of_the_column(self) -> None:
        self.assertEqual(plot.found(TEXT, plot.Bar("one trivial", 0, "")), 1.11)
        self.assertEqual(plot.found(TEXT, plot.Bar("cached", 1, "")), 0.89)
        with self.assertRaises(LookupError):
            plot.found(TEXT, plot.Bar("two", 0, ""))


if __name__ == "__main__":
    unittest.main()
