"""What the figures of the benches are held to. Played by `make unit`."""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "benches"))
import compare
import figures
from figures import Figure


class Names(unittest.TestCase):
    """bounds.json and what the benches print belong together."""

    def test_every_figure_of_the_list_is_printed(self) -> None:
        self.assertGreater(len(figures.bounds()), 40)

    def test_a_name_that_nothing_prints_is_found(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            benches = pathlib.Path(directory)
            (benches / "a.rs").write_text('figure!("spawn: a p50", "us")')
            self.assertEqual(figures.name_problems(["spawn: a p50"], benches), [])
            for name in ["spawn: a", "nowhere: a"]:
                self.assertIn("nothing prints it", figures.name_problems([name], benches)[0])

    def test_a_group_has_each_of_its_figures_once(self) -> None:
        listed = ["spawn: a", "spawn: b", "cache: c"]
        a, b = Figure("spawn: a", 1, "x"), Figure("spawn: b", 2, "x")
        figures.check("spawn", [a, b], listed)
        for found, words in [
            ([a], "b: has a place"),
            ([a, b, b], "b: was printed twice"),
            ([a, b, Figure("cache: c", 1, "x")], "c: is not in"),
            ([a, b, Figure("spawn: d", 1, "x")], "d: is not in"),
        ]:
            with self.assertRaises(figures.WrongFigures) as caught:
                figures.check("spawn", found, listed)
            self.assertIn(words, str(caught.exception))

    def test_lines_of_figures_are_read_and_others_are_not(self) -> None:
        text = 'a table\n{"figure": "spawn: a", "value": 2, "unit": "us"}\n{"group": "other"}\n'
        self.assertEqual(figures.read(text), [Figure("spawn: a", 2.0, "us")])


class Judging(unittest.TestCase):
    """Bounds, and the other commit's figures."""

    def test_bounds(self) -> None:
        cases: list[tuple[figures.Bound, float, float]] = [
            ({"most": 2}, 2.0, 2.1),
            ({"least": 2}, 2.0, 1.9),
            ({"instructions": 100, "slack": 0.03}, 103.0, 104.0),
            ({"instructions": 100, "slack": 0.03}, 97.0, 96.0),
        ]
        for bound, good, bad in cases:
            self.assertTrue(figures.judge(bound, good).within, bound)
            self.assertFalse(figures.judge(bound, bad).within, bound)
        self.assertTrue(figures.judge({}, 1e9).within)

    def test_worse_is_more_than_the_other_runs_differ(self) -> None:
        there = [100.0, 98.0, 102.0]
        cases: list[tuple[figures.Bound, float, str]] = [
            ({"most": 1}, 101.0, "as good"),
            ({"most": 1}, 103.0, "WORSE"),
            ({"most": 1}, 90.0, "better"),
            ({"least": 1}, 97.0, "WORSE"),
            ({"least": 1}, 110.0, "better"),
            ({}, 200.0, ""),
        ]
        for bound, here, word in cases:
            self.assertEqual(compare.verdict(bound, [here], there), word, (bound, here))


if __name__ == "__main__":
    unittest.main()
