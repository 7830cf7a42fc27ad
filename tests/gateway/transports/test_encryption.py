"""Whom an endpoint's connections trust."""

from __future__ import annotations

import ssl

import pytest

from tidings.gateway.webhooks.line import tls
from tidings.gateway.webhooks.terms import Event, Terms

pytestmark = pytest.mark.core


def test_certificates_are_verified_over_tls_of_this_decade() -> None:
    context = tls(Terms(Event.RPC, "https://app.example"))
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(OSError, match="No such file"):
        tls(Terms(Event.RPC, "https://app.example", ca_file="/nowhere.pem"))
