"""Settings, keys and certificates that change while the server runs."""

from tidings.app.renewal.certificate import Certificate
from tidings.app.renewal.renewal import Renewal

__all__ = ["Certificate", "Renewal"]
