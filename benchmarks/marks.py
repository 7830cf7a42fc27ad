"""The places in a document that programs write: everything between `<!-- NAME: begin -->` and `<!-- NAME: end -->`."""

from __future__ import annotations

from pathlib import Path


def write_between(file: Path, name: str, text: str) -> None:
    """Put the text between the file's marks of this name, or make it the whole file where it has none."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    old = file.read_text() if file.exists() else ""
    if begin in old and end in old:
        text = f"{old.partition(begin)[0]}{begin}\n\n{text}\n\n{end}{old.partition(end)[2]}"
    file.write_text(text if text.endswith("\n") else f"{text}\n")
