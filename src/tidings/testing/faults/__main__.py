"""`python -m tidings.testing.faults`: Toxiproxy's HTTP API as a program, which Ctrl-C ends."""

from __future__ import annotations

import argparse
import os
import socket
from collections.abc import Sequence

import uvicorn

from tidings.testing.faults.address import Address
from tidings.testing.faults.api import toxiproxy_api
from tidings.testing.services.base import HOST

PORT = 8474
"""Toxiproxy's own."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tidings.testing.faults", description=__doc__)
    parser.add_argument("--host", default=HOST, help="where the API listens (%(default)s)")
    parser.add_argument("--port", type=int, default=PORT, help="and on which port (%(default)s)")
    options = parser.parse_args(arguments)
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    try:
        listening = socket.create_server((options.host, options.port), family=family)
    except OSError as error:
        where, reason = Address(options.host, options.port), os.strerror(error.errno or 0)
        parser.exit(1, f"Cannot listen on {where}: {reason}; end who does, or choose another --port.\n")
    with listening:
        config = uvicorn.Config(toxiproxy_api(), host=options.host, port=options.port, access_log=False)
        uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
