"""Where a publisher publishes, read from its arguments: a server by its API, or a broker as a node would.

Everything that can be wrong with an argument is found here, before anybody connects. What is needed to connect is
imported here too, in the thread that makes the publisher: a fork while another thread imports would leave the child
waiting for a lock that nobody holds.
"""

from __future__ import annotations

import dataclasses
import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tidings.app.publisher.carrier import MakeCarrier
from tidings.errors import SettingsError
from tidings.gateway.transports import encryption

if TYPE_CHECKING:
    from tidings.app.settings import Settings

KEY_VARIABLE = "TIDINGS_API__KEY"
"""The environment variable that sets `[api] key` for a server; a publisher without a key takes the same."""


@dataclasses.dataclass(frozen=True, slots=True)
class Destination:
    """`name` is its address without anything secret."""

    name: str
    make_carrier: MakeCarrier = dataclasses.field(repr=False)


def destination(
    url: str,
    *,
    key: str | None,
    settings: Settings | Mapping[str, Any] | Path | str | None,
    verify: ssl.SSLContext | Path | str | None,
    trust_env: bool,
    timeout: float,
    queue_limit: int,
) -> Destination:
    """Raises `SettingsError` for an address that cannot be, `TypeError` for arguments that do not go with it."""
    if not isinstance(url, str):
        raise TypeError(f"a publisher is given a URL, and not {type(url).__name__}; for a hub call hub.publish()")
    scheme, separator, _ = url.partition("://")
    if scheme in ("http", "https"):
        if settings is not None:
            raise TypeError("settings are for a broker's URL; a server has its own")
        return _server(url, key=key, verify=verify, trust_env=trust_env)
    if scheme == "memory":
        raise SettingsError("memory:// is inside of one process, so nobody would hear; give the server's http:// URL.")
    if not separator or not (scheme.startswith("redis") or scheme in ("nats", "tls")):
        raise SettingsError(f"{_shown(url)} is neither a server, http://host:8000, nor a broker such as redis://host.")
    if key is not None or verify is not None:
        raise TypeError(
            "key and verify are for a server's URL; a broker's own URL says who asks, and how it is verified"
        )
    return _broker(url, settings, timeout=timeout, queue_limit=queue_limit)


def _server(url: str, *, key: str | None, verify: ssl.SSLContext | Path | str | None, trust_env: bool) -> Destination:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise SettingsError(f"{_shown(url)} is not an address: {error}; write http://host:port.") from None
    if not parts.hostname or parts.query or parts.fragment or port == 0:
        raise SettingsError(f"{_shown(url)} is not an address; write http://host:port.")
    if "@" in parts.netloc:
        raise SettingsError("the server's URL has a user or a password, which Tidings does not know; give key=.")
    if verify is not None and parts.scheme == "http":
        raise TypeError("verify is for https://, and this URL says http://")
    key = os.environ.get(KEY_VARIABLE, "") if key is None else key
    if not isinstance(key, str) or not (key.isascii() and key.isprintable()):
        raise SettingsError("the key is not plain ASCII text, which an API key is.")
    from tidings.app.publisher.http import HttpCarrier

    base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
    # Without https:// nobody is verified; that context would trust nobody, and costs nothing.
    context = _context(verify) if parts.scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return Destination(base, lambda: HttpCarrier(base, key, context=context, trust_env=trust_env))


def _context(verify: ssl.SSLContext | Path | str | None) -> ssl.SSLContext:
    if isinstance(verify, ssl.SSLContext):
        return verify
    if isinstance(verify, bool):
        raise TypeError("a server is always verified; name the file of its authority: verify='ca.pem'")
    try:
        return encryption.outward(verify)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"verify: {verify} is not a file with certificates in PEM: {error}.") from error


def _broker(
    url: str, given: Settings | Mapping[str, Any] | Path | str | None, *, timeout: float, queue_limit: int
) -> Destination:
    from tidings.app import build
    from tidings.app.publisher.broker import BrokerCarrier
    from tidings.app.settings import Settings

    own = {"url": url, "publish_timeout": timeout, "publish_queue_limit": queue_limit}
    flags = {f"broker.{key}": value for key, value in own.items()}
    if isinstance(given, Settings):
        settings = dataclasses.replace(given, broker=given.broker.model_copy(update=own))
    elif isinstance(given, Mapping):
        settings = Settings.of({**given, **flags})
    else:
        settings = Settings.load(None if given is None else Path(given), overrides=flags)
    build.check(settings)
    return Destination(_shown(url), lambda: BrokerCarrier(settings))


def _shown(url: str) -> str:
    """A URL without user and password, however it is written."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path.rpartition('@')[2]}"
