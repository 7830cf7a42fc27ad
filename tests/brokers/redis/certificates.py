"""An authority of a test, and certificates that it signs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

LIFE = timedelta(hours=1)
THIS_MACHINE = "127.0.0.1"


class Authority:
    """Signs certificates for this machine. `certificate` is the file of its own."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("authority")
        certificate = _certificate(self._name, self._name, self._key, is_authority=True).sign(
            self._key, hashes.SHA256()
        )
        self.certificate = directory / "authority.pem"
        self.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))

    def signed(self, name: str, *, host: str = THIS_MACHINE, age: timedelta = LIFE) -> tuple[Path, Path]:
        """The files of a new certificate and its key. It lasts for twice `LIFE`, of which `age` has passed."""
        key = ec.generate_private_key(ec.SECP256R1())
        unsigned = _certificate(_name(name), self._name, key, is_authority=False, host=host, age=age)
        certificate = unsigned.sign(self._key, hashes.SHA256())
        files = self._directory / f"{name}.pem", self._directory / f"{name}.key"
        files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
        files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return files


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    *,
    is_authority: bool,
    host: str = THIS_MACHINE,
    age: timedelta = LIFE,
) -> x509.CertificateBuilder:
    began, number = datetime.now(UTC) - age, x509.random_serial_number()
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))])
    return (
        x509.CertificateBuilder(issuer, subject, key.public_key(), number, began, began + 2 * LIFE)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
