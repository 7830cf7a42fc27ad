"""The commands publish, presence, presence_stats, history, rpc and send."""

from __future__ import annotations

import pytest
from tests.gateway.session.talk import Talk

from tidings.brokers.base import Guard, Page
from tidings.errors import MethodNotFound, TidingsError
from tidings.gateway.grants import PublicationGrant
from tidings.gateway.session.steps import (
    Call,
    CountPresence,
    Deliver,
    Publish,
    ReadHistory,
    ReadPresence,
    Review,
)
from tidings.model import ClientInfo, Publication, StreamPosition

pytestmark = pytest.mark.core


def error(code: int, message: str) -> list[str]:
    return [f'{{"id":3,"error":{{"code":{code},"message":"{message}"}}}}']


DENIED, UNAVAILABLE = error(103, "permission denied"), error(108, "not available")
UNKNOWN, BAD_REQUEST = error(102, "unknown channel"), error(107, "bad request")
ENDED = "<close 3501 bad request>"


class TestPublish:
    def test_a_subscriber_may_publish(self) -> None:
        """With its name on it."""
        talk = Talk().connect().subscribe("open:a")
        assert talk.say('{"id":3,"publish":{"channel":"open:a","data":{"x": 1}}}') == ['{"id":3,"publish":{}}']
        asked = talk.asked_for(Publish)
        assert asked == Publish("open:a", Publication(b'{"x": 1}', info=ClientInfo("42", "c1")))

    def test_somebody_else_may_not(self) -> None:
        assert Talk().connect().say('{"id":3,"publish":{"channel":"open:a","data":1}}') == DENIED

    def test_nor_may_somebody_anonymous(self) -> None:
        assert Talk().connect("").subscribe("open:a").say('{"id":3,"publish":{"channel":"open:a","data":1}}') == DENIED

    def test_insecure_allows_it(self) -> None:
        talk = Talk(insecure=True).connect("")
        assert talk.say('{"id":3,"publish":{"channel":"shut:a","data":1}}') == ['{"id":3,"publish":{}}']

    @pytest.mark.parametrize(
        ("request_", "answer"),
        [
            ('{"data":1}', [ENDED]),
            ('{"channel":"nowhere:a","data":1}', UNKNOWN),
            ('{"channel":"open:a","data":1,"type":1}', UNAVAILABLE),
            ('{"channel":"open:a"}', error(107, "data is missing")),
        ],
    )
    def test_what_is_refused(self, request_: str, answer: list[str]) -> None:
        assert Talk(insecure=True).connect().say(f'{{"id":3,"publish":{request_}}}') == answer

    def test_the_application_may_change_it(self) -> None:
        talk = Talk("publish").connect()
        talk.answers[Review] = lambda _: PublicationGrant(b'"better"', {"by": "42"}, Guard("once"), skip_history=True)
        talk.say('{"id":3,"publish":{"channel":"shut:a","data":"bad"}}')
        asked = talk.asked_for(Publish)
        assert (asked.publication.data, asked.publication.tags) == (b'"better"', {"by": "42"})
        assert (asked.guard, asked.skip_history) == (Guard("once"), True)

    def test_the_application_may_refuse_with_a_code_of_its_own(self) -> None:
        talk = Talk("publish").connect().subscribe("open:a")
        talk.answers[Review] = lambda _: TidingsError("no swearing", code=420)
        assert talk.say('{"id":3,"publish":{"channel":"open:a","data":"bad"}}') == error(420, "no swearing")


class TestPresence:
    def test_who_is_there(self) -> None:
        talk = Talk().connect().subscribe("open:a")
        talk.answers[ReadPresence] = lambda _: {"c2": ClientInfo("7", "c2", b'{"name":"Ada"}')}
        assert talk.say('{"id":3,"presence":{"channel":"open:a"}}') == [
            '{"id":3,"presence":{"presence":{"c2":{"user":"7","client":"c2","conn_info":{"name":"Ada"}}}}}'
        ]

    def test_nobody_is_there(self) -> None:
        talk = Talk().connect().subscribe("open:a")
        talk.answers[ReadPresence] = lambda _: {}
        assert talk.say('{"id":3,"presence":{"channel":"open:a"}}') == ['{"id":3,"presence":{"presence":{}}}']

    def test_how_many_are_there(self) -> None:
        talk = Talk().connect().subscribe("open:a")
        talk.answers[CountPresence] = lambda _: (3, 0)
        assert talk.say('{"id":3,"presence_stats":{"channel":"open:a"}}') == [
            '{"id":3,"presence_stats":{"num_clients":3,"num_users":0}}'
        ]

    @pytest.mark.parametrize("command", ["presence", "presence_stats"])
    @pytest.mark.parametrize(
        ("channel", "answer"),
        [("", [ENDED]), ("nowhere:a", UNKNOWN), ("shut:a", UNAVAILABLE), ("open:a", DENIED)],
    )
    def test_what_is_refused(self, command: str, channel: str, answer: list[str]) -> None:
        assert Talk().connect().say(f'{{"id":3,"{command}":{{"channel":"{channel}"}}}}') == answer


