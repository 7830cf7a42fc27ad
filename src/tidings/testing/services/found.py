"""Where a service comes from: the environment, an installed program, a container; else how to get it.

A service that the environment names (`REDIS_URL`) is taken as it is: it belongs to somebody else, and is neither
started nor stopped, nor emptied, nor harmed here.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from tidings.testing.services.block import Missing, ServiceError
from tidings.testing.services.container import engine


class Found:
    """What has to be known about a service to find it."""

    name: ClassVar[str]

    variables: ClassVar[tuple[str, ...]]
    """Environment variables that name a running one; the first that is set counts."""

    schemes: ClassVar[tuple[str, ...]] = ()
    """How such an address may begin; () for anyhow."""

    programs: ClassVar[tuple[str, ...]]
    """What has to be on the path, or in `folders`, to start one."""

    folders: ClassVar[tuple[str, ...]] = ("usr/sbin", "usr/local/sbin")
    """Where to look for the programs besides, as patterns below the root; the last that fits counts."""

    image: ClassVar[str] = ""
    """The container image that does the same, "" where there is none."""

    package: ClassVar[str]
    """The Debian package that has the programs."""

    patience_with_given: float = 5.0
    """Seconds for a service that is given, and should be there already."""

    @classmethod
    def address(cls) -> str:
        """What the environment names, "" for nothing. Raises `ServiceError` if that is no address of such a service."""
        variable = cls.variable()
        url = os.environ[variable] if variable else ""
        if url and cls.schemes and urlsplit(url).scheme not in cls.schemes:
            raise ServiceError(
                f"{variable} is {without_password(url)!r}, which does not name a {cls.name}: begin it with "
                f"{' or '.join(f'{scheme}://' for scheme in cls.schemes)}, or unset it."
            )
        return url

    @classmethod
    def variable(cls) -> str:
        """The variable that names a running one, "" if none does."""
        return next((name for name in cls.variables if os.environ.get(name)), "")

    @classmethod
    def find(cls, program: str) -> str | None:
        """The path of one of the programs, if it is installed."""
        if (path := shutil.which(program)) is not None:
            return path
        found = [path for folder in cls.folders for path in sorted(Path("/").glob(f"{folder}/{program}"))]
        return str(found[-1]) if found else None

    @classmethod
    def is_installed(cls) -> bool:
        return all(map(cls.find, cls.programs))

    @classmethod
    def require(cls) -> None:
        """Raise `Missing` if there is no way to have this service here."""
        if cls.address() or cls.is_installed():
            return
        reason = engine() if cls.image else ""
        if reason is None:
            return
        container = f", or let it run in a container ({reason})" if cls.image else ""
        raise Missing(
            f"{cls.name} is not installed: apt-get install {cls.package}, or name a running one in "
            f"{cls.variables[0]}{container}."
        )


def without_password(url: str) -> str:
    """An address that may be shown."""
    try:
        password = urlsplit(url).password
    except ValueError:
        return url.partition(":")[0] + ":…"
    return url.replace(f":{password}@", ":…@") if password else url
