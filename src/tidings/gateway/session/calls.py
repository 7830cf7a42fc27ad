"""rpc and send: what the application answers, and what it is merely told."""

from __future__ import annotations

from tidings.errors import NotAvailable
from tidings.gateway.session.state import State
from tidings.gateway.session.steps import Call, Deliver, Ended, Steps
from tidings.wire.centrifuge import codes
from tidings.wire.centrifuge.messages import RPCRequest, RPCResult, SendRequest


def rpc(state: State, request: RPCRequest) -> Steps[RPCResult]:
    if not state.policy.handlers.handles_rpc():
        raise NotAvailable
    data = yield Call(request.method, state.codec.extract(request.data))
    return RPCResult(state.codec.embed(data))


def send(state: State, request: SendRequest) -> Steps[None]:
    if not state.policy.handlers.handles_message():
        raise Ended(codes.NOT_AVAILABLE)
    yield Deliver(state.codec.extract(request.data))
