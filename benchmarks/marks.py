"""The places in a document that programs write: everything between `<!-- NAME: begin -->` and `<!-- NAME: end -->`."""

from __future__ import annotations

from pathlib import Path


def write_between(file: Path, name: str, text: str) -> None:
    """Put the text between the file's marks of this name, or with such marks at its end where it has none."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    old = file.read_text() if file.exists() else ""
    before, found, _ = old.partition(begin)
    after = old.partition(end)[2]
    if not found:
        before, after = f"{old}\n" if old else "", "\n"
    file.write_text(f"{before}{begin}\n\n{text.rstrip()}\n\n{end}{after}")
