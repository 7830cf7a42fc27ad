"""The section `[auth]`: whose tokens count, for connections and for subscriptions, from one issuer or several."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field, SecretStr

from tidings.app.settings.fields import Duration, Section
from tidings.gateway.claims import ClaimNames
from tidings.gateway.keys import Realm
from tidings.gateway.tokens import TokenRules

NO_SECRET = SecretStr("")


class Claims(Section):
    """What the claims are called; with a slash in front it is a path, /realm/user_id."""

    user: str = Field(default="sub", min_length=1, description="Who the user is.")
    info: str = Field(default="info", description="What others see of the user; empty for nothing.")
    meta: str = Field(default="meta", description="What only the application sees; empty for nothing.")
    channels: str = Field(default="channels", description="Server-side subscriptions; empty for none.")


STANDARD = Claims()


class Signer(Section):
    """An issuer of tokens."""

    hmac_secret: SecretStr = Field(default=NO_SECRET, description="For HS256, HS384, HS512.")
    hmac_secret_file: str = Field(default="", description="Or a file that has nothing but it.")
    previous_hmac_secret: SecretStr = Field(default=NO_SECRET, description="Accepted too, while replacing the secret.")
    previous_hmac_secret_file: str = Field(default="", description="Or a file that has nothing but it.")
    rsa_public_key: str = Field(default="", description="PEM text, for RS256, RS384, RS512.")
    ecdsa_public_key: str = Field(default="", description="PEM text, for ES256, ES384 or ES512, as its curve has it.")
    eddsa_public_key: str = Field(default="", description="PEM text, for EdDSA.")
    jwks_url: str = Field(
        default="",
        repr=False,  # may have a key of the issuer's in it
        description="Where the issuer publishes its keys: https://…/jwks.json.",
    )
    jwks_ttl: Duration = Field(default=3600.0, description="How long these are good, if the issuer does not say less.")
    audience: str = Field(default="", description="What tokens must have as their aud, if anything.")
    issuer: str = Field(default="", description="What tokens must have as their iss, if anything.")
    claims: Claims = STANDARD

    def trusted(self, section: str) -> TokenRules:
        """The table as the gateway takes it, secrets in plain text."""
        return TokenRules(
            hmac_secret=self.hmac_secret.get_secret_value(),
            previous_hmac_secret=self.previous_hmac_secret.get_secret_value(),
            rsa_public_key=self.rsa_public_key,
            ecdsa_public_key=self.ecdsa_public_key,
            eddsa_public_key=self.eddsa_public_key,
            audience=self.audience,
            issuer=self.issuer,
            jwks_url=self.jwks_url,
            jwks_ttl=self.jwks_ttl,
            claims=ClaimNames(**self.claims.model_dump()),
            section=section,
        )


class Signers(Signer):
    """Who signs subscription tokens, if that is somebody else. The keys of [auth] then count no more for these."""

    issuers: dict[str, Signer] = {}

    def signers(self, section: str) -> Iterator[tuple[tuple[str, ...], Signer]]:
        """Everybody, each with the place of its table; first who stands outside of [….issuers]."""
        place = tuple(section.split("."))
        yield place, self
        for name, signer in self.issuers.items():
            yield (*place, "issuers", name), signer

    def trust(self, section: str) -> Realm:
        """The table as the gateway takes it."""
        rules, *issuers = (signer.trusted(".".join(place)) for place, signer in self.signers(section))
        return Realm(rules, tuple(issuers))


class Auth(Signers):
    """Who may connect: with a token signed by one of these keys."""

    subscription: Signers = Signers()

    @property
    def rules(self) -> TokenRules:
        """Whose connection tokens count, without those of further issuers."""
        return self.trusted("auth")

    @property
    def connections(self) -> Realm:
        """Whose connection tokens count."""
        return self.trust("auth")

    @property
    def subscriptions(self) -> Realm | None:
        """Whose subscription tokens count, None if they are the same."""
        apart = self.subscription.trust("auth.subscription")
        return apart if apart.has_keys else None
