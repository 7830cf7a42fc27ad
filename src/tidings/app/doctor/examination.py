"""The whole examination, in the order in which one thing stands on another."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from tidings.app import build, lifecycle
from tidings.app.doctor import (
    carrier,
    certificates,
    configuration,
    endpoints,
    issuers,
    listening,
    machine,
    roundtrip,
    service,
)
from tidings.app.doctor.listening import Occupant
from tidings.app.settings import Settings
from tidings.app.settings.auth import Auth
from tidings.app.settings.sections import Client, Limits, Proxies, Server, Tracing
from tidings.app.tidings import Tidings
from tidings.errors import TidingsError
from tidings.findings import Finding, Judging, Level

OTHERS_READ = 0o044
TRIAL = "a server started for the trial"


async def examine(settings: Settings, *, file: Path | None = None, url: str = "") -> AsyncIterator[Finding]:
    """All findings about an installation, as they are made.

    `file` is where the settings come from, if from a file. `url` is where clients find the server, perhaps behind
    proxies; without it the server of the settings is asked, and where none runs, one is started for a moment on a free
    port of this machine. Raises `SettingsError` for settings that cannot be. Cancelling leaves nothing behind.
    """
    build.check(settings)
    for finding in configuration.judge(settings):
        yield finding
    for level, subject, text in _secrecy(settings, file):
        yield Finding(level, str(file), subject, text)
    for level, subject, text in machine.judge(machine.look(), settings):
        yield Finding(level, machine.WHERE, subject, text)
    for level, subject, text in certificates.judge(settings, datetime.now(UTC)):
        yield Finding(level, settings.server.tls_certificate, subject, text)
    async for finding in issuers.examine(settings):
        yield finding
    async for finding in endpoints.examine(settings):
        yield finding
    broken = False
    async for finding in carrier.examine(settings):
        broken = broken or finding.level is Level.PROBLEM
        yield finding
    async for finding in _server(settings, url, broken=broken):
        yield finding


async def _server(settings: Settings, url: str, *, broken: bool) -> AsyncIterator[Finding]:
    occupant, finding = await listening.examine(settings.server)
    if url:
        occupant = Occupant.TIDINGS
    else:
        yield finding
    if occupant is Occupant.TIDINGS:
        base = url.rstrip("/") or _here(settings.server).url()
        async for each in _running(settings, base):
            yield each
    elif broken:
        yield Finding(Level.WARNING, TRIAL, "round trip", "was not tried: mend what is wrong with the broker first.")
    else:
        async for each in _trial(settings):
            yield each


async def _running(settings: Settings, base: str) -> AsyncIterator[Finding]:
    async for finding in service.examine(base):
        yield finding
        if finding.subject == "reachable":
            return
    way = _way(settings, base)
    if way is None:
        yield Finding(
            Level.WARNING,
            base,
            "round trip",
            "was not tried: it needs [auth] hmac_secret for a token, [api] key to publish, and personal channels.",
        )
        return
    async for finding in roundtrip.examine(way):
        yield finding


def _way(settings: Settings, base: str) -> roundtrip.Way | None:
    """A publication's way, if there is all that it takes."""
    auth, api = settings.auth, settings.api
    if not auth.rules.hmac_secret or not (api.secret or api.insecure):
        return None
    if not settings.client.personal_channel and auth.subscriptions is not None:
        return None
    api_base = _here(settings.server).internal_url() if settings.server.is_divided else base
    return roundtrip.Way(base=base, api=api_base, rules=auth.rules, api_key=api.secret)


async def _trial(settings: Settings) -> AsyncIterator[Finding]:
    """The round trip through a server of our own, with the broker and the channels of the settings."""
    secret, key = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
    trial = replace(
        settings,
        server=Server(port=0, drain_timeout=1.0),
        auth=Auth(hmac_secret=SecretStr(secret)),
        api=settings.api.model_copy(update={"key": SecretStr(key), "insecure": False, "error_mode": ""}),
        client=Client(),
        limits=Limits(),
        proxy=Proxies(),
        tracing=Tracing(),  # Its collector is not to hear of a trial.
        files=(),
        again=None,
    )
    bound = lifecycle.bind(trial.server.host, 0)
    ready = asyncio.Event()
    server = lifecycle.Server(Tidings(settings=trial), ready.set)
    server.signals = ()  # Ctrl-C is for the doctor.
    running = asyncio.create_task(server.serve(sockets=[bound]), name="server of the trial")
    try:
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if running.done():
            error = running.exception()
            reason = error.message if isinstance(error, TidingsError) else str(error)
            yield Finding(Level.PROBLEM, TRIAL, "start", f"{reason}. `tidings serve` would end like this.")
            return
        base = trial.server.url(bound.getsockname()[1])
        async for finding in roundtrip.examine(roundtrip.Way(base=base, api=base, rules=trial.auth.rules, api_key=key)):
            if finding.subject == "round trip":  # Its clock is ours.
                yield Finding(finding.level, TRIAL, finding.subject, finding.text)
    finally:
        server.should_exit = True
        await asyncio.wait([running])
        bound.close()


def _here(server: Server) -> Server:
    """As this machine finds it: what listens on every address is found on its own."""
    own = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104, nothing listens
    hosts = {key: getattr(server, key) for key in ("host", "internal_host")}
    return server.model_copy(update={key: own.get(host, host) for key, host in hosts.items()})


def _secrecy(settings: Settings, file: Path | None) -> Judging:
    """Whether others may read the file that holds secrets. Windows has no such bits."""
    if file is None or not (settings.auth.hmac_secret.get_secret_value() or settings.api.secret):
        return
    try:
        mode = file.stat().st_mode
    except OSError:
        return
    if mode & OTHERS_READ:
        yield Level.WARNING, "permissions", f"holds secrets, and others may read it. chmod 600 {file}"
