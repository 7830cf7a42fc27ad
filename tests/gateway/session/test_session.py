"""The life of a session: connecting, pings, time, the server's word, the end."""

from __future__ import annotations

import pytest
from tests.gateway.session.talk import NOW, SECRET, Talk

from tidings import events
from tidings.channels.recovery import Recovery
from tidings.errors import AlreadySubscribed, LimitExceeded
from tidings.gateway.grants import ConnectionGrant, SubscriptionGrant
from tidings.gateway.session.steps import Authenticate, Call, Open, Publish
from tidings.gateway.tokens import mint
from tidings.model import Publication, StreamPosition
from tidings.wire.centrifuge import codes
from tidings.wire.centrifuge.messages import Note, Push, Raw, Reply, Unsubscribe

pytestmark = pytest.mark.core

BAD_REQUEST = "<close 3501 bad request>"


class TestOrderOfCommands:
    @pytest.mark.parametrize(
        "first",
        [
            '{"id":1,"subscribe":{"channel":"open:a"}}',
            '{"id":1,"rpc":{}}',
            '{"id":1,"ping":{}}',
            '{"id":1}',
            '{"send":{}}',
            "{}",
        ],
    )
    def test_the_first_command_must_be_connect(self, first: str) -> None:
        assert Talk().say(first) == [BAD_REQUEST]

    def test_a_second_connect_ends_the_connection(self) -> None:
        assert Talk().connect().say('{"id":2,"connect":{}}')[-1] == BAD_REQUEST

    def test_after_a_refused_connect_nothing_else_is_answered(self) -> None:
        talk = Talk()
        expired = mint(SECRET, user="42", ttl=-1, now=NOW)
        assert talk.say(f'{{"id":1,"connect":{{"token":"{expired}"}}}}') == [
            '{"id":1,"error":{"code":109,"message":"token expired"}}'
        ]
        assert talk.say('{"id":2,"subscribe":{"channel":"open:a"}}') == [BAD_REQUEST]

    def test_nothing_is_answered_after_the_end(self) -> None:
        talk = Talk()
        talk.say("{}")
        assert talk.say('{"id":1,"connect":{}}') == []
        assert talk.wait(1000) == []

    def test_an_unknown_command_is_refused(self) -> None:
        """A newer client may know more commands than we do; it is told so, and may go on."""
        talk = Talk().connect()
        assert talk.say('{"id":2,"teleport":{}}') == ['{"id":2,"error":{"code":104,"message":"method not found"}}']

    def test_the_ping_command_is_not_available(self) -> None:
        assert Talk().connect().say('{"id":2,"ping":{}}') == ['{"id":2,"error":{"code":108,"message":"not available"}}']

    def test_commands_are_handled_in_turn(self) -> None:
        """What comes while a command waits is answered after it, in order."""
        talk = Talk("rpc", held=(Call,)).connect()
        assert talk.say('{"id":2,"rpc":{"method":"slow"}}') == ["<ask Call>"]
        assert talk.say('{"id":3,"unsubscribe":{"channel":"a"}}\n{"id":4,"ping":{}}') == []
        assert talk.answer(b'"done"') == [
            '{"id":2,"rpc":{"data":"done"}}',
            '{"id":3,"unsubscribe":{}}',
            '{"id":4,"error":{"code":108,"message":"not available"}}',
        ]

    def test_too_many_waiting_commands_end_the_connection(self) -> None:
        talk = Talk("rpc", held=(Call,), command_queue_limit=2).connect()
        command = '{"id":2,"rpc":{"method":"slow"}}'
        talk.say(command)
        assert talk.say(command + "\n" + command) == []
        assert talk.say(command) == ["<close 3013 too many requests>"]

    def test_waiting_commands_are_bounded_in_bytes_too(self) -> None:
        """Room comes back as they are carried out."""
        command = '{"id":2,"rpc":{"method":"slow"}}'
        talk = Talk("rpc", held=(Call,), command_queue_bytes=2 * len(command)).connect()
        talk.say(command)
        assert talk.say(command) + talk.say(command) == []
        talk.answer(b"1")
        assert talk.say(command) == []
        assert talk.say(command) == ["<close 3013 too many requests>"]

    def test_an_answer_that_comes_too_late_is_dropped(self) -> None:
        talk = Talk("rpc", held=(Call,)).connect()
        talk.say('{"id":2,"rpc":{"method":"slow"}}')
        talk.server(talk.session.lost(talk.now))
        assert talk.answer(b'"done"') == []


