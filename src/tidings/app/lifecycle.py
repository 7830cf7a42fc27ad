"""A Tidings process from the first port to the last client, with uvicorn as the host."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import math
import os
import signal
import socket
import sys
from collections.abc import Callable, Generator, Sequence
from functools import partial
from types import FrameType
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp

from tidings.app.renewal import Certificate
from tidings.app.renewal.certificate import load as load_certificate
from tidings.app.settings import Settings
from tidings.app.tidings import Tidings
from tidings.errors import SettingsError
from tidings.gateway.admission import TrustedProxies
from tidings.gateway.transports import encryption
from tidings.gateway.transports.http import Doorkeeper, HttpProtocol, HttpTerms
from tidings.gateway.transports.uvicorn import WebSocketProtocol
from tidings.hooks import Hooks
from tidings.observability.lines import Line
from tidings.version import __version__

LOGGER = logging.getLogger("tidings")
SIGNALS = (signal.SIGINT, signal.SIGTERM)
HANGUP: signal.Signals | None = getattr(signal, "SIGHUP", None)
"""Means that the settings are to be read anew. Windows has no such signal."""

GARBAGE_THRESHOLD = 10_000
"""New objects between two looks for garbage."""

GOODBYE = 6.0
"""Seconds after the last client was told in which close handshakes, and the responses under way, may end."""

BACKLOG = 4096
"""Connections that the kernel may hold for us while the loop is busy; the kernel's own bound applies as well."""


