"""Several hosts on one machine, of which each can be cut off in silence.

    with Namespaces() as network:
        host = network.host("far")
        redis = host.run(["redis-server", "--bind", host.address, …])
        with Partition(host):
            ...     # its connections stay open, and nothing arrives on either side

Every host is a network namespace with an address of its own, and so is the switch that joins them; this process is on
the switch too, under `Namespaces.address`. A partition unplugs the host's cable at the switch: nobody is told.
Needs root and the program `ip`; otherwise `Missing` says so. Nothing is left behind, whatever ends the test process.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tidings.testing.faults.errors import FaultError
from tidings.testing.faults.fault import Fault, counted
from tidings.testing.services import ports
from tidings.testing.services.base import Missing
from tidings.testing.services.process import Process
from tidings.testing.services.reaper import reaper

HOSTS_AT_MOST = 5
NETWORK = (198 << 24) + (18 << 16)
"""198.18.0.0/15 is set apart for trying out networks (RFC 2544). Each switch has eight addresses of it."""

ALIVE = frozenset({"01", "02", "03"})
"""Established, and being established, as /proc/net/tcp has it."""


class Host:
    """One namespace. `run` starts a program in it, whose network is the host's and nobody else's."""

    def __init__(self, network: Namespaces, name: str, *, number: int) -> None:
        self.name = name
        self.namespace = f"{network.prefix}-{name}"
        self.address = network.address_of(number)
        """Where it is, for this process and for the other hosts."""
        self._network = network
        self._port = f"to{number}"
        self._processes: list[tuple[Process, Path]] = []

    def __repr__(self) -> str:
        return f"<Host {self.name} at {self.address}>"

    def inside(self, command: Sequence[str]) -> list[str]:
        """The command line that runs a command in this host."""
        return ["ip", "netns", "exec", self.namespace, *command]

    def run(self, command: Sequence[str], *, environment: Mapping[str, str] | None = None) -> Process:
        """Start a program, in a directory of its own. It ends with the network at the latest."""
        directory = Path(tempfile.mkdtemp(prefix="tidings-host-"))
        reaper().watch_directory(directory)
        process = Process(
            self.inside(command),
            directory=directory,
            output=directory / "output.log",
            environment=None if environment is None else {**os.environ, **environment},
        )
        self._processes.append((process, directory))
        return process

    def cut(self) -> None:
        """Unplug it: nothing leaves or arrives, and nobody is told. Repeating it is harmless."""
        self._network.ip("-netns", self._network.switch, "link", "set", self._port, "down")

    def mend(self) -> None:
        self._network.ip("-netns", self._network.switch, "link", "set", self._port, "up")

    @property
    def is_cut(self) -> bool:
        (link,) = json.loads(self._network.ip("-json", "-netns", self._network.switch, "link", "show", self._port))
        return "UP" not in link["flags"]

    def connections(self) -> int:
        """How many of its TCP connections to others are open, or are being opened."""
        table = self._network.ip("netns", "exec", self.namespace, "cat", "/proc/net/tcp")
        states = [(row[2].partition(":")[0], row[3]) for row in map(str.split, table.splitlines()[1:])]
        return sum(state in ALIVE and remote != "0100007F" for remote, state in states)

    def _stop(self) -> None:
        for process, directory in self._processes:
            process.kill()
            shutil.rmtree(directory, ignore_errors=True)
            reaper().forget_directory(directory)
        self._processes.clear()


class Namespaces:
    """A switch with hosts on it. Up to five of them; raises `Missing` where there can be none."""

    def __init__(self) -> None:
        self.prefix = f"tidings-{secrets.token_hex(3)}"
        self.switch = f"{self.prefix}-switch"
        self._hosts: dict[str, Host] = {}
        self._lock = 0
        """A port that is ours, and so is the range of addresses of the same number."""
        self._cable = f"td{self.prefix[-6:]}"

    @classmethod
    def require(cls) -> None:
        """Raise `Missing` if there can be no namespaces here."""
        if shutil.which("ip") is None:
            raise Missing("ip is not installed, which makes network namespaces: apt-get install iproute2.")
        if os.geteuid() != 0:
            raise Missing("Network namespaces need root: run the tests that partition as root.")

    @property
    def address(self) -> str:
        """Where this process is, for the hosts."""
        return self.address_of(0)

    def address_of(self, number: int) -> str:
        value = NETWORK + (self._lock - ports.FIRST) * 8 + 1 + number
        return ".".join(str(value >> shift & 255) for shift in (24, 16, 8, 0))

    def start(self) -> None:
        self.require()
        self._lock = ports.reserve()
        try:
            self._add(self.switch)
            inside = ("-netns", self.switch)
            self.ip(*inside, "link", "add", "switch", "type", "bridge")
            self.ip(*inside, "link", "set", "switch", "up")
            self._plug(self._cable, "to0", namespace="", address=self.address)
        except BaseException as error:
            self.stop()
            if isinstance(error, FaultError):
                raise Missing(f"There can be no network namespaces here: {error}") from error
            raise

    def stop(self) -> None:
        """Stop what runs in the hosts, and remove all. Repeating it is harmless."""
        for host in self._hosts.values():
            host._stop()
        # The kernel clears namespaces away in its own time; the cable in this one goes at once.
        subprocess.run(["ip", "link", "delete", self._cable], capture_output=True, check=False)
        for namespace in [*(host.namespace for host in self._hosts.values()), self.switch]:
            command = ["ip", "netns", "delete", namespace]
            subprocess.run(command, capture_output=True, check=False)
            reaper().forget_command(command)
        self._hosts.clear()
        if self._lock:
            ports.release(self._lock)
            self._lock = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def host(self, name: str) -> Host:
        """A new host. Raises `FaultError` if the name is taken, is no word, or if there are five already."""
        if not self._lock:
            raise FaultError("The network is not there; make hosts inside of its block.")
        if name in self._hosts or not (name.isascii() and name.isalnum()):
            raise FaultError(f"{name!r} names no new host: take letters and digits that no other host has.")
        if len(self._hosts) == HOSTS_AT_MOST:
            raise FaultError(f"A network has at most {HOSTS_AT_MOST} hosts; make a second network for more.")
        number = len(self._hosts) + 1
        host = self._hosts[name] = Host(self, name, number=number)
        self._add(host.namespace)
        self._plug("eth0", f"to{number}", namespace=host.namespace, address=host.address)
        self.ip("-netns", host.namespace, "link", "set", "lo", "up")
        return host

    def ip(self, *arguments: str) -> str:
        """Run `ip`, and return what it wrote. Raises `FaultError` with its complaint."""
        done: subprocess.CompletedProcess[Any] = subprocess.run(
            ["ip", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise FaultError(f"ip {' '.join(arguments)} failed: {done.stderr.strip() or done.returncode}")
        return str(done.stdout)

    def _add(self, namespace: str) -> None:
        reaper().watch_command(["ip", "netns", "delete", namespace])
        self.ip("netns", "add", namespace)

    def _plug(self, end: str, port: str, *, namespace: str, address: str) -> None:
        """A cable from a namespace, "" for this process's own, into the switch."""
        where = ("netns", namespace) if namespace else ()
        inside = ("-netns", namespace) if namespace else ()
        self.ip("link", "add", end, *where, "type", "veth", "peer", "name", port, "netns", self.switch)
        self.ip("-netns", self.switch, "link", "set", port, "master", "switch", "up")
        self.ip(*inside, "address", "add", f"{address}/29", "dev", end)
        self.ip(*inside, "link", "set", end, "up")


class Partition(Fault):
    """A host is cut off in silence; plugged in again afterwards. It has an effect if it had connections to others."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._connections = 0
        self._is_on = False

    @property
    def name(self) -> str:
        return f"cut off host {self._host.name}"

    def begin(self) -> None:
        if self._host.is_cut:
            raise FaultError(f"Host {self._host.name} is cut off already.")
        self._connections = self._host.connections()
        self._host.cut()
        self._is_on = True

    def end(self) -> None:
        if self._is_on:
            self._is_on = False
            self._connections = max(self._connections, self._host.connections())
            self._host.mend()

    def effect(self) -> str:
        return f"cut off {counted(self._connections, 'connection')}" if self._connections else ""
