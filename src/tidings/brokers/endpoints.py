"""What the URLs of all brokers over a network have in common: hosts with ports, and the terms of TLS."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

from msgspec import Struct

from tidings.errors import SettingsError

Endpoint = tuple[str, int]
"""A host and a port."""

TLS_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs")
"""What may be said of TLS after the question mark, by the names that redis-py gives it."""


class Tls(Struct, frozen=True):
    """What to prove, and what proof to ask for. Paths, "" for none."""

    ca_certificates: str = ""
    certificate: str = ""
    key: str = ""
    verify: bool = True

    def context(self) -> ssl.SSLContext:
        """Raises `SettingsError` for files that cannot be used."""
        try:
            context = ssl.create_default_context(cafile=self.ca_certificates or None)
            # Python's own default, which the machine's settings for OpenSSL could lower.
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.certificate:
                context.load_cert_chain(self.certificate, self.key or None)
        except OSError as error:
            raise SettingsError(f"[broker] url: the certificates that it names cannot be used: {error}.") from error
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def named(endpoint: Endpoint) -> str:
    """An endpoint as people write it."""
    host, port = endpoint
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_endpoint(text: str, default: Endpoint) -> Endpoint:
    """A host, and a port where one is named. `default` has the port otherwise, and a host to show as an example.

    Raises `SettingsError`.
    """
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(default[1])
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise SettingsError(f'[broker] url: "{port}" is no port; a host is followed by a number from 1 to 65535.')
    host = host.strip("[]")
    if not host:
        raise SettingsError(f"[broker] url: a host is missing, such as {default[0]}:{default[1]}.")
    try:
        host.encode("idna")
    except UnicodeError:
        raise SettingsError(f'[broker] url: "{host}" cannot be the name of a host.') from None
    return host, int(port)


def require_known(options: Mapping[str, str], known: tuple[str, ...]) -> None:
    """Raise `SettingsError` for an option that nobody knows."""
    for name in options:
        if name not in known:
            raise SettingsError(f'[broker] url: the option "{name}" is not known; there are {", ".join(known)}.')


def parse_tls(options: Mapping[str, str], secure_scheme: str, *, is_encrypted: bool) -> Tls | None:
    """The terms that options name; None for a URL that does not speak TLS, and so cannot have any.

    `secure_scheme` is the one that does. Raises `SettingsError`.
    """
    if not is_encrypted:
        if options:
            raise SettingsError(f"[broker] url: {next(iter(options))} needs {secure_scheme}, which speaks TLS.")
        return None
    requirement = options.get("ssl_cert_reqs", "required")
    if requirement not in ("required", "none"):
        raise SettingsError('[broker] url: ssl_cert_reqs is "required" or "none".')
    return Tls(
        options.get("ssl_ca_certs", ""),
        options.get("ssl_certfile", ""),
        options.get("ssl_keyfile", ""),
        requirement == "required",
    )
