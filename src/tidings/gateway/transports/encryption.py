"""What we speak over TLS: version 1.2 at least, and as a server, ciphers that keep what was said to themselves.

With ECDHE a key that is stolen later opens nothing that was recorded before; AES-GCM and ChaCha20-Poly1305 notice every
change. Those of TLS 1.3 are all of this kind, and are not for us to choose.
"""

from __future__ import annotations

import ssl
from pathlib import Path

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


def harden(context: ssl.SSLContext) -> ssl.SSLContext:
    """The context, so that it speaks nothing older or weaker, whatever the machine's own settings are."""
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    return context


def outward(ca_file: str | Path | None = None) -> ssl.SSLContext:
    """What those whom we call are verified with: the authorities in the file, or the system's. Reads files.

    Raises `OSError`, `ssl.SSLError` among it, where the file cannot be used.
    """
    context = ssl.create_default_context(cafile=ca_file or None)
    # Python's own default, which the machine's settings for OpenSSL could lower.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
