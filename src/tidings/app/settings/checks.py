"""Settings that are each possible, and cannot be together or not in this version.

A check looks at finished sections and yields what it objects to: where, and a sentence. It knows no file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_network
from urllib.parse import urlsplit

from tidings.app.settings.complaints import Objection, given, heading, objection
from tidings.app.settings.layers import Place
from tidings.app.settings.sections import Broker, Client, Limits, Proxies, Proxy, Server, Tracing
from tidings.app.settings.transforms import Transform
from tidings.channels.options import ChannelOptions
from tidings.errors import SettingsError
from tidings.gateway.admission import TrustedProxies
from tidings.gateway.origins import EVERYONE
from tidings.gateway.webhooks import headers
from tidings.gateway.webhooks.terms import REASON

Address = tuple[str, int]

EVERY = frozenset({"0.0.0.0", "::"})  # noqa: S104, nothing listens
IN_PROCESS = "memory"
REDIS = ("redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster")
SCHEMES = (IN_PROCESS, *REDIS, "nats", "tls")
DELTA_TYPES = ("fossil",)
NAMESPACE = re.compile(r"[-a-zA-Z0-9_.]{2,}")
HEADER = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+")


def check_server(server: Server, broker: Broker) -> Iterator[Objection]:
    if server.workers > 1 and _scheme(broker.url) == IN_PROCESS:
        yield objection(
            ("server", "workers"),
            f"= {server.workers} needs a broker between processes, and memory:// stays within one; set [broker] url",
        )
    if server.is_divided and server.port and _are_one((server.host, server.port), server.internal_address):
        yield objection(("server", "internal_port"), f"= {server.port} is that of the clients; choose another one")
    for entry in server.trusted_proxies:
        try:
            TrustedProxies([entry])
        except ValueError:
            yield objection(("server", "trusted_proxies"), _no_proxy(entry))
    for one, other in (("tls_certificate", "tls_key"), ("tls_key", "tls_certificate")):
        if getattr(server, one) and not getattr(server, other):
            yield objection(("server", one), f"needs {other}; set both or neither")


def check_broker(broker: Broker) -> Iterator[Objection]:
    scheme = _scheme(broker.url)
    if scheme not in SCHEMES:
        known = ", ".join(f"{known}://" for known in SCHEMES)
        # Not the whole URL: it may hold a password.
        instead = f", not with {scheme}://" if scheme else ""
        yield objection(("broker", "url"), f"must begin with one of {known}{instead}")


def check_client(client: Client) -> Iterator[Objection]:
    if client.ping_interval and client.ping_interval <= client.pong_timeout:
        yield objection(
            ("client", "ping_interval"),
            f"= {client.ping_interval} must exceed pong_timeout = {client.pong_timeout}",
        )
    for pattern in client.allowed_origins:
        if pattern != EVERYONE and "://" not in pattern:
            yield objection(
                ("client", "allowed_origins"),
                f'must name schemes, such as "https://*.example.com", and {given(pattern)} has none',
            )
        elif "/" in pattern.partition("://")[2]:
            yield objection(
                ("client", "allowed_origins"),
                f"must end with the host or the port, as an origin does, and {given(pattern)} goes on",
            )


def check_limits(limits: Limits) -> Iterator[Objection]:
    for key, limit in limits:
        try:
            limits.rate(key)
        except ValueError as error:
            yield objection(("limits", key), f"must {error}, not {given(limit)}")


def check_tracing(tracing: Tracing) -> Iterator[Objection]:
    if tracing.endpoint and _scheme(tracing.endpoint) not in ("http", "https"):
        yield objection(("tracing", "endpoint"), "must begin with http:// or https://")


def check_proxies(proxies: Proxies) -> Iterator[Objection]:
    for event, proxy in proxies:
        if proxy.endpoint and not _is_http(proxy.endpoint):
            # Not the address itself: it may hold a password.
            yield objection(("proxy", event, "endpoint"), 'must be an address such as "https://app.example.com/path"')
        for name in proxy.http_headers:
            if not HEADER.fullmatch(name):
                yield objection(("proxy", event, "http_headers"), f"holds {given(name)}, which is no name of a header")
            elif not headers.may_be_passed(name):
                yield objection(("proxy", event, "http_headers"), f"holds {given(name)}, which is never passed on")
        if proxy.ca_file and not proxy.endpoint.startswith("https:"):
            yield objection(("proxy", event, "ca_file"), "needs an endpoint that begins with https://")
        if isinstance(proxy, Proxy):
            place = ("proxy", event, "status_to_code_transforms")
            yield from (objection(place, fault) for fault in _faults(proxy.status_to_code_transforms))


def _faults(transforms: Sequence[Transform]) -> Iterator[str]:
    seen: set[int] = set()
    for transform in transforms:
        status, kinds = transform.status_code, (transform.to_error, transform.to_disconnect)
        if status == 200:
            yield "cannot have 200, with which the body is the answer"
        elif status in seen:
            yield f"has {status} more than once; leave one in"
        elif kinds.count(None) != 1:
            yield f"needs to_error or to_disconnect for {status}, and has {'both' if all(kinds) else 'neither'}"
        elif transform.to_disconnect and not re.match(REASON, transform.to_disconnect.reason):
            yield f"has a reason for {status} that is not one of at most 32 printable ASCII characters"
        seen.add(status)


def check_proxied(place: Place, options: ChannelOptions, proxies: Proxies) -> Iterator[Objection]:
    """A namespace may only ask an endpoint that there is."""
    for event in ("subscribe", "publish", "sub_refresh", "state"):
        option = f"{event}_proxy"
        if getattr(options, option) and not getattr(proxies, event).endpoint:
            yield objection((*place, option), f"needs an endpoint; set [proxy.{event}] endpoint")


def check_namespaces(namespaces: Mapping[str, ChannelOptions]) -> Iterator[Objection]:
    for name in namespaces:
        if not NAMESPACE.fullmatch(name):
            yield (
                ("channels", "namespaces", name),
                f'[channels.namespaces] {given(name)} is not a name of two or more letters, digits, "-", "_" or ".".',
            )


def check_channels(place: Place, options: ChannelOptions) -> Iterator[Objection]:
    for name in options.allowed_delta_types:
        if name not in DELTA_TYPES:
            yield objection((*place, "allowed_delta_types"), f'can hold "fossil" only, not {given(name)}')
    try:
        options.check(heading(place))
    except SettingsError as error:
        yield place, error.message


def _are_one(one: Address, other: Address) -> bool:
    """Whether only one of two can listen: whoever has a port on every address has it on each."""
    hosts = {one[0], other[0]}
    return one[1] == other[1] and (len(hosts) == 1 or bool(hosts & EVERY))


def _no_proxy(entry: str) -> str:
    wanted = f'holds addresses and networks, such as "10.0.0.0/8", and {given(entry)} is neither'
    with suppress(ValueError):
        return f'{wanted}; its network is "{ip_network(entry, strict=False)}"'
    return wanted


def _scheme(url: str) -> str:
    scheme, separator, _ = url.partition("://")
    return scheme if separator else ""


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        is_plain = url.isprintable() and " " not in url
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and is_plain
    except ValueError:  # a port that is none, half an IPv6 address
        return False
