"""What the checks of dependencies say when something cannot be had."""

import contextlib
import io
import os
import sys
import unittest
from unittest import mock

import deps


def played(*options: str, **environment: str) -> tuple[int, str]:
    """The exit status and the output of a run whose database cannot be had."""
    output = io.StringIO()
    missing = mock.patch.object(deps, "advisories", side_effect=deps.Unavailable("no network"))
    words = mock.patch.object(sys, "argv", ["deps.py", *options])
    with (
        missing,
        words,
        mock.patch.dict(os.environ, environment),
        contextlib.redirect_stdout(output),
    ):
        return deps.main(), output.getvalue()


class Missing(unittest.TestCase):
    def test_a_check_that_cannot_be_made_fails_unless_that_is_allowed(self) -> None:
        status, text = played("advisories", ALLOW_OFFLINE="", ALLOW_SKIPS="")
        self.assertEqual(status, 3, text)
        self.assertIn("FAILED: no network", text)
        status, text = played("advisories", ALLOW_OFFLINE="1")
        self.assertEqual(status, 0, text)
        self.assertIn("SKIPPED advisories of the dependencies: no network\n", text)

    def test_what_is_found_beside_it_is_no_skip(self) -> None:
        with mock.patch.object(deps, "deny", return_value=False):
            status, text = played("bans", "advisories", ALLOW_OFFLINE="1")
        self.assertEqual(status, 1, text)


if __name__ == "__main__":
    unittest.main()
