#!/usr/bin/env python3
"""Looks at a page in a real, headless Chromium: as it is by day and by night.

    browser.py URL --words WORD ... [--pictures DIRECTORY] [--size 1200x900]

The page is read as the browser has understood it, has to have all of the words as text, and
nothing that a browser would run or load; then it is drawn in both colour schemes. Exit status: 0
all is well; 1 it is not; 3 there is no browser that runs, with a line that says why.
"""

import argparse
import html.parser
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

NO_BROWSER = 3
NAMES = ["chromium", "chromium-browser", "google-chrome-stable"]
# It runs as root in containers, without a graphics card and with a small /dev/shm.
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-extensions",
    "--disable-background-networking",
]
PATIENCE = 300
ACTIVE = {
    "script",
    "iframe",
    "img",
    "object",
    "embed",
    "form",
    "svg",
    "video",
    "base",
    "style",
    "b",
}
# Of a colour scheme: the flag, and the ground that the style gives it.
SCHEMES = {
    "light": (["--blink-settings=preferredColorScheme=1"], (255, 255, 255)),
    "dark": (["--blink-settings=preferredColorScheme=0"], (20, 22, 26)),
}


class Understood(html.parser.HTMLParser):
    """What the browser has made of the page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.active: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in ACTIVE or any(name.startswith("on") for name, _ in attributes):
            self.active.append(f"<{tag} {attributes}>")

    def handle_data(self, data: str) -> None:
        self.text += data + " "


class Browser:
    """A Chromium with a profile of its own."""

    def __init__(self, program: str, profile: str) -> None:
        self.program, self.profile = program, profile

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [self.program, *FLAGS, f"--user-data-dir={self.profile}", *words]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, check=False
        )


def ground(picture: bytes) -> tuple[int, int, int]:
    """The colour of the first pixel of a PNG: no filter changes that one."""
    at, data = 8, b""
    while at < len(picture):
        (length,) = struct.unpack(">I", picture[at : at + 4])
        if picture[at + 4 : at + 8] == b"IDAT":
            data += picture[at + 8 : at + 8 + length]
        at += 12 + length
    red, green, blue = zlib.decompress(data)[1:4]
    return red, green, blue


def look(browser: Browser, arguments: argparse.Namespace, place: pathlib.Path) -> list[str]:
    """What is wrong."""
    page = Understood()
    done = browser.run("--dump-dom", arguments.url)
    page.feed(done.stdout)
    found = [f"no {word!r} on the page" for word in arguments.words if word not in page.text]
    found += [f"the browser has found {what}" for what in page.active]
    for scheme, (flags, expected) in SCHEMES.items():
        picture = place / f"status-page-{scheme}.png"
        size = f"--window-size={arguments.size.replace('x', ',')}"
        browser.run(*flags, size, f"--screenshot={picture}", arguments.url)
        if not picture.exists():
            found.append(f"no picture was made of {scheme}")
        elif ground(picture.read_bytes()) != expected:
            found.append(f"{scheme} has the ground {ground(picture.read_bytes())}, not {expected}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--words", nargs="+", default=[])
    parser.add_argument("--pictures", type=pathlib.Path)
    parser.add_argument("--size", default="1200x900")
    arguments = parser.parse_args()
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        print(f"there is no {', '.join(NAMES)}")
        sys.exit(NO_BROWSER)
    with tempfile.TemporaryDirectory(prefix="pages-") as directory:
        browser = Browser(program, f"{directory}/profile")
        try:
            blank = browser.run("--dump-dom", "data:text/html,<p>it runs</p>")
        except (OSError, subprocess.TimeoutExpired) as error:
            print(f"{program} does not run: {error}")
            sys.exit(NO_BROWSER)
        if "it runs" not in blank.stdout:
            last = blank.stderr.strip().splitlines()[-1:] or ["it says nothing"]
            print(f"{program} does not run: {last[0]}")
            sys.exit(NO_BROWSER)
        found = look(browser, arguments, arguments.pictures or pathlib.Path(directory))
    print("\n".join(found))
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
