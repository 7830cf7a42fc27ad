"""Files that change, in the ways in which operators and orchestrators change them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tidings.app.renewal.files import Watch, look

pytestmark = pytest.mark.core


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The key as Kubernetes mounts it: a link to a folder's file, where the folder is a link as well."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "key").write_text(name)
    (tmp_path / "data").symlink_to("first")
    (tmp_path / "key").symlink_to("data/key")
    return tmp_path / "key"


def replace(file: Path) -> None:
    fresh = file.with_name("fresh")
    fresh.write_text("first")
    os.replace(fresh, file)


def swap_link(file: Path) -> None:
    fresh = file.with_name("new")
    fresh.symlink_to("second")
    os.replace(fresh, file.with_name("data"))


def write(file: Path) -> None:
    file.write_text("other")


def remove(file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize("happens", [replace, swap_link, write, remove])
def test_every_way_is_seen_once(file: Path, happens: Callable[[Path], None]) -> None:
    """With the second look that finds it the same."""
    watch = Watch(look([file]))
    assert not watch.has_changed(look([file]))
    happens(file)
    assert not watch.has_changed(look([file]))
    assert watch.has_changed(look([file]))
    assert not watch.has_changed(look([file]))


def test_who_is_still_writing_is_waited_for(file: Path) -> None:
    watch = Watch(look([file]))
    for size in range(1, 4):
        file.write_text("x" * size)
        assert not watch.has_changed(look([file]))
    assert watch.has_changed(look([file]))


def test_what_goes_back_is_no_change(file: Path) -> None:
    watch = Watch(look([file]))
    before = look([file])
    file.with_name("data").unlink()
    assert not watch.has_changed(look([file]))
    file.with_name("data").symlink_to("first")
    assert look([file]) == before
    assert not watch.has_changed(look([file]))
    assert not watch.has_changed(look([file]))


def test_what_is_read_on_request_is_no_change_any_more(file: Path) -> None:
    """It would be read twice, and said twice; what happens after it is one like any other."""
    watch = Watch(look([file]))
    write(file)
    watch.know(look([file]))
    assert not any(watch.has_changed(look([file])) for _ in range(3))
    replace(file)
    assert [watch.has_changed(look([file])) for _ in range(3)] == [False, True, False]
