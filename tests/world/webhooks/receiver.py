"""A back end that is asked and told by Tidings, and behaves as a test wants it to: `python receiver.py PORT [PEM]`.

    PUT /plan/NAME      a list of behaviours: each call of /hook/NAME takes the next one, the last stays
    GET /calls/NAME     what /hook/NAME was asked, in order
    DELETE /calls       forget all plans and calls
    POST /hook/NAME     the endpoint itself

A behaviour is an object: `json` or `raw` (text) is the body, `status` its status, `headers` further ones, `delay` the
seconds before it, `dribble` the seconds between its bytes, `size` makes a body of that many bytes. `hang` never
answers, `drop` closes the connection, `bytes` (latin-1) is sent in place of any HTTP. Nothing but the standard library
is used, so that nothing corrects what is wrong on purpose.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from asyncio import StreamReader, StreamWriter
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

plans: dict[str, list[dict[str, Any]]] = {}
calls: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)

NONE: Mapping[str, str] = {}
OK = {"json": {"result": {}}}


async def serve(reader: StreamReader, writer: StreamWriter) -> None:
    """One connection, kept alive."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            start, *lines = head.strip().split("\r\n")
            method, path, _ = start.split(" ", 2)
            pairs = [tuple(part.strip() for part in line.split(":", 1)) for line in lines]
            headers = {name.lower(): value for name, value in pairs}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            if not await answer(method, path, headers, body, writer):
                return
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def answer(method: str, path: str, headers: dict[str, str], body: bytes, writer: StreamWriter) -> bool:
    """Whether the connection goes on."""
    _, kind, *rest = path.split("/")
    name = "/".join(rest)
    if kind == "hook":
        calls[name].append({"headers": headers, "body": json.loads(body), "text": body.decode()})
        return await behave(next_behaviour(name), writer)
    if method == "PUT":
        plans[name] = json.loads(body)
    elif method == "DELETE":
        plans.clear()
        calls.clear()
    await write(writer, 200, json.dumps(calls[name] if kind == "calls" else {}).encode())
    return True


def next_behaviour(name: str) -> dict[str, Any]:
    plan = plans.get(name, [OK])
    return plan.pop(0) if len(plan) > 1 else plan[0]


async def behave(how: dict[str, Any], writer: StreamWriter) -> bool:
    if how.get("hang"):
        await asyncio.Event().wait()
    await asyncio.sleep(how.get("delay", 0.0))
    if how.get("drop"):
        return False
    if "bytes" in how:
        writer.write(how["bytes"].encode("latin-1"))
        return False
    body = (
        b"x" * how["size"]
        if "size" in how
        else how.get("raw", "").encode("latin-1") or json.dumps(how.get("json")).encode()
    )
    await write(writer, how.get("status", 200), body, how.get("headers", {}), how.get("dribble", 0.0))
    return True


async def write(
    writer: StreamWriter, status: int, body: bytes, headers: Mapping[str, str] = NONE, dribble: float = 0.0
) -> None:
    further = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {status} X\r\n{further}content-length: {len(body)}\r\n\r\n".encode("latin-1"))
    for first in range(len(body)) if dribble else ():
        writer.write(body[first : first + 1])
        await asyncio.sleep(dribble)
    if not dribble:
        writer.write(body)
    await writer.drain()


async def main() -> None:
    port, *chain = sys.argv[1:]
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) if chain else None
    if tls is not None:
        tls.load_cert_chain(*chain)
    server = await asyncio.start_server(serve, "127.0.0.1", int(port), ssl=tls)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
