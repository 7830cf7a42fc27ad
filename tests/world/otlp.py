"""A collector of OpenTelemetry in its own process: takes spans by OTLP over HTTP, and writes each as a line of JSON.

As a program it is started with its port, and "hang" where it is to take connections and never to answer.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.world.command import PATIENCE, ROOT

from tidings.testing.services.base import HOST, Service, ask_until
from tidings.testing.services.node import accepts, environment


class Collector(Service):
    """Such a process as a block."""

    name = "collector"

    def __init__(self, *how: str) -> None:
        super().__init__()
        self._how = how

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def command(self) -> list[str]:
        return [sys.executable, "-m", "tests.world.otlp", str(self.port), *self._how]

    def environment(self) -> dict[str, str]:
        return {**environment(), "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}

    def is_ready(self) -> bool:
        return accepts(self.port)

    def spans(self, trace: str = "") -> list[dict[str, Any]]:
        """Those that have come so far, of one trace or of all."""
        spans = [json.loads(line) for line in self.process.lines if line.startswith("{")]
        return [span for span in spans if trace in ("", span["trace"])]

    def wait(self, trace: str, count: int) -> list[dict[str, Any]]:
        """All spans of a trace, as soon as there are `count`."""
        ask_until(lambda: len(self.spans(trace)) >= count, PATIENCE)
        return self.spans(trace)


class Handler(BaseHTTPRequestHandler):
    hangs = False

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.hangs:
            sys.stdout.write("hanging\n")
            sys.stdout.flush()
            while True:
                time.sleep(3600)
        write(ExportTraceServiceRequest.FromString(body), self.path)
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Only spans are written."""


def write(request: ExportTraceServiceRequest, path: str) -> None:
    for resource in request.resource_spans:
        about = attributes(resource.resource.attributes)
        for scope in resource.scope_spans:
            for span in scope.spans:
                told = {
                    "path": path,
                    "service": about["service.name"],
                    "name": span.name,
                    "kind": span.kind,
                    "trace": span.trace_id.hex(),
                    "span": span.span_id.hex(),
                    "parent": span.parent_span_id.hex(),
                    "state": span.trace_state,
                    "began": span.start_time_unix_nano,
                    "ended": span.end_time_unix_nano,
                    "attributes": attributes(span.attributes),
                }
                sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def attributes(pairs: Sequence[Any]) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


if __name__ == "__main__":
    Handler.hangs = "hang" in sys.argv
    server = ThreadingHTTPServer((HOST, int(sys.argv[1])), Handler)
    server.serve_forever()