class TestPings:
    def test_pings_come_at_the_interval_and_want_a_pong(self) -> None:
        talk = Talk().connect()
        assert talk.wait(24.9) == []
        assert talk.wait(0.2) == ["<ping>"]
        assert talk.say("{}") == []
        assert talk.wait(25) == ["<ping>"]

    def test_the_first_pings_are_spread(self) -> None:
        """Over the second half of the interval; a talk's jitter is 1, the latest."""
        talk = Talk()
        early = Talk()
        early.session = type(early.session)("c2", early._codec, early.session.state.policy, NOW, jitter=0.0)
        assert talk.connect().session.deadline() == NOW + 25
        early.say('{"id":1,"connect":{}}')
        assert early.session.deadline() == NOW + 12.5

    def test_a_missing_pong_ends_the_connection(self) -> None:
        assert Talk().connect().wait(33.1) == ["<ping>", "<close 3012 no pong>"]

    def test_a_slow_handler_is_no_dead_client(self) -> None:
        """While the application thinks, pings go out and pongs count."""
        talk = Talk("rpc", held=(Call,)).connect()
        talk.say('{"id":2,"rpc":{"method":"slow"}}')
        assert talk.wait(26) == ["<ping>"]
        assert talk.say("{}") == []
        assert talk.wait(10) == []
        assert talk.answer(b"1") == ['{"id":2,"rpc":{"data":1}}']

    def test_a_pong_without_a_ping_ends_the_connection(self) -> None:
        assert Talk().connect().say("{}") == [BAD_REQUEST]

    def test_a_second_pong_to_one_ping_ends_the_connection(self) -> None:
        talk = Talk().connect()
        talk.wait(26)
        assert talk.say("{}\n{}") == [BAD_REQUEST]

    def test_a_command_without_an_id_is_a_pong(self) -> None:
        """Whatever else it contains."""
        talk = Talk().connect()
        talk.wait(26)
        assert talk.say('{"subscribe":{"channel":"open:a"}}') == []
        assert not talk.session.state.subscriptions

    def test_part_of_a_second_is_told_as_a_whole_one(self) -> None:
        """Told 0, a client would expect no pings at all."""
        assert '"ping":1,"pong":true' in Talk(ping_interval=0.5, pong_timeout=0.1).say('{"id":1,"connect":{}}')[0]

    def test_without_an_interval_there_are_no_pings(self) -> None:
        talk = Talk(ping_interval=0.0)
        assert '"ping"' not in talk.say('{"id":1,"connect":{}}')[0]
        assert talk.wait(1000) == []

    def test_the_transports_own_pings(self) -> None:
        """The client is promised none of ours, and answers in the transport's way; unasked it may do so too."""
        talk = Talk(native_pings=True)
        reply = talk.say('{"id":1,"connect":{}}')[0]
        assert '"ping"' not in reply and '"pong"' not in reply
        assert talk.server(talk.session.pong(talk.now)) == []
        assert talk.wait(26) == ["<ping>"]
        assert talk.server(talk.session.pong(talk.now)) == []
        assert talk.wait(20) == []
        assert talk.wait(20) == ["<ping>", "<close 3012 no pong>"]


class TestTime:
    def test_who_does_not_connect_in_time_is_stale(self) -> None:
        assert Talk().wait(10.1) == ["<close 3502 stale>"]

    def test_who_was_refused_and_stays_is_stale_too(self) -> None:
        talk = Talk(anonymous=True)
        talk.say(f'{{"id":1,"connect":{{"token":"{mint(SECRET, user="42", ttl=-1, now=NOW)}"}}}}')
        assert talk.wait(10.1) == ["<close 3502 stale>"]

    def test_who_waits_for_the_application_is_not_stale(self) -> None:
        """A slow handler never looks like a dead client; one that never answers is the server's fault."""
        talk = Talk("connect", held=(Authenticate,))
        talk.say('{"id":1,"connect":{}}')
        assert talk.wait(59) == []
        assert talk.wait(1.1) == ["<close 3004 internal server error>"]

    def test_without_a_limit_nobody_is_stale(self) -> None:
        assert Talk(stale_timeout=0.0).wait(1000) == []

    def test_a_connection_ends_some_time_after_its_token(self) -> None:
        """The client has 25 s of grace to bring a new one."""
        talk = Talk(ping_interval=0.0)
        token = mint(SECRET, user="42", ttl=60, now=NOW)
        assert '"expires":true,"ttl":60' in talk.say(f'{{"id":1,"connect":{{"token":"{token}"}}}}')[0]
        assert talk.wait(84.9) == []
        assert talk.wait(0.2) == ["<close 3005 connection expired>"]

    def test_a_subscription_ends_some_time_after_its_token(self) -> None:
        talk = Talk(ping_interval=0.0).connect()
        token = mint(SECRET, user="42", ttl=60, now=NOW, channel="shut:a")
        reply = talk.say(f'{{"id":2,"subscribe":{{"channel":"shut:a","token":"{token}"}}}}')
        assert reply == ['{"id":2,"subscribe":{"expires":true,"ttl":60}}']
        assert talk.wait(84.9) == []
        assert talk.wait(0.2) == [
            "<leave shut:a 2501>",
            '{"push":{"channel":"shut:a","unsubscribe":{"code":2501,"reason":"subscription expired"}}}',
        ]

    def test_a_server_side_subscription_that_expires_ends_the_connection(self) -> None:
        talk = Talk(ping_interval=0.0).connect("")
        begun = talk.session.begin_subscription("open:a", SubscriptionGrant(expire_at=NOW + 5), None, NOW)
        talk.server(talk.session.end_subscription(begun, Recovery(StreamPosition()), NOW))
        assert talk.wait(5.1) == ["<leave open:a 0>", "<close 3006 subscription expired>"]


