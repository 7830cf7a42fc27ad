"""One request for a key set, over HTTP.

Whoever answers there decides who may connect, so the certificate is verified, redirects are not followed, and neither a
slow answer nor a long one costs more than is allowed for.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

from msgspec import Struct

from tidings.gateway.keys.jwks import KeySet, NotKeys, parse
from tidings.gateway.transports import encryption

TIMEOUT = 5.0
"""Seconds for the whole of it."""

LIMIT_BYTES = 512 * 1024
"""The longest answer; the largest sets in use have some ten thousand bytes."""

TTL_FLOOR = 60.0
"""Seconds for which a set is kept whatever its Cache-Control says: "no-store" must not mean a request per token."""


class Unreachable(Exception):
    """There was no key set. Says why, in a few words for the operator, without what the peer has sent."""


class Retrieved(Struct, frozen=True):
    """A key set, and for how many seconds its sender says that it is good; None if it does not say."""

    keys: KeySet
    max_age: float | None


async def retrieve(url: str, *, timeout: float = TIMEOUT) -> Retrieved:
    """Ask for the key set. Raises `Unreachable`, and nothing else."""
    try:
        async with asyncio.timeout(timeout):
            # In a thread: reading the machine's certificates takes as long as letting in hundreds of clients.
            context = await asyncio.to_thread(_prepare, url)
            return await _ask(url, context, timeout)
    except TimeoutError as error:
        raise Unreachable(f"there was no answer within {timeout:g} s") from error
    except NotKeys as error:
        raise Unreachable(str(error)) from error


async def _ask(url: str, context: ssl.SSLContext, timeout: float) -> Retrieved:
    import httpx2

    from tidings.gateway.transports.outgoing import LIMIT, HttpClient, Unreadable

    headers = {"accept": "application/jwk-set+json, application/json"}
    try:
        async with HttpClient(verify=context, follow_redirects=False, timeout=timeout) as http:
            response = await http.get(url, headers=headers, extensions={LIMIT: LIMIT_BYTES})
        _require_ok(response.status_code)
        return Retrieved(parse(response.content), max_age(response.headers))
    except Unreadable as error:
        _require_ok(error.response.status_code)
        raise Unreachable(str(error)) from error
    except httpx2.TimeoutException as error:
        raise TimeoutError from error
    except (httpx2.ConnectError, OSError) as error:
        raise Unreachable(str(error) or type(error).__name__) from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise Unreachable(f"the answer is not HTTP as it should be ({type(error).__name__})") from error


def _require_ok(status: int) -> None:
    if status != HTTPStatus.OK:
        raise Unreachable(f"the answer has status {status}")


def shown(url: str) -> str:
    """The address without what may be secret in it."""
    address = urlsplit(url)
    return f"{address.scheme}://{address.netloc.rpartition('@')[2]}{address.path}"


def lifetime(ttl: float, max_age: float | None) -> float:
    """For how many seconds a set is kept: `ttl`, or less if its sender says so, within reason."""
    return ttl if max_age is None else min(ttl, max(max_age, TTL_FLOOR))


def max_age(headers: Mapping[str, str]) -> float | None:
    """For how long an answer is fresh (RFC 9111, section 4.2), None if it does not say."""
    get = headers.get
    directives = [directive.strip().lower() for directive in get("cache-control", "").split(",")]
    if "no-store" in directives or "no-cache" in directives:
        return 0.0
    for directive in directives:
        name, _, value = directive.partition("=")
        if name == "max-age" and value.strip('"').isdecimal():
            age = get("age", "0")
            return max(0.0, float(value.strip('"')) - (float(age) if age.isdecimal() else 0.0))
    return None


def _prepare(url: str) -> ssl.SSLContext:
    """Load the library, and what certificates are verified against; without TLS that is nothing."""
    import tidings.gateway.transports.outgoing  # noqa: F401

    if not url.startswith("https"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return encryption.outward()
