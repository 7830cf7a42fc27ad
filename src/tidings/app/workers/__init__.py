"""Several processes on one port."""

from tidings.app.workers.supervisor import serve

__all__ = ["serve"]
