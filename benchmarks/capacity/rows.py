"""The parts, by name."""

from __future__ import annotations

from benchmarks import peers
from benchmarks.capacity import report
from benchmarks.capacity.api import BareHttp, publishing
from benchmarks.capacity.crowd import crowd
from benchmarks.capacity.fanout import fanout
from benchmarks.capacity.growth import channels, connections, sizes
from benchmarks.capacity.parts import Part
from benchmarks.rows import BURST
from benchmarks.servers import RawLoop, Server, StarletteLoop, TidingsServer
from benchmarks.workplace import Workplace


def _tidings(workplace: Workplace) -> list[Server]:
    return [TidingsServer(workplace)]


def _beside_raw(workplace: Workplace) -> list[Server]:
    return [TidingsServer(workplace), RawLoop(workplace)]


def _api(workplace: Workplace) -> list[Server]:
    found = [peer for peer in peers.present(workplace) if isinstance(peer, peers.Centrifugo)]
    return [BareHttp(workplace), TidingsServer(workplace), *found]


def _all(workplace: Workplace) -> list[Server]:
    return [RawLoop(workplace), TidingsServer(workplace), *peers.present(workplace), StarletteLoop(workplace)]


def _api_notes() -> list[str]:
    return [
        "The bare endpoint is a Starlette route under the same uvicorn that reads the body and answers a constant.",
        "A CPU second is a second of the server's core: where others take the core, it says what one has to itself.",
    ]


def _peers_notes() -> list[str]:
    notes = [
        f"Each publication follows when everybody has the one before, and so do bursts of {BURST}, which are one "
        "request; latencies are of single ones, so that nobody's queue is in them.",
        "Tidings, Centrifugo and the Starlette loop check a token; the channel keeps nothing in any of the servers.",
        "Channels has its layer in memory, which its documentation advises against in production: every message looks "
        "through all channels of the layer, and a channel of the layer is a connection.",
    ]
    return [*notes, left] if (left := peers.left_out()) else notes


def _growth_notes() -> list[str]:
    return ["Medians of the rounds. A publication follows the one before when everybody has that."]


PARTS = [
    Part("api", "publishing by HTTP", publishing, _api, report.api, notes=_api_notes),
    Part("crowd", "thousands of connections", crowd, _tidings, report.crowd, seldom=True),
    Part("peers", "fan-out, with peers", fanout, _all, report.peers, notes=_peers_notes),
    Part(
        "growth-connections",
        "growth with connections",
        connections,
        _beside_raw,
        report.connections,
        report.draw_connections,
        _growth_notes,
        seldom=True,
    ),
    Part(
        "growth-channels",
        "growth with channels",
        channels,
        _tidings,
        report.channels,
        report.draw_channels,
        _growth_notes,
        seldom=True,
    ),
    Part(
        "growth-size",
        "growth with the size of a message",
        sizes,
        lambda workplace: [TidingsServer(workplace), RawLoop(workplace), StarletteLoop(workplace)],
        report.sizes,
        report.draw_sizes,
        _growth_notes,
    ),
]