class TestHistory:
    def test_what_is_kept(self) -> None:
        talk = Talk().connect().subscribe("kept:a")
        publication = Publication(b"1", 6, ClientInfo("7", "c2"), {"k": "v"}, 1.5)
        talk.answers[ReadHistory] = lambda _: Page((publication,), StreamPosition(7, "e"))
        command = '{"id":3,"history":{"channel":"kept:a","limit":5,"since":{"offset":5,"epoch":"e"}}}'
        assert talk.say(command) == [
            '{"id":3,"history":{"publications":[{"data":1,"info":{"user":"7","client":"c2"},"offset":6,"tags":{"k":"v"},'
            '"time":1500}],"epoch":"e","offset":7}}'
        ]
        assert talk.asked_for(ReadHistory) == ReadHistory("kept:a", StreamPosition(5, "e"), 5, False)

    def test_the_position_alone(self) -> None:
        talk = Talk().connect().subscribe("kept:a")
        talk.answers[ReadHistory] = lambda _: Page((), StreamPosition(0, "e"))
        assert talk.say('{"id":3,"history":{"channel":"kept:a"}}') == [
            '{"id":3,"history":{"publications":[],"epoch":"e","offset":0}}'
        ]
        assert talk.asked_for(ReadHistory).limit == 0

    @pytest.mark.parametrize(("limit", "asked"), [(-1, 300), (1000, 300), (7, 7)])
    def test_the_limit_has_a_limit(self, limit: int, asked: int) -> None:
        talk = Talk().connect().subscribe("kept:a")
        talk.answers[ReadHistory] = lambda _: Page((), StreamPosition(0, "e"))
        talk.say(f'{{"id":3,"history":{{"channel":"kept:a","limit":{limit}}}}}')
        assert talk.asked_for(ReadHistory).limit == asked

    @pytest.mark.parametrize(
        ("channel", "answer"),
        [("", [ENDED]), ("nowhere:a", UNKNOWN), ("shut:a", UNAVAILABLE), ("kept:a", DENIED)],
    )
    def test_what_is_refused(self, channel: str, answer: list[str]) -> None:
        assert Talk().connect().say(f'{{"id":3,"history":{{"channel":"{channel}","limit":1}}}}') == answer

    def test_backwards_from_the_beginning_is_a_mistake(self) -> None:
        talk = Talk().connect().subscribe("kept:a")
        command = '{"id":3,"history":{"channel":"kept:a","limit":1,"reverse":true,"since":{"offset":0,"epoch":"e"}}}'
        assert talk.say(command) == BAD_REQUEST


class TestRpc:
    def test_the_application_answers(self) -> None:
        talk = Talk("rpc").connect()
        talk.answers[Call] = lambda call: b'{"echo":' + call.data + b"}"
        assert talk.say('{"id":3,"rpc":{"method":"echo","data":[1]}}') == ['{"id":3,"rpc":{"data":{"echo":[1]}}}']

    def test_without_any_handler_it_is_not_available(self) -> None:
        assert Talk().connect().say('{"id":3,"rpc":{"method":"echo"}}') == UNAVAILABLE

    def test_an_unknown_method(self) -> None:
        talk = Talk("rpc").connect()
        talk.answers[Call] = lambda _: MethodNotFound()
        assert talk.say('{"id":3,"rpc":{"method":"echo"}}') == error(104, "method not found")


class TestSend:
    def test_it_is_never_answered(self) -> None:
        talk = Talk("message").connect()
        assert talk.say('{"send":{"data":{"x":1}}}') == []
        assert talk.asked_for(Deliver).data == b'{"x":1}'

    def test_not_even_when_it_fails(self) -> None:
        talk = Talk("message").connect()
        talk.answers[Deliver] = lambda _: TidingsError("no")
        assert talk.say('{"send":{"data":{"x":1}}}') == []

    def test_without_a_handler_the_connection_ends(self) -> None:
        assert Talk().connect().say('{"send":{}}') == ["<close 3508 not available>"]
