"""The page behind `tidings serve --demo`."""

from tidings.dashboard.demo.page import routes

__all__ = ["routes"]
