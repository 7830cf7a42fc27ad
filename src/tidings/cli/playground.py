"""What `tidings serve --demo` adds to the settings: a channel, keys for one run, and a page to see it all."""

from __future__ import annotations

import ipaddress
import json
import secrets
import shlex
import time
import uuid
from typing import Any

from starlette.routing import BaseRoute

from tidings.app.settings import Settings
from tidings.dashboard import demo
from tidings.errors import SettingsError
from tidings.gateway.tokens import mint

CHANNEL = "demo:lobby"
VISIT = 24 * 3600.0
"""Seconds that a visitor's token lasts."""

NAMESPACE = {
    "presence": True,
    "join_leave": True,
    "force_push_join_leave": True,
    "history_size": 100,
    "history_ttl": 300.0,
    "force_recovery": True,
    "allow_subscribe_for_client": True,
    "allow_publish_for_subscriber": True,
    "allow_presence_for_subscriber": True,
    "allow_history_for_subscriber": True,
    "publication_data_format": "json",
}


def additions(settings: Settings) -> dict[str, Any]:
    """The settings that a demo needs on top of what is set. Raises `SettingsError` where others could reach it."""
    if not _is_loopback(settings.server.host):
        raise SettingsError("--demo lets everybody in and so listens on this machine only; leave out --host.")
    if settings.server.is_divided:
        raise SettingsError(
            "--demo serves everything on one address; leave out [server] internal_host and internal_port."
        )
    added: dict[str, Any] = {"channels": {"namespaces": {"demo": NAMESPACE}}}
    if not settings.auth.hmac_secret.get_secret_value():
        added["auth"] = {"hmac_secret": secrets.token_urlsafe(32)}
    if not settings.api.secret:
        added["api"] = {"key": secrets.token_urlsafe(12)}
    return added


def curl(base: str, key: str) -> str:
    """The line to paste into a terminal."""
    body = json.dumps({"channel": CHANNEL, "data": {"text": "Hello from a terminal"}})
    return f"curl -X POST {base}/api/publish -H {shlex.quote(f'X-API-Key: {key}')} -d {shlex.quote(body)}"


def page(settings: Settings, base: str) -> list[BaseRoute]:
    """The routes of the page."""
    secret = settings.auth.hmac_secret.get_secret_value()

    def visitor(name: str) -> str:
        info = json.dumps({"name": name}).encode()
        return mint(secret, user=f"visitor-{uuid.uuid4().hex[:8]}", ttl=VISIT, info=info, now=time.time())

    return demo.routes(visitor, CHANNEL, curl(base, settings.api.secret))


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
