"""The server's certificate, and how it is renewed while connections stay.

The handshakes to come get another context with the new certificate. Loading it into the context of the server would
leave the old one in there beside it when the kind of key changes from RSA to ECDSA or back, and clients would go on to
see that.
"""

from __future__ import annotations

import ssl

from tidings.errors import SettingsError
from tidings.gateway.transports.encryption import harden


class Certificate:
    """What the handshakes of a server show. `context` is the server's."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._current: ssl.SSLContext | None = None
        context.sni_callback = self._choose

    def use(self, loaded: ssl.SSLContext) -> None:
        """Show this one from now on."""
        self._current = loaded

    def _choose(self, handshake: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        # Called at the beginning of each handshake, whether or not the client names a server.
        if self._current is not None:
            handshake.context = self._current


def load(certificate: str, key: str) -> ssl.SSLContext:
    """Read a certificate and its key, which have to belong together. Raises `SettingsError`. Reads files."""
    context = harden(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    try:
        context.load_cert_chain(certificate, key, password=_refuse)
    except (OSError, ValueError) as error:
        raise SettingsError(f"[server] tls_certificate and tls_key cannot be used: {error}.") from error
    return context


def _refuse() -> str:
    """The library would ask on the terminal, and nothing would be served until somebody answers."""
    raise ValueError("the key has a passphrase")
