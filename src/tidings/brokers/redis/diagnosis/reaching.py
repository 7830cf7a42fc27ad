"""Why a server cannot be used, in a sentence, and what may help."""

from __future__ import annotations

CURES = {
    "WRONGPASS": "Check user and password in the URL; characters such as @ and / have to be percent-encoded.",
    "NOAUTH": "It wants a password: redis://user:password@host.",
    "NOPERM": "The user may not do what every connection begins with; docs/redis.md has one with all that is needed.",
    "command 'SENTINEL'": "It is no sentinel; those usually listen on port 26379.",
    "certificate": "Name the authority that signed its certificate in ssl_ca_certs, and use the name that is in it.",
    "SSL": "It may not speak TLS; redis:// is without.",
    "unknown command": "Redis 6.2 or newer is needed.",
    "database": "Use a number of a database that it has.",
    "DB index": "Use a number of a database that it has.",
    "cluster support disabled": "It is a single server: use redis://.",
    "reset by peer": "If it speaks TLS, use rediss://.",
    "speak the Redis protocol": "Is this the port of a Redis? If it speaks TLS, use rediss://.",
    "closed the connection": "If it speaks TLS, use rediss://.",
    "LOADING": "It reads its data from disk. Look again when it has.",
    "Connect call failed": "Is it running, and does it listen on this address and port?",
    "refused": "Is it running, and does it listen on this address and port?",
    "no answer": "Is it running, is no firewall in between, and does it speak TLS exactly if the URL does?",
    "not known": "Check the name of the host.",
}
"""What may help, by a part of what went wrong; the first that fits."""


def because(trouble: str, what: str = "") -> str:
    """`what` is said before it, where more than the server itself is concerned."""
    return f"{what} cannot be used: {trouble.rstrip('.')}.".strip()


def cure(trouble: str) -> str:
    """What to do about it."""
    return next((advice for part, advice in CURES.items() if part.lower() in trouble.lower()), "Check the URL.")
