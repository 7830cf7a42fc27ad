"""The pytest plugin: levels, honest mocks, measurements, services as fixtures.

It is loaded by pytest itself where Tidings is installed, and does nothing in a suite that asks for none of it.
"""

from tidings.testing.plugin.justified import mock_justified
from tidings.testing.plugin.measured import Measured
from tidings.testing.plugin.registration import pytest_addoption, pytest_configure

__all__ = ["Measured", "mock_justified", "pytest_addoption", "pytest_configure"]
