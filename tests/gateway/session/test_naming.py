"""What every command asks of a channel's name, and to whom a name is closed."""

from __future__ import annotations

import pytest
from tests.gateway.session.talk import Talk

from tidings.brokers.base import Page
from tidings.channels.options import ChannelOptions
from tidings.gateway.session.steps import CountPresence, ReadHistory, ReadPresence
from tidings.model import StreamPosition

pytestmark = pytest.mark.core

OPEN_TO_ALL = ChannelOptions(
    history_size=10,
    history_ttl=60.0,
    presence=True,
    allow_subscribe_for_client=True,
    allow_publish_for_client=True,
    allow_history_for_client=True,
    allow_presence_for_client=True,
    allow_user_limited_channels=True,
)
COMMANDS = {
    "subscribe": "",
    "publish": ',"data":1',
    "history": "",
    "presence": "",
    "presence_stats": "",
}


def ask(talk: Talk, command: str, channel: str) -> str:
    """The last thing heard in answer to a command about a channel."""
    return talk.say(f'{{"id":3,"{command}":{{"channel":"{channel}"{COMMANDS[command]}}}}}')[-1]


@pytest.fixture(params=COMMANDS)
def command(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def generous(user: str = "42") -> Talk:
    """Somebody in a place where every option is as open as it can be."""
    talk = Talk(personal_channel=True)
    talk.session.state.policy.namespaces.define("", OPEN_TO_ALL)
    talk.answers[ReadHistory] = lambda _: Page((), StreamPosition(7, "e"))
    talk.answers[ReadPresence] = lambda _: {}
    talk.answers[CountPresence] = lambda _: (0, 0)
    return talk.connect(user)


def test_no_name_ends_the_connection(command: str) -> None:
    assert ask(generous(), command, "") == "<close 3501 bad request>"


@pytest.mark.parametrize("channel", ["x" * 256, "news\\n", "\u00e9t\u00e9", "\u00fc" * 60])
def test_a_name_that_no_channel_can_have(command: str, channel: str) -> None:
    """Otherwise anybody could begin streams of any name and length."""
    assert ask(generous(), command, channel) == '{"id":3,"error":{"code":107,"message":"bad request"}}'


def test_a_name_that_the_namespace_does_not_have(command: str) -> None:
    assert '"code":107' in ask(Talk().connect(), command, "digits:abc")


def test_an_unknown_namespace(command: str) -> None:
    assert '"code":102' in ask(generous(), command, "nowhere:a")


@pytest.mark.parametrize("channel", ["$deals", "#43", "dialog#43,44"])
def test_a_closed_name(command: str, channel: str) -> None:
    """A name that is somebody else's stays so, in the insecure mode too."""
    for talk in (generous(), generous("")):
        assert '"code":103' in ask(talk, command, channel)
    insecure = Talk(personal_channel=True, insecure=True)
    insecure.session.state.policy.namespaces.define("", OPEN_TO_ALL)
    assert '"code":103' in ask(insecure.connect(), command, channel)


@pytest.mark.parametrize("channel", ["news", "dialog#42,43"])
def test_an_open_name(command: str, channel: str) -> None:
    assert '"error"' not in ask(generous(), command, channel)


def test_who_is_subscribed_was_let_in(command: str) -> None:
    """To the personal channel by the server."""
    answer = ask(generous(), command, "#42")
    assert ('"code":105' in answer) if command == "subscribe" else ('"error"' not in answer)


@pytest.mark.parametrize("user", ["user:42", "a:b:c"])
def test_a_user_whose_id_has_a_colon(user: str) -> None:
    """Has a personal channel as everybody else: the colon begins no namespace there."""
    talk = generous(user)
    assert list(talk.session.state.subscriptions) == [f"#{user}"]


def test_a_user_whom_no_channel_can_be_named_after() -> None:
    """Connects, and has no personal channel."""
    talk = generous("j\u00fcrgen")
    assert list(talk.session.state.subscriptions) == []
