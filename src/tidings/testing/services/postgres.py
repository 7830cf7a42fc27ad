"""PostgreSQL: one server, and an empty database for whoever asks."""

from __future__ import annotations

import ctypes
import os
import pwd
import re
import shutil
import socket
import struct
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from signal import Signals
from typing import ClassVar
from urllib.parse import unquote, urlsplit, urlunsplit

from tidings.testing.services.base import HOST
from tidings.testing.services.block import Missing, ServiceError
from tidings.testing.services.container import Container
from tidings.testing.services.shared import SharedService

USER = "postgres"
STARTING_UP = b"C57P03\x00"
"""In an error message: the server is there and takes no sessions yet (SQLSTATE cannot_connect_now)."""


class PostgresServer(SharedService):
    """A PostgreSQL that does not wait for the disk, and so outlives `kill` and `restart`, but no power cut.

    `options` are settings of postgresql.conf. Every user of this machine may connect as anybody. A `directory` of your
    own keeps the databases from block to block; where the tests run as root it becomes the user postgres's.
    """

    name = "postgres"
    variables = ("POSTGRES_URL", "DATABASE_URL")
    schemes = ("postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg", "postgresql+psycopg2")
    programs = ("initdb", "postgres")
    folders = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "usr/local/pgsql/bin")
    package = "postgresql"
    account: ClassVar[str] = USER
    """The user of this machine as whom it runs where the tests run as root."""

    image, image_port = "postgres:18-alpine", 5432
    stop_signal = Signals.SIGINT  # By SIGTERM it waits until all clients have gone.
    hints: ClassVar[Mapping[str, str]] = {
        **SharedService.hints,
        "database files are incompatible": "The data directory is of another version of PostgreSQL; remove it.",
        "exists but is not empty": "The data directory holds something else; name another one, or remove it.",
        "could not access the server configuration": "The data directory is damaged; remove it.",
        "is not a database cluster": "The data directory is damaged; remove it.",
        "lock file": "Another PostgreSQL uses the data directory; end it, or name another directory.",
        "permission denied": f"The user {USER} may not go there; let TMPDIR name a directory that is open to all.",
        "unrecognized configuration parameter": "This PostgreSQL does not know one of the options.",
        "too many clients": "Close connections, or allow more with max_connections=….",
    }

    def __init__(self, *, directory: Path | str | None = None, **options: str) -> None:
        super().__init__(directory=directory)
        self.user = self.account if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root.
        self._options = options
        self._made: list[str] = []

    @property
    def url(self) -> str:
        return self.given or f"postgresql://{USER}@{HOST}:{self.port}/postgres"

    @property
    def data(self) -> Path:
        """Where the databases are."""
        return self.directory / "data"

    # Databases.

    def database(self, *, template: str = "template1") -> str:
        """The address of a new database, which is a copy of another and empty unless that says otherwise.

        To prepare tables once and have them in every test, let `template` be a database of yours that nobody is
        connected to. Takes a tenth of a second. The databases are gone after the block. Raises `ServiceError`.
        """
        name = f"test_{uuid.uuid4().hex[:12]}"
        self.ask(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        self._made.append(name)
        return in_database(self.url, name)

    def ask(self, statement: str, *, url: str = "") -> str:
        """What psql answers to one statement: a line for each row, and `|` between its values.

        `url` names another database than `self.url`. Raises `ServiceError` with what PostgreSQL says against it.
        """
        address, password = for_libpq(url or self.url)
        words = ["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement, "-d", address]
        own = {"PGCONNECT_TIMEOUT": "5", **({"PGPASSWORD": password} if password else {})}
        try:
            code, answer, complaint = self._run_psql(words, own)
        except subprocess.TimeoutExpired:
            raise ServiceError(f"{self.name} did not answer within {self.patience:g} s: {statement}") from None
        if code != 0:
            raise ServiceError(f"{self.name} refused: {statement}\n{complaint.strip()}")
        return answer.rstrip("\n")

    # How it starts and stops.

    @classmethod
    def require(cls) -> None:
        super().require()
        if os.geteuid() == 0 and not cls.address() and cls.is_installed() and not _exists(cls.account):
            raise Missing(
                f"{cls.name} refuses to run as root, and there is no user {cls.account} to run as: "
                f"adduser --system {cls.account}, or run the tests as somebody else, or name a running one in "
                f"{cls.variables[0]}."
            )

    def prepare(self) -> None:
        if self.user is not None:
            shutil.chown(self.directory, self.user)
        if (self.data / "PG_VERSION").exists():
            return
        initdb = self.find("initdb")
        assert initdb is not None
        self._run_to_its_end(
            [initdb, "-D", str(self.data), "-U", USER, "-A", "trust", "-E", "UTF8", "-N", "--no-locale"]
        )

    def command(self) -> list[str]:
        program = self.find("postgres")
        assert program is not None
        own = {
            "port": str(self.port),
            "listen_addresses": HOST,
            "unix_socket_directories": "",
            "dynamic_shared_memory_type": "mmap",  # In the directory, which is removed, and not in /dev/shm.
        }
        return [program, "-D", str(self.data), *self._settings(own)]

    def environment(self) -> Mapping[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
        return {**own, "LC_ALL": "C"}  # The hints are for what it says in English.

    def is_ready(self) -> bool:
        if urlsplit(self.url).hostname is not None:
            return takes_sessions(self.url)
        with suppress(ServiceError):  # Given, and not over TCP.
            return bool(self.ask("SELECT 1"))
        return False

    def container(self) -> Container:
        return Container(
            self.image,
            self.image_port,
            published=self.port,
            arguments=["postgres", *self._settings({})],
            environment={"POSTGRES_HOST_AUTH_METHOD": "trust"},
        )

    def stop(self) -> None:
        if self.given:
            self._drop()
        self._made.clear()
        if self._process is not None:
            self._process.stop(self.patience, by=self.stop_signal)
            _remove_shared_memory(self._shared_memory())
        super().stop()

    # Private steps.

    def _settings(self, own: Mapping[str, str]) -> list[str]:
        """What is asked of it, wherever it runs, as words of a command line."""
        fast = {"fsync": "off", "full_page_writes": "off", "log_checkpoints": "off"}
        return [word for item in {**own, **fast, **self._options}.items() for word in ("-c", "=".join(item))]

    def _run_psql(self, words: Sequence[str], own: Mapping[str, str]) -> tuple[int, str, str]:
        """Its exit code, answer and complaint. Whoever has the server in a container need not have psql."""
        if self._container is not None:
            outside, inside = f"{HOST}:{self.port}", f"{HOST}:{self.image_port}"
            code, written = self._container.run(
                ["psql", *(word.replace(outside, inside) for word in words)], environment=own
            )
            return code, written, written
        told = subprocess.run(
            [self._psql(), *words],
            env={**os.environ, **own},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=self.patience,
            check=False,
        )
        return told.returncode, told.stdout, told.stderr

    def _psql(self) -> str:
        """Debian's own on the path is a script that looks for this one."""
        server = self.find("postgres")
        beside = Path(server).resolve().with_name("psql") if server is not None else Path()
        program = str(beside) if beside.is_file() else self.find("psql")
        if program is None:
            raise Missing(f"{self.name} needs psql, which makes the databases: apt-get install postgresql-client.")
        return program

    def _drop(self) -> None:
        """A server of somebody else's keeps nothing of ours."""
        for name in self._made:
            with suppress(ServiceError):
                self.ask(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _shared_memory(self) -> int:
        """The number of the segment that a server which was killed has left in the system; -1 if there is none.

        By it two servers in one directory notice each other. One that ends in order removes both it and the file.
        """
        if self.directory == Path():  # It runs in a container, which takes its memory along.
            return -1
        with suppress(OSError, ValueError, IndexError):
            return int((self.data / "postmaster.pid").read_text().splitlines()[6].split()[1])
        return -1


def in_database(url: str, name: str) -> str:
    """The same address, of another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def for_libpq(url: str) -> tuple[str, str]:
    """An address as PostgreSQL's own programs take it, without driver, and the password that it named.

    A command line is no place for a password: everybody on the machine can read it.
    """
    parts = urlsplit(re.sub(r"^(\w+)\+\w+:", r"\1:", url))
    password = parts.password or ""
    place = parts.netloc.replace(f":{password}@", "@", 1) if password else parts.netloc
    return urlunsplit(parts._replace(netloc=place)), unquote(password)


def takes_sessions(url: str) -> bool:
    """Whether a server takes sessions, be it that it refuses this one. Says what a client says first (§ 55.7).

    A server that is starting up answers as well, but only that.
    """
    parts = urlsplit(url)
    words = ["user", unquote(parts.username or USER), "database", unquote(parts.path.strip("/") or "postgres")]
    body = struct.pack("!i", 3 << 16) + b"".join(word.encode() + b"\0" for word in words) + b"\0"
    try:
        with socket.create_connection((parts.hostname or HOST, parts.port or 5432), timeout=1.0) as connection:
            connection.sendall(struct.pack("!i", len(body) + 4) + body)
            answer = connection.recv(4096)
    except OSError:
        return False
    return answer[:1] in (b"R", b"E") and STARTING_UP not in answer


def _remove_shared_memory(segment: int) -> None:
    if segment >= 0:
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).shmctl(segment, 0, None)  # IPC_RMID


def _exists(user: str) -> bool:
    with suppress(KeyError):
        return bool(pwd.getpwnam(user))
    return False