class TestServer:
    def test_a_subscription_is_ended(self) -> None:
        talk = Talk().connect("").subscribe("open:a")
        assert talk.server(talk.session.unsubscribe("open:a", codes.UNSUBSCRIBED_BY_SERVER, NOW)) == [
            "<leave open:a 2000>",
            '{"push":{"channel":"open:a","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}',
        ]
        assert talk.server(talk.session.unsubscribe("open:a", codes.UNSUBSCRIBED_BY_SERVER, NOW)) == []

    def test_a_subscription_is_ended_while_it_is_opened(self) -> None:
        """The client hears of the subscription first, then of its end."""
        talk = Talk(held=(Open,)).connect("")
        talk.say('{"id":2,"subscribe":{"channel":"open:a"}}')
        assert talk.server(talk.session.unsubscribe("open:a", Unsubscribe(2000, "gone"), NOW)) == []
        assert talk.answer([Recovery(StreamPosition())]) == [
            '{"id":2,"subscribe":{}}',
            "<leave open:a 2000>",
            '{"push":{"channel":"open:a","unsubscribe":{"code":2000,"reason":"gone"}}}',
        ]

    def test_a_subscription_is_begun(self) -> None:
        talk = Talk().connect("")
        grant = SubscriptionGrant(data=b'{"hello":1}')
        begun = talk.session.begin_subscription("sure:a", grant, None, NOW)
        assert talk.server(talk.session.end_subscription(begun, Recovery(StreamPosition(7, "e")), NOW)) == [
            '{"push":{"channel":"sure:a","subscribe":{"recoverable":true,"epoch":"e","offset":7,"positioned":true,'
            '"data":{"hello":1}}}}'
        ]

    def test_a_subscription_is_begun_from_a_position(self) -> None:
        """What was missed follows the announcement."""
        talk = Talk().connect("")
        begun = talk.session.begin_subscription("sure:a", SubscriptionGrant(), StreamPosition(6, "e"), NOW)
        assert begun.terms.since == StreamPosition(6, "e")
        recovery = Recovery(StreamPosition(6, "e"), (Publication(b"1", 7),), recovered=True)
        assert talk.server(talk.session.end_subscription(begun, recovery, NOW)) == [
            '{"push":{"channel":"sure:a","subscribe":{"recoverable":true,"epoch":"e","offset":6,"positioned":true}}}',
            '{"push":{"channel":"sure:a","pub":{"data":1,"offset":7}}}',
        ]

    def test_a_subscription_that_could_not_be_opened_leaves_its_place(self) -> None:
        talk = Talk().connect("")
        begun = talk.session.begin_subscription("open:a", SubscriptionGrant(), None, NOW)
        assert talk.server(talk.session.end_subscription(begun, None, NOW)) == []
        talk.subscribe("open:a")

    def test_the_client_leaves_what_is_being_opened_for_it(self) -> None:
        """What then opens is not the client's any more, and must not stay behind."""
        talk = Talk().connect("")
        begun = talk.session.begin_subscription("open:a", SubscriptionGrant(), None, NOW)
        assert talk.say('{"id":2,"unsubscribe":{"channel":"open:a"}}') == ['{"id":2,"unsubscribe":{}}']
        again = talk.session.begin_subscription("open:a", SubscriptionGrant(), None, NOW)
        opened = Recovery(StreamPosition())
        assert talk.server(talk.session.end_subscription(begun, opened, NOW)) == ["<leave open:a 0>"]
        assert talk.server(talk.session.end_subscription(again, opened, NOW)) == [
            '{"push":{"channel":"open:a","subscribe":{}}}'
        ]

    def test_nothing_comes_before_the_connect_reply(self) -> None:
        """What the server says meanwhile follows it, in order."""
        talk = Talk("connect", held=(Authenticate,))
        talk.say('{"id":1,"connect":{}}')
        for number in (1, 2):
            note = Push(message=Note(Raw(b"%d" % number)))
            assert talk.server(talk.session.tell(Reply(push=note), NOW)) == []
        reply, *pushes = talk.answer(ConnectionGrant())
        assert reply.startswith('{"id":1,"connect":{')
        assert pushes == ['{"push":{"message":{"data":1}}}', '{"push":{"message":{"data":2}}}']

    def test_a_subscription_that_is_open_too_late_is_left(self) -> None:
        talk = Talk().connect("")
        begun = talk.session.begin_subscription("open:a", SubscriptionGrant(), None, NOW)
        talk.server(talk.session.lost(NOW))
        assert talk.server(talk.session.end_subscription(begun, Recovery(StreamPosition()), NOW)) == [
            "<leave open:a 0>"
        ]

    def test_the_limits_hold_for_the_server_too(self) -> None:
        talk = Talk(channel_limit=1).connect("").subscribe("open:a")
        with pytest.raises(AlreadySubscribed):
            talk.session.begin_subscription("open:a", SubscriptionGrant(), None, NOW)
        with pytest.raises(LimitExceeded):
            talk.session.begin_subscription("open:b", SubscriptionGrant(), None, NOW)

    def test_lost_continuity_makes_the_client_subscribe_again(self) -> None:
        talk = Talk().connect().subscribe("kept:a")
        assert talk.server(talk.session.lose_state("kept:a", NOW)) == [
            "<leave kept:a 2500>",
            '{"push":{"channel":"kept:a","unsubscribe":{"code":2500,"reason":"insufficient state"}}}',
        ]

    def test_lost_continuity_of_a_server_side_subscription_ends_the_connection(self) -> None:
        talk = Talk().connect("")
        begun = talk.session.begin_subscription("sure:a", SubscriptionGrant(), None, NOW)
        talk.server(talk.session.end_subscription(begun, Recovery(StreamPosition(7, "e")), NOW))
        assert talk.server(talk.session.lose_state("sure:a", NOW)) == [
            "<leave sure:a 0>",
            "<close 3010 insufficient state>",
        ]

    def test_a_connection_is_renewed(self) -> None:
        talk = Talk(ping_interval=0.0).connect()
        assert talk.server(talk.session.refresh(NOW + 7200, NOW)) == [
            '{"push":{"refresh":{"expires":true,"ttl":7200}}}'
        ]
        assert talk.wait(7000) == []

    def test_a_connection_is_closed(self) -> None:
        talk = Talk().connect("").subscribe("open:a")
        assert talk.server(talk.session.close(codes.SHUTDOWN, NOW)) == ["<leave open:a 0>", "<close 3001 shutdown>"]
        assert talk.server(talk.session.close(codes.SHUTDOWN, NOW)) == []


