"""Where a session's questions are answered: by the hub, the registry of users, or the application."""

from __future__ import annotations

from typing import Protocol, TypeVar

from tidings import events
from tidings.errors import Disconnect, InternalError, TidingsError
from tidings.gateway.client import Client
from tidings.gateway.fanout import Member
from tidings.gateway.premises import Premises
from tidings.gateway.session.steps import (
    Authenticate,
    Authorize,
    Call,
    CountPresence,
    Deliver,
    Enter,
    Learn,
    Open,
    Publish,
    Question,
    ReadHistory,
    ReadPresence,
    Renew,
    Review,
)


class Asker(Member, Protocol):
    """The connection behind a session."""

    client_id: str

    @property
    def client(self) -> Client: ...


A = TypeVar("A", bound=Asker)


async def answer(question: Question, asker: A, premises: Premises[A]) -> object:
    """Find the answer to a question.

    An answer that is an exception is to be raised in the session: a `TidingsError` or a `Disconnect`. Whatever else
    goes wrong is announced, and becomes an `InternalError`. Subscriptions are live when this returns, so the caller
    writes the reply before it waits for anything.
    """
    try:
        return await _ask(question, asker, premises)
    except (TidingsError, Disconnect) as error:
        return error
    except Exception as error:
        premises.hooks.announce(events.CommandFailed(type(question).__name__, asker.client_id, error))
        return InternalError()


async def _ask(question: Question, asker: A, premises: Premises[A]) -> object:
    hub, application = premises.hub, premises.application
    match question:
        case Authenticate(request, grant):
            if grant is not None:
                premises.admission.look(asker.client_id, grant.user, premises.clock.now())
            return await application.connect(asker.client, request, grant)
        case Learn(source):
            await source.learn()
        case Enter(user):
            return await _enter(user, asker, premises)
        case Open(wishes):
            return await hub.subscribe(asker, wishes)
        case Authorize(channel, data):
            return await application.subscribe(asker.client, channel, data)
        case Review(channel, data):
            return await application.publish(asker.client, channel, data)
        case Publish(channel, publication, guard, skip_history):
            return await hub.publish(channel, publication, guard=guard, skip_history=skip_history)
        case ReadPresence(channel):
            return await hub.presence(channel)
        case CountPresence(channel):
            return await hub.presence_stats(channel)
        case ReadHistory(channel, since, limit, reverse):
            return await hub.history(channel, since=since, limit=limit, reverse=reverse)
        case Renew(channel):
            client = asker.client
            return await (application.sub_refresh(client, channel) if channel else application.refresh(client))
        case Call(method, data):
            return await application.call(asker.client, method, data)
        case Deliver(data):
            await application.message(asker.client, data)
        case _:
            raise AssertionError(f"nobody answers {question}")
    return None


async def _enter(user: str, asker: A, premises: Premises[A]) -> object:
    """Count a connection in, here and with the broker, and return what its user keeps."""
    premises.admission.connect_as(asker.client_id, user, premises.clock.now())
    premises.users.enter(user, asker)
    try:
        await premises.registry.arrive(user, asker.client_id)
    except TidingsError:
        # It never was there, so nobody is to hear of its end.
        premises.users.leave(user, asker)
        raise
    return await premises.registry.kept(user)
