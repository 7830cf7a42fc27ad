"""Whom we trust when we call: endpoints of webhooks, issuers of keys, servers to publish to."""

from __future__ import annotations

import ssl

import pytest

from tidings.gateway.transports.encryption import outward

pytestmark = pytest.mark.core


@pytest.mark.parametrize("ca_file", [None, ""])
def test_certificates_are_verified_over_tls_of_this_decade(ca_file: str | None) -> None:
    context = outward(ca_file)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(OSError, match="No such file"):
        outward("/nowhere.pem")
