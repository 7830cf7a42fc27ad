"""Checks what README.md and the pages below docs/ refer to: links, paths and Python code.

    python docs/check.py [ROOT]

A link is good when its file is there, and its heading where it names one. A path in backticks is good when it exists
below the root or below `src/tidings`. Python blocks have to compile; `await` may stand at their top. Prints one line
for each fault, and exits with 1 when there are any.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(<?([^)\s>]+)>?[^)]*\)")
SPAN = re.compile(r"`([^`\n]+)`")
HEADING = re.compile(r"^#+ +(.+?)\s*$", re.MULTILINE)
PATH = re.compile(r"\.?\w[\w.-]*(/[\w.-]+)*/?")


def faults(root: Path) -> Iterator[str]:
    """What is wrong, each as one line that begins with its place."""
    for page in [root / "README.md", *sorted((root / "docs").rglob("*.md"))]:
        text = page.read_text()
        prose = FENCE.sub(lambda block: "\n" * block[0].count("\n"), text)
        name = page.relative_to(root)
        for line, fault in sorted([*bad_code(text), *bad_links(page, prose), *bad_paths(root, prose)]):
            yield f"{name}:{line}: {fault}"


def bad_code(text: str) -> Iterator[tuple[int, str]]:
    for block in FENCE.finditer(text):
        if block[2] in ("python", "py"):
            try:
                compile(dedent(block[3]), "block", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            except SyntaxError as error:
                yield line_of(text, block.start()) + (error.lineno or 0), f"not Python: {error.msg}"


def bad_links(page: Path, prose: str) -> Iterator[tuple[int, str]]:
    for link in LINK.finditer(prose):
        if "://" in link[1] or link[1].startswith("mailto:"):
            continue
        path, _, anchor = link[1].partition("#")
        target = page.parent / path if path else page
        if not target.exists():
            yield line_of(prose, link.start()), f"no such file: {link[1]}"
        elif anchor and anchor not in anchors(target):
            yield line_of(prose, link.start()), f"no such heading: {link[1]}"


def bad_paths(root: Path, prose: str) -> Iterator[tuple[int, str]]:
    """Only what looks like a path of ours: with a slash, and beginning with a folder that is there."""
    bases = [root, root / "src" / "tidings"]
    for span in SPAN.finditer(prose):
        path = span[1]
        first = path.partition("/")[0]
        if "/" not in path or not PATH.fullmatch(path) or not any((base / first).is_dir() for base in bases):
            continue
        if not any((base / path).exists() for base in bases):
            yield line_of(prose, span.start()), f"no such path: {path}"


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as they are linked to: lower case, hyphens for spaces, no punctuation."""
    titles = HEADING.findall(FENCE.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def line_of(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1


def main() -> int:
    found = list(faults(Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
    for fault in found:
        print(fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
