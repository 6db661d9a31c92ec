"""The reading of licence expressions."""

import unittest

import licences


class Expressions(unittest.TestCase):
    def test_one_choice_is_enough_and_all_of_what_is_joined_is_needed(self) -> None:
        for accepted in [
            "MIT",
            "GPL-3.0 OR MIT",
            "MIT/Apache-2.0",
            "Apache-2.0 / MIT",
            "MIT or Apache-2.0",
            "MIT AND Apache-2.0",
            "(MIT OR GPL-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
        ]:
            self.assertTrue(licences.is_accepted(accepted), accepted)
        for refused in ["", "none", "GPL-3.0", "MIT AND GPL-3.0", "(GPL-2.0 OR MPL-2.0) AND MIT"]:
            self.assertFalse(licences.is_accepted(refused), refused)

    def test_a_package_under_another_licence_is_named(self) -> None:
        table = ["|a|b|c|", "|---|---|---|", "| good | MIT | tool |", "| bad | GPL-3.0 | library |"]
        self.assertEqual(licences.refused(table), ["bad has the licence GPL-3.0"])


if __name__ == "__main__":
    unittest.main()
