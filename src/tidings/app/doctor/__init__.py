"""What is good and what is unsafe about an installation: settings, machine, certificate, broker, and a round trip."""

from tidings.app.doctor.examination import examine

__all__ = ["examine"]
