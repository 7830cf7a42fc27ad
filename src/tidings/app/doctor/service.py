"""A server that runs: its health, and whether proxies on the way tell it what it needs to know."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx2

from tidings.app.doctor.configuration import is_loopback
from tidings.findings import Finding, Judging, Level
from tidings.gateway.transports import encryption
from tidings.gateway.transports.outgoing import HttpClient
from tidings.version import __version__

PATIENCE = 5.0
FORGED = "192.0.2.1"
"""An address of nobody (RFC 5737), to see whether whoever sends it is believed."""
CALLER = "/health/caller"
INNER_NETWORKS = [
    ipaddress.ip_network(network) for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
]


async def examine(base: str) -> AsyncIterator[Finding]:
    """Findings about the server at a URL. Without an answer there is one finding, which is a problem."""
    trusted = encryption.outward()
    async with HttpClient(base_url=base, verify=trusted, timeout=PATIENCE, trust_env=False) as client:
        try:
            health = await client.get("/health")
            caller = await client.get(CALLER, headers={"x-forwarded-for": FORGED})
        except httpx2.HTTPError as error:
            yield Finding(Level.PROBLEM, base, "reachable", f"{_reason(error)} {_cure(error)}")
            return
    for level, subject, text in (*judge_health(health), *judge_caller(base, caller)):
        yield Finding(level, base, subject, text)


def judge_health(answer: httpx2.Response) -> Judging:
    """What /health says."""
    told = _object(answer)
    version = told.get("version")
    if answer.status_code == 503 and "reason" in told:
        yield Level.PROBLEM, "health", f"{told['reason']}. Clients are not let in until this is over."
    elif answer.status_code != 200 or not version:
        yield (
            Level.WARNING,
            "health",
            f"/health answers {answer.status_code}, not as a Tidings server would. A proxy may keep it back.",
        )
    elif version != __version__:
        yield Level.WARNING, "version", f"the server is {version}, and this is {__version__}. Use the same for both."
    else:
        yield Level.OK, "health", "can be used."


def judge_caller(base: str, answer: httpx2.Response) -> Judging:
    """What the server takes us for, though we say that we come from elsewhere."""
    told = _object(answer)
    if answer.status_code != 200 or "address" not in told:
        yield (
            Level.WARNING,
            "proxy headers",
            f"{CALLER} cannot be asked here (it answers {answer.status_code}), so whether the server sees the "
            "addresses of its clients is not known. Let your proxy pass it on.",
        )
        return
    address, host = str(told["address"]), urlsplit(base).hostname or ""
    if address == FORGED and is_loopback(host):
        yield (
            Level.OK,
            "proxy headers",
            "the server takes the word of a proxy on this machine. With --url the way through your proxies is tried.",
        )
    elif address == FORGED:
        yield (
            Level.PROBLEM,
            "proxy headers",
            "whoever connects here chooses the address that limits and logs see (X-Forwarded-For). That is right for "
            "a proxy on the way, and for nobody else: let the proxy overwrite or append to the header, and take "
            "other addresses out of [server] trusted_proxies.",
        )
    elif not is_loopback(host) and _is_inner(address) and not _is_inner(host):
        yield (
            Level.WARNING,
            "proxy headers",
            f"the server takes everybody for {address}, which is a proxy. Name it in [server] trusted_proxies, and "
            "let it send X-Forwarded-For.",
        )
    elif urlsplit(base).scheme == "https" and told.get("scheme") not in ("https", "wss"):
        yield (
            Level.WARNING,
            "proxy headers",
            "the server takes the connection for unencrypted. Let the proxy send X-Forwarded-Proto, and name it in "
            "[server] trusted_proxies.",
        )
    else:
        yield Level.OK, "proxy headers", f"the server sees this client as {address}."


def _object(answer: httpx2.Response) -> dict[str, object]:
    try:
        told = answer.json()
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _is_inner(host: str) -> bool:
    """Whether it is an address that only machines nearby have (RFC 1918, RFC 4193, and loopback)."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or any(
        address.version == network.version and address in network for network in INNER_NETWORKS
    )


def _cure(error: Exception) -> str:
    if "certificate" in str(error).lower():
        return (
            "Name in --url the host that the certificate is for, and in SSL_CERT_FILE an authority, or a certificate "
            "that is signed by itself, which this machine does not trust otherwise."
        )
    return "Is the server running, at this address?"


def _reason(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return f"{text[:1].lower()}{text[1:].rstrip('.')}."
