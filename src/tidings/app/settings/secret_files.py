"""Secrets that stand in files of their own, as orchestrators hand them to a container.

`hmac_secret_file = "/run/secrets/tidings"` is `hmac_secret` with what that file holds, without the line break at its
end. It is read whenever the settings are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tidings.app.settings.complaints import heading
from tidings.app.settings.layers import Layer, Place, origin
from tidings.errors import SettingsError

KEYS = {
    "hmac_secret_file": "hmac_secret",
    "previous_hmac_secret_file": "previous_hmac_secret",
    "key_file": "key",
}
SECTIONS = ("auth", "api")
LIMIT_BYTES = 16 * 1024


def filled(values: Mapping[str, Any], layers: Sequence[Layer]) -> tuple[dict[str, Any], tuple[Path, ...]]:
    """The values with the secrets of all files that they name, and these files.

    Raises `SettingsError` for a file that cannot be read or is empty, and where the secret is there as well.
    """
    files: list[Path] = []
    result = dict(values)
    for section in SECTIONS:
        if isinstance(values.get(section), Mapping):
            result[section] = _filled(values[section], (section,), layers, files)
    return result, tuple(files)


def _filled(table: Mapping[str, Any], place: Place, layers: Sequence[Layer], files: list[Path]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            result[key] = _filled(value, (*place, key), layers, files)
        elif key in KEYS and isinstance(value, str) and value:
            where = f"{origin(layers, (*place, key))}{heading(place)}"
            if table.get(KEYS[key]):
                raise SettingsError(f"{where} {KEYS[key]} and {key} are both set; leave one of them out.")
            files.append(Path(value))
            result |= {key: value, KEYS[key]: _secret(Path(value), f"{where} {key}")}
        elif key not in result:
            result[key] = value
    return result


def _secret(path: Path, where: str) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(LIMIT_BYTES).rstrip("\r\n")
    except OSError as error:
        raise SettingsError(f"{where}: {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{where}: {path} cannot be read: it is not UTF-8 text.") from error
    except ValueError as error:
        raise SettingsError(f"{where}: that is not the name of a file.") from error
    if not text:
        raise SettingsError(f"{where}: {path} is empty.")
    return text
