"""Which connections a user has."""

from __future__ import annotations

import pytest

from tidings.errors import LimitExceeded
from tidings.gateway.users import Users

pytestmark = pytest.mark.core


def test_how_many_there_are() -> None:
    """Users, and their connections."""
    users: Users[str] = Users()
    for user, connection in (("ada", "1"), ("ada", "2"), ("", "3")):
        users.enter(user, connection)
    assert (len(users), users.clients) == (2, 3)


def test_a_user_has_any_number_of_connections() -> None:
    users: Users[str] = Users()
    for tab in ("a", "b", "c"):
        users.enter("42", tab)
    users.enter("43", "d")
    assert sorted(users.connections("42")) == ["a", "b", "c"]
    assert list(users.connections("nobody")) == []
    assert len(users) == 2


def test_the_limit_holds_for_one_person() -> None:
    """Anonymous connections are not one person."""
    users: Users[str] = Users(limit=2)
    users.enter("42", "a")
    users.enter("42", "b")
    with pytest.raises(LimitExceeded):
        users.enter("42", "c")
    for tab in ("d", "e", "f"):
        users.enter("", tab)
    assert len(list(users.connections(""))) == 3


def test_leaving_makes_room() -> None:
    users: Users[str] = Users(limit=1)
    users.enter("42", "a")
    assert users.leave("42", "a")
    users.enter("42", "b")
    assert list(users.connections("42")) == ["b"]


def test_nothing_is_left_of_somebody_who_left() -> None:
    """Leaving tells whether there was anything to leave; a refused entry leaves no trace either."""
    users: Users[str] = Users(limit=1)
    assert not users.leave("42", "a")
    users.enter("42", "a")
    assert users.leave("42", "a")
    assert not users.leave("42", "a")
    assert len(users) == 0