class Server(uvicorn.Server):
    """uvicorn's server with our way of stopping: the first signal drains and exits with 0, the second exits at once.

    It listens on the sockets of `bind_all`, in their order. `on_ready` is called once connections are accepted. Running
    it raises `SettingsError` and, when the broker is away, `BrokerUnavailable`.
    """

    signals: tuple[signal.Signals, ...] = SIGNALS

    def __init__(self, hub: Tidings, on_ready: Callable[[], None]) -> None:
        super().__init__(config(hub, hub.settings))
        self._internal = internal_config(hub, hub.settings)
        self._hub = hub
        self._on_ready = on_ready
        self._has_terminal = has_terminal()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        handlers = dict.fromkeys(self.signals, self.handle_exit)
        if HANGUP is not None:
            handlers[HANGUP] = self.handle_hangup
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            os._exit(128 + sig)
        self.should_exit = True

    def handle_hangup(self, sig: int, frame: FrameType | None) -> None:
        """Read the settings anew; unless it means what it is named after, and the terminal is gone."""
        if self._has_terminal and not has_terminal():
            self.handle_exit(sig, frame)
        else:
            self._hub.renewal.hasten()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._hub.renewal.own(Certificate(self.config.ssl) if self.config.ssl else None)
        # uvicorn would start it as well, and make a traceback of a broker that is away.
        await self._hub.start()
        await super().startup(sockets=[])
        for bound, one in zip(sockets or (), (self.config, self._internal), strict=False):
            await self._open(bound, one)
        _collect_less()
        LOGGER.info(Line("started", {"version": __version__, "pid": os.getpid()}))
        self._on_ready()

    async def _open(self, bound: socket.socket, config: uvicorn.Config) -> None:
        """Raises `SettingsError` where somebody else has begun to listen there after the address was bound."""
        try:
            bound.listen(config.backlog)  # uvloop does it, too, and says nothing when it fails.
        except OSError as error:
            host, port, *_ = bound.getsockname()
            await self.shutdown()
            raise SettingsError(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port.") from error
        self.servers.append(await self._listen(bound, config))

    async def _listen(self, bound: socket.socket, config: uvicorn.Config) -> asyncio.Server:
        """As uvicorn does, with a bound on the time that a TLS handshake may take."""
        loop = asyncio.get_running_loop()
        protocol = cast("Callable[..., asyncio.Protocol]", config.http_protocol_class)
        return await loop.create_server(
            lambda: protocol(config=config, server_state=self.server_state, app_state=self.lifespan.state, _loop=loop),
            sock=bound,
            ssl=config.ssl,
            ssl_handshake_timeout=self._hub.settings.server.handshake_timeout if config.ssl else None,
            backlog=config.backlog,
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        LOGGER.info(Line("stopping", {"connections": len(self.server_state.connections)}))
        await super().shutdown(sockets)
        LOGGER.info("stopped")


def _collect_less() -> None:
    """Spare the garbage collector what lives as long as the process, and have it come less often.

    A connection brings some forty objects that stay, and next to no cycles; with Python's own thresholds a fifth of the
    cost of letting a client in is looking for garbage that is not there.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD, 20, 20)


def has_terminal() -> bool:
    """Whether somebody sits in front of this process."""
    return os.isatty(0)


def open_many_files() -> None:
    """Let this process have as many connections as it may: a shell's soft limit is often 1,024 files."""
    if sys.platform == "win32":
        return  # which has no such limit
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # Some systems call it unlimited and refuse to make it so.
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    LOGGER.debug(Line("file limit", {"files": most}))


def bind(host: str, port: int, *, internal: bool = False) -> socket.socket:
    """A listening address, or one sentence about why not. Raises `SettingsError`."""
    key, flag = ("internal_", "[server] internal_port") if internal else ("", "--port")
    try:
        (family, kind, protocol, _, address), *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except socket.gaierror as error:
        raise SettingsError(f'[server] {key}host = "{host}" is not an address of this machine.') from error
    except PermissionError as error:
        raise SettingsError(f"[server] {key}port = {port} may only be used by root; choose one above 1023.") from error
    except OSError as error:
        raise SettingsError(f"cannot listen on {host}:{port}: {error.strerror}; choose another {flag}.") from error
    return bound


def bind_all(settings: Settings) -> list[socket.socket]:
    """The address of the clients, and that of back ends and operators where they have their own.

    Raises `SettingsError`.
    """
    server = settings.server
    public = bind(server.host, server.port)
    if not server.is_divided:
        return [public]
    try:
        return [public, bind(*server.internal_address, internal=True)]
    except SettingsError:
        public.close()
        raise


def serve(hub: Tidings, bound: Sequence[socket.socket], on_ready: Callable[[], None]) -> None:
    """Serve on what `bind_all` has bound until a signal comes, then send everybody away and return.

    Raises as `Server` does.
    """
    open_many_files()
    Server(hub, on_ready).run(sockets=[*bound])


def config(hub: Tidings, settings: Settings) -> uvicorn.Config:
    """How uvicorn is to host the hub. Raises `SettingsError` where the certificate cannot be used."""
    server = settings.server
    uvicorn_config = _config(
        hub.public if server.is_divided else hub,
        settings,
        hub.hooks,
        lifespan="on",
        ssl_certfile=server.tls_certificate or None,
        ssl_keyfile=server.tls_key or None,
    )
    if server.tls_certificate:
        load_certificate(server.tls_certificate, server.tls_key)  # uvicorn would ask for a passphrase, and wait.
    try:
        uvicorn_config.load()
    except OSError as error:
        raise SettingsError(f"[server] tls_certificate and tls_key cannot be used: {error}.") from error
    if uvicorn_config.ssl is not None:
        encryption.harden(uvicorn_config.ssl)
    return uvicorn_config


def internal_config(hub: Tidings, settings: Settings) -> uvicorn.Config:
    """How it is to host what back ends and operators use, where that has its own address: without TLS."""
    uvicorn_config = _config(hub.internal, settings, hub.hooks, lifespan="off")
    uvicorn_config.load()
    return uvicorn_config


def _config(app: ASGIApp, settings: Settings, hooks: Hooks, **own: Any) -> uvicorn.Config:
    server = settings.server
    terms = HttpTerms(server.handshake_timeout, server.request_timeout)
    # uvicorn calls it, and looks for no more than an attribute that it may lack.
    protocol = cast("type[HttpProtocol]", partial(HttpProtocol, doorkeeper=Doorkeeper(terms, hooks)))
    return uvicorn.Config(
        app,
        http=protocol,
        ws=WebSocketProtocol,
        ws_per_message_deflate=False,
        ws_max_size=settings.client.message_limit_bytes,
        log_config=None,
        access_log=False,
        backlog=BACKLOG,
        proxy_headers=True,
        forwarded_allow_ips=TrustedProxies(server.trusted_proxies).entries,
        timeout_graceful_shutdown=math.ceil(server.drain_timeout + GOODBYE),
        server_header=False,
        **own,
    )
