#!/usr/bin/env python3
"""Reads a page of HTML on standard input and says what is wrong with it.

    parsed.py --style status.css <page.html

Looked for: tags that are not closed, markup or addresses that the page is not to have, landmarks,
heads of tables, names that are used twice, links that lead nowhere, and colours of text that can
hardly be told from their ground, by day and by night. Exit status: 0 nothing; 1 something.
"""

import argparse
import html.parser
import pathlib
import re
import sys

VOID = {"meta", "link", "br"}
ELEMENTS = VOID | {
    *("html", "head", "title", "body", "header", "nav", "main", "section", "footer"),
    *("h1", "h2", "h3", "p", "a", "ul", "li", "dl", "div", "dt", "dd", "pre", "strong", "code"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {
    *("lang", "charset", "name", "content", "http-equiv", "rel", "href", "class", "id", "role"),
    *("aria-label", "aria-labelledby", "tabindex", "scope"),
}
# Text and its ground, by the names of their colours.
PAIRS = [
    ("text", "ground"),
    ("quiet", "ground"),
    ("link", "ground"),
    ("bad", "ground"),
    ("text", "head"),
]
# Below this a part of a colour is proportional to its light.
LINEAR = 0.04045
# WCAG 2.2, 1.4.3: level AA, for text of any size.
CONTRAST = 4.5


class Page(html.parser.HTMLParser):
    """A page while it is read, and what was found."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.open: list[str] = []
        self.count: dict[str, int] = {}
        self.ids: list[str] = []
        self.links: list[str] = []
        self.named: list[str] = []
        self.heads = 0
        self.cells: list[str] = []
        self.level = 0

    def say(self, text: str) -> None:
        self.found.append(f"line {self.getpos()[0]}: {text}")

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in ELEMENTS:
            self.say(f"there is to be no <{tag}>")
        own = dict(attributes)
        for name, value in attributes:
            if name not in ATTRIBUTES:
                self.say(f"<{tag}> is to have no {name}={value!r}")
        self.count[tag] = self.count.get(tag, 0) + 1
        if identifier := own.get("id"):
            self.ids.append(identifier)
        self.links += [own["href"] or ""] if "href" in own else []
        self.named += (own.get("aria-labelledby") or "").split()
        if tag[0] == "h" and tag[1:].isdigit():
            if int(tag[1:]) > self.level + 1:
                self.say(f"<{tag}> stands below a level that is missing")
            self.level = int(tag[1:])
        if tag in {"section", "nav"} and not (own.get("aria-labelledby") or own.get("aria-label")):
            self.say(f"<{tag}> has no name")
        self.in_table(tag, own)
        if tag not in VOID:
            self.open.append(tag)

    def in_table(self, tag: str, own: dict[str, str | None]) -> None:
        if tag == "table":
            self.heads = 0
        elif tag == "tr":
            self.cells = []
        elif tag in {"th", "td"}:
            is_head = "thead" in self.open
            self.heads += is_head
            if tag == "th" and own.get("scope") != ("col" if is_head else "row"):
                self.say("a <th> does not say of what it is the head")
            if not is_head and not self.cells and tag != "th":
                self.say("a row has no head")
            self.cells.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.say(f"</{tag}> closes nothing")
        if tag == "tr" and len(self.cells) != self.heads:
            self.say(f"a row has {len(self.cells)} cells, and its table {self.heads} heads")

    def handle_data(self, data: str) -> None:
        if odd := re.search(r"[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", data):
            self.say(f"a character that nobody sees: {odd[0]!r}")

    def end(self) -> None:
        self.close()
        if self.open:
            self.say(f"never closed: {', '.join(self.open)}")
        for tag in ["html", "title", "h1", "main", "header", "nav", "footer"]:
            if self.count.get(tag, 0) != 1:
                self.say(f"there are {self.count.get(tag, 0)} of <{tag}>, not 1")
        for identifier in self.ids:
            if self.ids.count(identifier) > 1:
                self.say(f"the name {identifier!r} is used twice")
        for link in self.links:
            if not re.fullmatch(r"#[a-z]+|/[a-z.]*(\?refresh=\d+)?", link):
                self.say(f"a link to elsewhere: {link!r}")
            if link.startswith("#") and link[1:] not in self.ids:
                self.say(f"a link to nothing: {link!r}")
        for name in self.named:
            if name not in self.ids:
                self.say(f"named by {name!r}, which there is not")


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2.2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= LINEAR else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(first: str, second: str) -> float:
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def pale(style: str) -> list[str]:
    """Pairs of colours that are too much alike."""
    found = []
    blocks = re.findall(r":root\s*\{([^}]*)\}", style)
    if len(blocks) != 2:
        return [f"there are {len(blocks)} sets of colours, not one for day and one for night"]
    for name, block in zip(("day", "night"), blocks, strict=True):
        colours = dict(re.findall(r"--([a-z]+):\s*(#[0-9a-f]{6})", block))
        for text, ground in PAIRS:
            ratio = contrast(colours[text], colours[ground])
            if ratio < CONTRAST:
                found.append(f"by {name}, {text} on {ground} has a contrast of {ratio:.2f}")
    if leak := re.search(r"url\(|@import|expression", style):
        found.append(f"the style loads something: {leak[0]!r}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--style", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    page = Page()
    page.feed(sys.stdin.read())
    page.end()
    found = page.found + pale(arguments.style.read_text())
    print("\n".join(found))
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
