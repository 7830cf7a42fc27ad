"""The command that publishes to a running server."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import httpx2
import typer

from tidings.app.settings import Settings
from tidings.cli.options import Config, Verbose
from tidings.cli.token import json_text
from tidings.errors import SettingsError, TidingsError
from tidings.gateway.transports.outgoing import HttpClient, Unreadable

TIMEOUT = 10.0
"""Seconds for the whole of it."""


def publish(
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="Where to publish.")],
    data: Annotated[str, typer.Argument(metavar="JSON", parser=json_text, help="What to publish.")],
    url: Annotated[
        str, typer.Option(metavar="URL", help="The server. \\[default: where the settings say it listens]")
    ] = "",
    key: Annotated[str, typer.Option(metavar="KEY", help="The API key. \\[default: the one of the settings]")] = "",
    config: Config = None,
    verbose: Verbose = False,
) -> None:
    """Publish to a channel of a running server.

    Prints the position in the channel's stream, {} in a channel without history.
    """
    settings = Settings.load(config)
    base = url.rstrip("/") or settings.server.internal_url()
    key = key or settings.api.secret
    if not key:
        raise SettingsError("there is no API key; give --key, or set [api] key.")
    body = f'{{"channel": {json.dumps(channel)}, "data": {data}}}'
    if not key.isascii():
        raise SettingsError("an API key is plain ASCII; this one is not.")
    try:
        response = asyncio.run(_post(f"{base}/api/publish", body, key))
    except Unreadable as error:
        raise TidingsError(f"outcome unknown: {base} answers {error.response.status_code}, and {error}.") from error
    except TimeoutError as error:
        raise TidingsError(f"no answer from {base} within {TIMEOUT:g} s. {_hint(url)}", temporary=True) from error
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
        raise SettingsError(f"{base} is not an address; write http://host:port.") from error
    except httpx2.HTTPError as error:
        raise TidingsError(f"no answer from {base}: {str(error).rstrip('.')}. {_hint(url)}", temporary=True) from error
    print(json.dumps(_result(response, base)))


async def _post(url: str, body: str, key: str) -> httpx2.Response:
    async with asyncio.timeout(TIMEOUT), HttpClient(timeout=TIMEOUT) as client:
        return await client.post(url, content=body, headers={"X-API-Key": key})


def _hint(url: str) -> str:
    """What to look at when nobody answers. The port is often another one than that of the settings."""
    if url:
        return "Is the server running, and is this its port?"
    return "If it runs elsewhere, or on another port, give --url http://host:port, as `tidings serve` prints it."


def _result(response: httpx2.Response, base: str) -> object:
    if response.status_code == 401:
        raise TidingsError(f"{base} does not accept this API key.")
    if response.status_code == 429:
        again = response.headers.get("retry-after", "a few")
        raise TidingsError(f"{base} has had too many requests from here; try again in {again} s.", temporary=True)
    if response.status_code == 404:
        raise TidingsError(f"{base} has no HTTP API; where [server] internal_port is set, the API is there alone.")
    try:
        answer = response.json()
        error = answer.get("error")
    except (ValueError, AttributeError) as failure:
        raise TidingsError(f"{base} answers {response.status_code}, not as a Tidings server would.") from failure
    if error is not None:
        raise TidingsError(f"the server refuses: {error['code']} {error['message']}.")
    return answer["result"]
