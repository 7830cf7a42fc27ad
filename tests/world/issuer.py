"""An issuer of tokens: publishes its keys from a process of its own, as well or as badly as a test wants it.

The process is this module under uvicorn; `Issuer` is its handle in the test, which has the private keys.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from tests.world.command import ROOT

from tidings.testing import AsgiApp

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

HOUR = 3600.0
FLOOD = b" " * 65536


class Issuer:
    """`url` is where its keys are. The keys in `keys` are published by `publish`, those of others are not known."""

    def __init__(self, app: AsgiApp) -> None:
        self.app = app
        self.keys: dict[str, PrivateKey] = {}

    @property
    def url(self) -> str:
        return f"{self.app.url}/jwks.json"

    def add(self, kid: str, key: PrivateKey | None = None) -> None:
        """Have another key, not yet published."""
        self.keys[kid] = key or ec.generate_private_key(ec.SECP256R1())

    def token(self, user: str, kid: str, *, ttl: float = HOUR, **claims: Any) -> str:
        """A token that is signed with one of the keys."""
        key = self.keys[kid]
        payload = {"sub": user, "exp": time.time() + ttl, **claims}
        return jwt.encode(payload, key, algorithm=_algorithm(key), headers={"kid": kid})

    def publish(self, *kids: str, mode: str = "good", cache_control: str = "") -> None:
        """Publish these keys from now on, in this mode: see `application`."""
        document = {"keys": [jwk(self.keys[kid], kid) for kid in kids]}
        settings = {"document": document, "mode": mode, "cache_control": cache_control}
        httpx2.post(f"{self.app.url}/control", json=settings).raise_for_status()

    @property
    def asked(self) -> int:
        """How often somebody has asked for the keys."""
        return int(httpx2.get(f"{self.app.url}/asked").text)


def issuer_app() -> AsgiApp:
    """The process of an issuer."""
    return AsgiApp("tests.world.issuer:application", folder=ROOT, ready_path="/asked")


def jwk(key: PrivateKey, kid: str, **more: Any) -> dict[str, Any]:
    """The public half of a key, as a key set has it."""
    public: Any = key.public_key()
    kinds: Any = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}
    algorithm = _algorithm(key)
    found: dict[str, Any] = json.loads(kinds[algorithm].to_jwk(public))
    return {**found, "kid": kid, "use": "sig", "alg": algorithm, **more}


def _algorithm(key: PrivateKey) -> str:
    if isinstance(key, rsa.RSAPrivateKey):
        return "RS256"
    return "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "EdDSA"


# The process.

_state: dict[str, Any] = {"document": {"keys": []}, "mode": "good", "cache_control": "", "asked": 0}


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Modes: good; slow (half a second); hanging (never); an HTTP status; moved; long; html; text; packed."""
    if scope["type"] != "http":
        return
    if scope["path"] == "/control":
        _state.update(json.loads((await receive())["body"]))
        await _answer(send, 200, b"{}")
    elif scope["path"] == "/asked":
        await _answer(send, 200, str(_state["asked"]).encode())
    else:
        _state["asked"] += 1
        await _publish(receive, send, _state["mode"])


async def _publish(receive: Any, send: Any, mode: str) -> None:
    body = json.dumps(_state["document"]).encode()
    headers = [(b"cache-control", _state["cache_control"].encode())] if _state["cache_control"] else []
    match mode:
        case "slow":
            await asyncio.sleep(0.5)
        case "hanging":
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        case "moved":
            await _answer(send, 302, b"", [(b"location", b"/elsewhere.json")])
            return
        case "long":
            body = FLOOD * 32 + body
        case "html":
            body = b"<html>Sign in</html>"
        case "text":
            body = b'{"keys": "none"}'
        case "packed":
            headers = [(b"content-encoding", b"gzip")]
    status = int(mode) if mode.isdecimal() else 200
    await _answer(send, status, body, headers)


async def _answer(send: Any, status: int, body: bytes, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})
