"""The catalogue of faults."""

import unittest

import catalogue

TABLE = f"""{catalogue.BEGIN}
| case | fault | test | guarantee |
|---|---|---|---|
| 1 | one | `tests/runner/tree.rs::a_stopped_tree_can_be_ended` | G1 |
| 2 | two | none: it cannot be played here | G2 |
{catalogue.END}
"""


class Catalogue(unittest.TestCase):
    def test_rows_have_tests_or_a_reason(self) -> None:
        one, two = catalogue.read(TABLE)
        self.assertEqual(one.tests, ["tests/runner/tree.rs::a_stopped_tree_can_be_ended"])
        self.assertEqual((two.tests, two.reason), ([], "it cannot be played here"))

    def test_what_is_missing_is_named(self) -> None:
        wrong = catalogue.problems(catalogue.read(TABLE.replace("a_stopped", "no_such")))
        self.assertIn("case 3 has 0 rows", wrong)
        self.assertTrue(any("no_such" in line for line in wrong), wrong)
        self.assertIn(f"1 cases have a test, fewer than {catalogue.LEAST}", wrong)

    def test_the_page_is_whole(self) -> None:
        self.assertEqual(len(catalogue.read(catalogue.PAGE.read_text())), catalogue.CASES)


if __name__ == "__main__":
    unittest.main()
