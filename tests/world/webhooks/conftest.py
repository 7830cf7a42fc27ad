"""The receiver of these tests: one for each file, with nothing left of the test before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.world.webhooks.office import Receiver


@pytest.fixture(scope="module")
def office() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def receiver(office: Receiver) -> Receiver:
    office.forget()
    return office
