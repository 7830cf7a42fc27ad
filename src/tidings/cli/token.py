"""The command that makes a token."""

from __future__ import annotations

import re
import time
from typing import Annotated

import msgspec
import typer

from tidings.app.settings import Settings
from tidings.channels import names
from tidings.cli.options import Config, Verbose
from tidings.errors import SettingsError
from tidings.gateway.tokens import mint

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def duration(text: str) -> float:
    """Seconds from a text such as 90, 30s, 5m, 1h or 7d."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text)
    if match is None or not float(match[1]):
        raise typer.BadParameter(f"{text!r} is no duration; write 30s, 5m, 1h or 7d.")
    return float(match[1]) * UNITS[match[2] or "s"]


def json_text(text: str) -> str:
    """A text that is JSON."""
    try:
        msgspec.json.decode(text.encode())
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"{_shortened(text)!r} is not JSON: {error}.") from error
    return text


def channel_name(text: str) -> str:
    """A name that a channel can have."""
    if not names.is_well_formed(text):
        raise typer.BadParameter(f"{_shortened(text)!r} is no channel; a name has 1 to 255 printable ASCII characters.")
    return text


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"


def token(
    user: Annotated[str, typer.Option(metavar="ID", help="Whom the token is for.")],
    ttl: Annotated[
        float, typer.Option(parser=duration, metavar="TIME", help="How long it is good: 30s, 5m, 7d.")
    ] = "1h",  # type: ignore[assignment]
    channel: Annotated[
        str | None, typer.Option(parser=channel_name, metavar="C", help="Make a subscription token for this channel.")
    ] = None,
    info: Annotated[
        str | None, typer.Option(parser=json_text, metavar="JSON", help="What others see of the user.")
    ] = None,
    config: Config = None,
    verbose: Verbose = False,
) -> None:
    """Print a token, signed with the secret of the settings.

    A connection token says who a client is; with --channel it is a
    subscription token, which lets that user into that one channel. Audience,
    issuer and the names of the claims are those of the settings.
    """
    auth = Settings.load(config).auth
    apart = channel is not None and auth.subscriptions is not None
    rules = auth.subscription.trusted("auth.subscription") if apart else auth.rules
    secret = rules.hmac_secret
    if not secret:
        section = "[auth.subscription]" if apart else "[auth]"
        raise SettingsError(f"there is no {section} hmac_secret to sign with; `tidings config init` makes one.")
    shown = (info or "").encode()
    print(mint(secret, user=user, ttl=ttl, channel=channel or "", info=shown, now=time.time(), rules=rules))
