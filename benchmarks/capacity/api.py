"""Publishing by HTTP: as much as a server takes on one core, one publication in a request, and many."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from benchmarks.capacity.parts import Scale
from benchmarks.load import LoadError, payload
from benchmarks.rows import Figures, Measure
from benchmarks.servers import PLAIN, Server, post
from benchmarks.workplace import SOURCES, Assistant

SIZE_BYTES = 100
BATCH = "batch"
SINGLE = "publish"


class BareHttp(Server):
    """A Starlette route under uvicorn that answers with a constant, and is served as Tidings is."""

    key, title = "bare", "bare endpoint"

    def command(self) -> list[str]:
        options = "--loop uvloop --http httptools --log-level warning --no-access-log"
        where = ["--app-dir", str(SOURCES), "--port", str(self.port)]
        return [sys.executable, "-m", "uvicorn", "bare_http:app", *where, *options.split()]

    def script(self, user: str, channel: str) -> list[str]:
        raise LoadError(f"the {self.title} has no clients")

    def request(self, payloads: list[str], channel: str) -> bytes:
        """What Tidings gets, byte for byte."""
        publications = [f'{{"channel":"{channel}","data":{data}}}' for data in payloads]
        if len(publications) == 1:
            return post("/api/publish", publications[0])
        commands = ",".join(f'{{"publish":{publication}}}' for publication in publications)
        return post("/api/batch", f'{{"commands":[{commands}]}}')


class Asked(msgspec.Struct, frozen=True):
    """What the load client saw of a run; `count` is of requests."""

    count: int
    seconds: float
    cpu_seconds: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


class HttpLoad(Assistant):
    """Callers on kept connections: `programs/http_load.py`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        command = [sys.executable, str(SOURCES / "http_load.py"), str(server.published_to)]
        super().__init__(server.workplace.spawn(command, server.workplace.client_cores, asks=True))

    def ask(self, request: bytes, *, callers: int, seconds: float) -> Asked:
        """Each caller asks anew when it has been answered. Raises `LoadError` for an answer that is an error."""
        file = self._server.workplace.directory / f"{self._server.key}.http"
        file.write_bytes(request)
        self.tell(f"run {file} {callers} {seconds}")
        answer = self.hear()
        if not answer or b'"failed"' in answer:
            said = answer.decode() or "the load client died"
            raise LoadError(f"{self._server.title}: {said}\n{self._server.log}")
        return msgspec.json.decode(answer, type=Asked)


@contextmanager
def publishing(server: Server, scale: Scale) -> Iterator[Measure]:
    """To a channel in which nobody is: what the API itself costs."""
    kinds = {SINGLE: 1, BATCH: scale.commands}
    with server, HttpLoad(server) as load:
        requests = {kind: server.request([payload(SIZE_BYTES)] * count, PLAIN) for kind, count in kinds.items()}
        for request in requests.values():
            load.ask(request, callers=scale.callers, seconds=scale.seconds / 10)

        def measure() -> Figures:
            figures: Figures = {}
            for kind, request in requests.items():
                done, cpu = server.spent(lambda: load.ask(request, callers=scale.callers, seconds=scale.seconds))  # noqa: B023
                publications = done.count * kinds[kind]
                figures |= {
                    f"{kind}, per_second": publications / done.seconds,
                    f"{kind}, per_cpu_second": publications / cpu,
                    f"{kind}, cpu_us": cpu / publications * 1e6,
                    f"{kind}, request_us": cpu / done.count * 1e6,
                    f"{kind}, server_share": cpu / done.seconds,
                    f"{kind}, load_share": done.cpu_seconds / done.seconds,
                    f"{kind}, p50_ms": done.p50_ms,
                    f"{kind}, p99_ms": done.p99_ms,
                }
            return figures

        yield measure
