#!/usr/bin/env python3
"""Holds the documents together, so that each can be followed to its end.

What fails, in every Markdown file of the repository:

* a relative link to a file that does not exist, or to a heading that the file does not have;
* a path of the repository in backquotes that does not exist (`src/lib.rs`, `tests/*.py`, any
  `x.md`, and `tests/x.rs::name` for a test; from the root, or from where the document is);
* a page that cannot be reached by links from README.md;
* a page of docs/ that does not begin with a sentence that says for whom it is ("For …");
* a page that is longer than it may be.

Links to other sites are not followed: that would need a network, and fail without a fault here.

Exit status: 0 it is so; 1 it is not.
"""

import collections
import os
import pathlib
import re
import sys
from collections.abc import Iterator
from typing import NamedTuple

import regressions
from architecture import PLACES

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOOR = "README.md"
# Lines that a page may have; those of others may have MOST.
MOST = 250
OTHERS = {
    DOOR: 200,
    # References, which are searched and not read from beginning to end.
    "ARCHITECTURE.md": 350,
    "CHANGELOG.md": 2000,
}
FOREIGN = {"target", "node_modules", "__pycache__"}
LINK = re.compile(r"\]\(([^)\s]+)\)")
QUOTED = re.compile(r"`([^`\s]+)`")
HEADING = re.compile(r"#{1,6} +(.*)")


class Line(NamedTuple):
    """A line of prose, with its number."""

    number: int
    text: str


class Document:
    """One Markdown file."""

    def __init__(self, root: pathlib.Path, path: pathlib.PurePath) -> None:
        self.path = path
        self.lines = (root / path).read_text().splitlines()
        self.prose = list(without_code(self.lines))
        self.anchors = set(anchors(self.prose))

    @property
    def name(self) -> str:
        return str(self.path)

    def links(self) -> Iterator[tuple[int, str]]:
        """The links to files and headings of the repository, as (line, link)."""
        for number, text in self.prose:
            # What stands in backquotes is no link.
            for link in LINK.findall(re.sub(r"`[^`]*`", "", text)):
                if ":" not in link:
                    yield number, link

    def target(self, link: str) -> str:
        """The file that a link leads to, from the root of the repository."""
        file = link.partition("#")[0]
        return os.path.normpath(self.path.parent / file) if file else self.name


def without_code(lines: list[str]) -> Iterator[Line]:
    """The lines outside of fenced blocks."""
    fence = ""
    for number, text in enumerate(lines, 1):
        mark = re.match(r" *(`{3,})", text)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1].startswith(fence):
            fence = ""
        elif not fence:
            yield Line(number, text)


def anchors(prose: list[Line]) -> Iterator[str]:
    """The names that links to headings have, as GitHub makes them."""
    seen: dict[str, int] = collections.Counter()
    for _, text in prose:
        if match := HEADING.match(text):
            heading = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", match[1])
            name = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
            yield f"{name}-{seen[name]}" if seen[name] else name
            seen[name] += 1


def documents(root: pathlib.Path) -> dict[str, Document]:
    """Every document of the repository, by its path."""
    found = {}
    for directory, below, names in os.walk(root):
        below[:] = [it for it in below if it not in FOREIGN and not it.startswith(".")]
        for name in names:
            if name.endswith(".md"):
                path = pathlib.Path(directory, name).relative_to(root)
                found[str(path)] = Document(root, path)
    return dict(sorted(found.items()))


def link_problems(root: pathlib.Path, pages: dict[str, Document]) -> Iterator[str]:
    """Links that lead nowhere."""
    for page in pages.values():
        for number, link in page.links():
            target, anchor = page.target(link), link.partition("#")[2]
            if not (root / target).exists():
                yield f"{page.name}:{number}: there is no {target}"
            elif anchor and anchor not in getattr(pages.get(target), "anchors", ()):
                yield f"{page.name}:{number}: {target} has no heading #{anchor}"


def path_problems(root: pathlib.Path, page: Document) -> Iterator[str]:
    """Paths in backquotes that are not there."""
    for number, text in page.prose:
        for word in QUOTED.findall(text):
            place, slash, _ = word.partition("/")
            is_path = (place in PLACES and slash) or word.endswith(".md")
            if not is_path or re.search(r"[<>{}$…]", word):
                continue
            if "::" in word or "#" in word:
                problem = regressions.problem(word)
                if problem:
                    yield f"{page.name}:{number}: {problem}"
            elif not any(there(base, word) for base in (root, root / page.path.parent)):
                yield f"{page.name}:{number}: there is no {word}"


def there(base: pathlib.Path, word: str) -> bool:
    """Whether a path, which may have wildcards, exists below a directory."""
    return any(base.glob(word.rstrip("/")))


def unreachable(pages: dict[str, Document]) -> list[str]:
    """The pages to which no links lead from the door."""
    reached, todo = set(), [DOOR]
    while todo:
        name = todo.pop()
        if name in reached or name not in pages:
            continue
        reached.add(name)
        page = pages[name]
        todo += [page.target(link) for _, link in page.links()]
    return [f"{name} cannot be reached from {DOOR}" for name in pages if name not in reached]


def form_problems(page: Document) -> Iterator[str]:
    """A page that is too long, or does not say for whom it is."""
    most = OTHERS.get(page.name, MOST)
    if len(page.lines) > most:
        yield f"{page.name} has {len(page.lines)} lines, more than {most}"
    begin = next((line for line in page.lines[1:] if line), "")
    if page.path.parent.name == "docs" and not begin.startswith("For "):
        yield f"{page.name} does not begin with a sentence that says for whom it is: For …"


def problems(root: pathlib.Path) -> tuple[int, list[str]]:
    """How many documents there are, and what is wrong with them."""
    pages = documents(root)
    wrong = [*link_problems(root, pages), *unreachable(pages)]
    for page in pages.values():
        wrong += [*path_problems(root, page), *form_problems(page)]
    return len(pages), wrong


def main() -> int:
    number, wrong = problems(ROOT)
    for line in wrong:
        print(f"FAILED: {line}")
    print(f"{number} documents, {len(wrong)} problems")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
