"""The server's certificate: whether the key is its own, how long it is good, and for whom. Pure but for the reading."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from tidings.app.renewal.certificate import load
from tidings.app.settings import Settings
from tidings.errors import SettingsError
from tidings.findings import Judging, Level

SOON = timedelta(days=21)
"""Before its end a certificate is to be renewed; authorities that renew by themselves do it a month before."""
RSA_BITS = 2048


def judge(settings: Settings, now: datetime) -> Judging:
    """Findings about the certificate of the settings; none where there is none."""
    server = settings.server
    if not server.tls_certificate:
        return
    try:
        chain = x509.load_pem_x509_certificates(Path(server.tls_certificate).read_bytes())
        load(server.tls_certificate, server.tls_key)
    except SettingsError as error:
        yield Level.PROBLEM, "certificate", f"{error.message} Is {server.tls_key} its key, without a passphrase?"
        return
    except OSError as error:
        yield Level.PROBLEM, "certificate", f"{error.filename or server.tls_key} cannot be read: {error.strerror}."
        return
    except ValueError:
        yield Level.PROBLEM, "certificate", f"{server.tls_certificate} holds no certificate in PEM."
        return
    yield from judge_chain(chain, now)


def judge_chain(chain: list[x509.Certificate], now: datetime) -> Judging:
    """Findings about certificates, the server's own first."""
    own = chain[0]
    begin, end = own.not_valid_before_utc, min(one.not_valid_after_utc for one in chain)
    if now < begin:
        yield Level.PROBLEM, "certificate", f"is good only from {_day(begin)} on. Is this machine's clock right?"
    elif now >= end:
        yield Level.PROBLEM, "certificate", f"ended on {_day(end)}: clients refuse it. Renew it."
    elif end - now < SOON:
        yield Level.WARNING, "certificate", f"ends on {_day(end)}, in {(end - now).days} days. Renew it."
    else:
        yield Level.OK, "certificate", f"is good until {_day(end)}{_names(own)}."
    if own.issuer == own.subject:
        yield (
            Level.WARNING,
            "certificate",
            "is signed by itself: browsers refuse it unless they are told to trust it. Take one of an authority.",
        )
    key = own.public_key()
    if isinstance(key, RSAPublicKey) and key.key_size < RSA_BITS:
        yield Level.PROBLEM, "certificate", f"its key has {key.key_size} bits; clients ask for {RSA_BITS}. Make anew."


def _names(certificate: x509.Certificate) -> str:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    hosts = [str(name.value) for name in names if isinstance(name, x509.DNSName | x509.IPAddress)]
    return f", for {', '.join(hosts)}" if hosts else ""


def _day(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d")
