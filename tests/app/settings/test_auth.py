"""The section [auth]: what it becomes, from where, and what is said when it cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidings.app.settings import Settings
from tidings.errors import SettingsError
from tidings.gateway.claims import ClaimNames
from tidings.gateway.keys import Realm
from tidings.gateway.tokens import TokenRules

pytestmark = pytest.mark.core

URL = "https://idp.example.com/jwks.json"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(text: str, **environ: str) -> Settings:
    Path("tidings.toml").write_text(text, encoding="utf-8")
    return Settings.load(None, environ)


def complaint(text: str, **environ: str) -> str:
    with pytest.raises(SettingsError) as raised:
        load(text, **environ)
    return raised.value.message


def test_everything() -> None:
    """Keys, issuers and claims, for connections and for subscriptions."""
    auth = load(
        f"""
        [auth]
        hmac_secret = "a"
        [auth.claims]
        user = "user_id"
        [auth.issuers.idp]
        issuer = "https://idp.example.com"
        jwks_url = "{URL}"
        jwks_ttl = 60
        audience = "us"
        claims.user = "/ids/ours"
        [auth.subscription]
        hmac_secret = "b"
        previous_hmac_secret = "c"
        """
    ).auth
    idp = TokenRules(
        issuer="https://idp.example.com",
        jwks_url=URL,
        jwks_ttl=60.0,
        audience="us",
        claims=ClaimNames(user="/ids/ours"),
        section="auth.issuers.idp",
    )
    assert auth.connections == Realm(TokenRules(hmac_secret="a", claims=ClaimNames(user="user_id")), (idp,))
    assert auth.subscriptions == Realm(
        TokenRules(hmac_secret="b", previous_hmac_secret="c", section="auth.subscription")
    )


def test_without_keys_of_their_own_subscriptions_have_the_same() -> None:
    assert load("[auth]\nhmac_secret = 'a'").auth.subscriptions is None


def test_from_the_environment() -> None:
    """Every key of every table, with the names of issuers in lower case."""
    auth = load(
        "",
        TIDINGS_AUTH__JWKS_URL=URL,
        TIDINGS_AUTH__JWKS_TTL="90",
        TIDINGS_AUTH__CLAIMS__USER="https://example.com/user",
        TIDINGS_AUTH__ISSUERS__IDP__ISSUER="them",
        TIDINGS_AUTH__ISSUERS__IDP__HMAC_SECRET="s",
        TIDINGS_AUTH__SUBSCRIPTION__HMAC_SECRET="t",
    ).auth
    assert (auth.jwks_url, auth.jwks_ttl, auth.claims.user) == (URL, 90.0, "https://example.com/user")
    assert (auth.issuers["idp"].issuer, auth.issuers["idp"].hmac_secret.get_secret_value()) == ("them", "s")
    assert auth.subscription.hmac_secret.get_secret_value() == "t"


def test_somebody_is_let_in() -> None:
    """Also where keys are fetched, where only an issuer has some, and by an endpoint; not by keys for subscriptions."""
    assert load(f"[auth]\njwks_url = '{URL}'").lets_somebody_in
    assert load("[auth.issuers.a]\nissuer = 'a'\nhmac_secret = 's'").lets_somebody_in
    assert load("[proxy.connect]\nendpoint = 'http://localhost/connect'").lets_somebody_in
    assert not load("[auth.subscription]\nhmac_secret = 's'").lets_somebody_in


def test_secrets_are_masked_in_every_table() -> None:
    shown = str(
        load(
            "[auth.issuers.a]\nissuer = 'a'\nhmac_secret = 'one secret'\n"
            "[auth.subscription]\nprevious_hmac_secret = 'two secret'\n"
            "[auth.subscription.issuers.b]\nissuer = 'b'\nhmac_secret = 'three secret'"
        ).shown()
    )
    assert " secret'" not in shown and shown.count("**********") == 3


def test_what_an_address_has_behind_its_path_is_masked() -> None:
    """Nor is it in the text of the settings."""
    settings = load("[auth.issuers.a]\nissuer = 'a'\njwks_url = 'https://idp/jwks?apikey=secret'")
    assert settings.shown()["auth"]["issuers"]["a"]["jwks_url"] == "https://idp/jwks?apikey=**********"
    assert "apikey=secret" not in repr(settings)


ISSUER = "[auth.issuers.a]\nissuer = 'a'\nhmac_secret = 's'\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[auth]\njwks_url = 'idp'", '[auth] jwks_url must be an address like https://issuer.example.com/jwks.json, '
         'not "idp".'),
        ("[auth]\njwks_url = 'ftp://idp/x'", '[auth] jwks_url must be an address like '
         'https://issuer.example.com/jwks.json, not "ftp://idp/x".'),
        ("[auth]\njwks_url = 'https://[::1/x'", '[auth] jwks_url must be an address like '
         'https://issuer.example.com/jwks.json, not "https://[::1/x".'),
        ("[auth]\njwks_url = 'https://me:secret@idp/x'", "[auth] jwks_url must not hold a user or a password; "
         "what is published needs none."),
        ("[auth]\njwks_ttl = 0", "[auth] jwks_ttl must be above 0, not 0."),
        ("[auth.claims]\nuser = ''", '[auth.claims] user must be a text that is not empty, not "".'),
        ("[auth.claims]\ninfo = '/a~b'", '[auth.claims] info = "/a~b" begins with a slash and so is a path, in which '
         '"~" must be "~0" or "~1".'),
        ("[auth.claims]\nusr = 'a'", '[auth.claims] has no key "usr"; did you mean "user"?'),
        ("[auth.idp]\nissuer = 'a'", '[auth] has no key "idp"; did you mean [auth.issuers.idp]?'),
        ("[auth.subscriptions]\nhmac_secret = 'a'",
         '[auth] has no key "subscriptions"; did you mean "subscription"?'),
        ("[auth.issuers.a]\nhmac_secret = 's'",
         "[auth.issuers.a] issuer must say what its tokens have as their iss."),
        ("[auth.issuers.a]\nissuer = 'a'",
         "[auth.issuers.a] has no key; set jwks_url, a public key or hmac_secret."),
        ("[auth.issuers.a]\nhmac_secrt = 's'", '[auth.issuers.a] has no key "hmac_secrt"; did you mean "hmac_secret"?'),
        ("[auth.issuers]\na = 1", "[auth.issuers] a must be a table, not 1."),
        ("[auth.issuers.a]\nhmac_secret = 5", "[auth.issuers.a] hmac_secret must be a text in quotes."),
        ('[auth.issuers."a b"]\nissuer = "a"\nhmac_secret = "s"',
         '[auth.issuers] "a b" is not a name of letters, digits, "-" or "_".'),
        (ISSUER + "[auth.issuers.b]\nissuer = 'a'\nhmac_secret = 't'",
         '[auth.issuers.b] issuer = "a" is there twice; whose keys count would be open.'),
        (ISSUER + "[auth]\nissuer = 'a'",
         '[auth.issuers.a] issuer = "a" is there twice; whose keys count would be open.'),
        ("[auth.issuers.a]\nissuer = 'a'\nrsa_public_key = 'x'",
         "[auth.issuers.a] rsa_public_key must be an RSA public key in PEM."),
        ("[auth.subscription]\nhmac_secret = '{\"kty\":\"oct\",\"k\":\"x\"}'",
         "[auth.subscription] hmac_secret must be a secret of its own, not a key in PEM, SSH or JWK form."),
        ("[auth.subscription]\naudience = 'us'",
         "[auth.subscription] has no key, so it would be good for nothing; set one, or leave the table out."),
    ],
)  # fmt: skip
def test_refused(text: str, sentence: str) -> None:
    """One sentence, with the table and the key, and no secret."""
    assert complaint(text) == f"tidings.toml: {sentence}"


class TestSecretsInFiles:
    def test_they_are_read(self, elsewhere: Path) -> None:
        """Without the line break at their end; the files are known, so that they can be watched."""
        for name in ("now", "before", "key"):
            (elsewhere / name).write_text(f"the secret of {name}\n")
        settings = load(
            "[auth]\nhmac_secret_file = 'now'\n[auth.subscription]\nprevious_hmac_secret_file = 'before'\n"
            "[api]\nkey_file = 'key'"
        )
        assert settings.auth.hmac_secret.get_secret_value() == "the secret of now"
        assert settings.auth.subscription.previous_hmac_secret.get_secret_value() == "the secret of before"
        assert settings.api.secret == "the secret of key"
        assert settings.files == (Path("tidings.toml"), Path("now"), Path("before"), Path("key"))

    def test_they_are_read_again(self, elsewhere: Path) -> None:
        (elsewhere / "now").write_text("one")
        settings = load("[auth]\nhmac_secret_file = 'now'")
        (elsewhere / "now").write_text("two")
        assert settings.again is not None
        assert settings.again().auth.hmac_secret.get_secret_value() == "two"

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            (
                "[auth]\nhmac_secret_file = 'none'",
                "[auth] hmac_secret_file: none cannot be read: No such file or directory.",
            ),
            ("[api]\nkey_file = 'empty'", "[api] key_file: empty is empty."),
            ("[api]\nkey_file = 'bytes'", "[api] key_file: bytes cannot be read: it is not UTF-8 text."),
            ('[auth]\nhmac_secret_file = "a\\u0000"', "[auth] hmac_secret_file: that is not the name of a file."),
            ("[auth]\nhmac_secret_file = 1", "[auth] hmac_secret_file must be a text in quotes, not 1."),
            (
                "[auth]\nhmac_secret = 'x'\nhmac_secret_file = 'empty'",
                "[auth] hmac_secret and hmac_secret_file are both set; leave one of them out.",
            ),
        ],
    )
    def test_refused(self, text: str, sentence: str, elsewhere: Path) -> None:
        (elsewhere / "empty").write_text("\n")
        (elsewhere / "bytes").write_bytes(b"\xff")
        assert complaint(text) == f"tidings.toml: {sentence}"

    def test_the_variable_is_named(self) -> None:
        assert complaint("", TIDINGS_API__KEY_FILE="none").startswith("TIDINGS_API__KEY_FILE: [api] key_file: none")


class TestReadingAgain:
    def test_the_same_sources(self, elsewhere: Path) -> None:
        """The file, the environment and what the program said, in their order."""
        (elsewhere / "tidings.toml").write_text("[server]\nport = 1\nhost = 'a'")
        settings = Settings.load(None, {"TIDINGS_SERVER__PORT": "2"}, {"server.workers": None})
        (elsewhere / "tidings.toml").write_text("[server]\nport = 3\nhost = 'b'")
        assert settings.again is not None
        assert (settings.again().server.port, settings.again().server.host) == (2, "b")

    def test_a_file_that_is_away(self, elsewhere: Path) -> None:
        """Is not the same as no file, also where it was found rather than named."""
        settings = load("[auth]\nhmac_secret = 'a'")
        (elsewhere / "tidings.toml").unlink()
        assert settings.again is not None
        with pytest.raises(SettingsError, match=r"tidings\.toml does not exist"):
            settings.again()

    def test_what_the_program_gave_has_no_sources(self) -> None:
        assert Settings.of({}).again is None