class TestEnd:
    def test_a_lost_transport_gives_up_what_the_client_had(self) -> None:
        talk = Talk().connect("").subscribe("open:a").subscribe("open:b")
        assert talk.server(talk.session.lost(NOW)) == ["<leave open:a 0>", "<leave open:b 0>"]

    def test_a_channel_that_is_opened_too_late_is_left(self) -> None:
        talk = Talk(held=(Open,)).connect("")
        talk.say('{"id":2,"subscribe":{"channel":"open:a"}}')
        assert talk.server(talk.session.lost(NOW)) == []
        assert talk.answer([Recovery(StreamPosition())]) == ["<leave open:a 0>"]

    def test_a_publication_under_way_is_not_undone(self) -> None:
        talk = Talk(held=(Publish,)).connect().subscribe("open:a")
        talk.say('{"id":3,"publish":{"channel":"open:a","data":1}}')
        talk.server(talk.session.lost(NOW))
        assert talk.answer(None) == []

    def test_facts_are_announced(self) -> None:
        talk = Talk().connect("").subscribe("open:a")
        talk.say('{"id":3,"publish":{"channel":"shut:a","data":1}}')
        talk.server(talk.session.lost(NOW))
        kinds = [type(fact) for fact in talk.facts]
        assert kinds == [
            events.ConnectionOpened,
            events.CommandHandled,
            events.Subscribed,
            events.CommandHandled,
            events.CommandHandled,
            events.Unsubscribed,
        ]
        assert [fact.code for fact in talk.facts if isinstance(fact, events.CommandHandled)] == [0, 0, 103]
