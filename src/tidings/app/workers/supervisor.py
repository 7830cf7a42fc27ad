"""The process that starts the workers, starts one again that has ended, and ends when they all have.

One listening socket is inherited by all workers, and the kernel gives each connection to one that accepts. SO_REUSEPORT
would give each worker a queue of its own: on macOS only one of them gets anything, and on Linux the queue of a worker
that has ended waits for nobody. With one queue the others take over at once, and whoever is busy takes less.

Workers are forked from this process, which has neither loop nor threads and has imported everything: another worker is
there within milliseconds, with the same settings as the others: what the workers take over while they run, this process
remembers for those to come, so that a key which was withdrawn does not come back with a new worker.

They are told to stop by a pipe of which only this process holds the other end. When it is closed, on a signal or
because this process is gone in whatever way, all of them send their clients away. It is not told by signals, because a
terminal or systemd sends those to all processes at once, and nobody shall count one as two. SIGHUP, to read the
settings anew, is passed on to them: getting it twice does no harm.
"""

from __future__ import annotations

import logging
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType

from msgspec import Struct

from tidings.app import lifecycle
from tidings.app.renewal.memory import Memory
from tidings.app.settings import Settings
from tidings.app.tidings import Tidings
from tidings.app.workers import worker
from tidings.app.workers.crew import Crew
from tidings.errors import SettingsError, TidingsError
from tidings.observability.lines import Line

LOGGER = logging.getLogger("tidings")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, *([lifecycle.HANGUP] if lifecycle.HANGUP else []))

LONGEST = 90
"""Bytes; macOS allows 104 for a socket with its name and the zero at its end."""


def serve(
    settings: Settings,
    make_hub: Callable[[Settings], Tidings],
    bound: Sequence[socket.socket],
    on_ready: Callable[[], None],
) -> None:
    """Serve with as many processes as the settings say until a signal comes, then let them send everybody away.

    `make_hub` is called in each of them. A second signal ends them all at once, and this process. Raises
    `SettingsError`, and `TidingsError` when the workers cannot come up.
    """
    if not hasattr(os, "fork"):
        raise SettingsError("[server] workers: this system cannot fork; start single servers on several ports instead.")
    lifecycle.config(make_hub(settings), settings)  # What is wrong with it is wrong for all, and is said once.
    directory = _private_directory()
    try:
        Supervisor(settings, make_hub, bound, on_ready, directory).run()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


class Hand(Struct):
    """A worker that runs. `news` is where it says how it is doing."""

    number: int
    pid: int
    news: int
    said: bytes = b""


class Supervisor:
    """See the module."""

    def __init__(
        self,
        settings: Settings,
        make_hub: Callable[[Settings], Tidings],
        bound: Sequence[socket.socket],
        on_ready: Callable[[], None],
        directory: Path,
    ) -> None:
        self._settings = settings
        self._make_hub = make_hub
        self._bound = bound
        self._on_ready = on_ready
        self._directory = directory
        self._crew = Crew(settings.server.workers)
        self._hands: dict[int, Hand] = {}
        self._dead: dict[int, str] = {}
        """The nodes of workers that ended, by number, for those who take their places."""
        self._is_welcomed = False
        self._stop_by: float | None = None
        self._exit_late = False
        self._hung_up = False
        self._has_terminal = lifecycle.has_terminal()
        self._memory = Memory(settings)

    def run(self) -> None:
        self._lifeline, self._our_end = os.pipe()
        self._alarm, self._bell = os.pipe()
        os.set_blocking(self._bell, False)
        os.set_blocking(self._alarm, False)
        before = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        signal.set_wakeup_fd(self._bell)
        try:
            self._supervise()
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._kill_all()

    # What happens.

    def _supervise(self) -> None:
        while not self._is_over():
            if self._stop_by is None:
                for number in self._crew.due(time.monotonic()):
                    self._start(number)
            self._wait()
            self._hear()
            self._reap()
            self._remember()
            if self._crew.is_complete and not self._is_welcomed and self._stop_by is None:
                self._is_welcomed = True
                self._on_ready()
        if self._exit_late:
            raise TidingsError("workers did not end in time and were killed; clients of theirs were not told.")

    def _is_over(self) -> bool:
        if self._stop_by is not None:
            if self._hands and time.monotonic() >= self._stop_by:
                self._exit_late = True
                self._kill_all()
            return not self._hands
        if sentence := self._crew.despair:
            raise TidingsError(sentence)
        return False

    def _wait(self) -> None:
        deadline = self._crew.deadline() if self._stop_by is None else self._stop_by
        timeout = self._memory.interval if deadline is None else max(0.0, deadline - time.monotonic())
        select.select([self._alarm, *(hand.news for hand in self._hands.values())], [], [], timeout)
        with suppress(BlockingIOError):
            os.read(self._alarm, 4096)

    def _hear(self) -> None:
        for hand in self._hands.values():
            was_ready = worker.READY in hand.said
            hand.said += _read(hand.news)
            if not was_ready and worker.READY in hand.said:
                self._crew.ready(hand.number, time.monotonic())

    def _remember(self) -> None:
        """Keep up with what the workers read, and have them read it at once if somebody asks for that."""
        asked, self._hung_up = self._hung_up, False
        self._memory.look(asked=asked)
        for hand in self._hands.values() if asked else ():
            with suppress(ProcessLookupError):
                os.kill(hand.pid, signal.SIGHUP)

    def _reap(self) -> None:
        for hand in list(self._hands.values()):
            pid, status = os.waitpid(hand.pid, os.WNOHANG)
            if pid:
                self._let_go(hand, os.waitstatus_to_exitcode(status))

    def _let_go(self, hand: Hand, code: int) -> None:
        hand.said += _read(hand.news)
        self._dead[hand.number] = worker.node(hand.said)
        os.close(hand.news)
        del self._hands[hand.number]
        with suppress(OSError):
            (self._directory / str(hand.number)).unlink()
        self._crew.ended(hand.number, time.monotonic(), worker.sentence(hand.said))
        if self._stop_by is None:
            LOGGER.warning(Line("worker ended", {"worker": hand.number, "pid": hand.pid, "code": code}))

    # What is done about it.

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGCHLD:
            return  # The bell has rung; who it was is found out there.
        if number == lifecycle.HANGUP and not (self._has_terminal and not lifecycle.has_terminal()):
            self._hung_up = True
            return
        if self._stop_by is not None:
            self._kill_all()
            shutil.rmtree(self._directory, ignore_errors=True)
            os._exit(128 + number)
        self._stop_by = time.monotonic() + worker.patience(self._settings)
        for bound in self._bound:
            bound.close()
        os.close(self._our_end)

    def _start(self, number: int) -> None:
        # A signal in the middle would be taken by the child as if it were this process.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        if self._stop_by is None:
            self._fork(number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _fork(self, number: int) -> None:
        news, telling = os.pipe()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        pid = os.fork()
        if pid == 0:
            self._be_worker(number, news, telling)
        os.close(telling)
        os.set_blocking(news, False)
        self._hands[number] = Hand(number, pid, news)
        self._crew.started(number)

    def _be_worker(self, number: int, news: int, telling: int) -> None:
        """The child's whole life."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for each in SIGNALS:
                signal.signal(each, signal.SIG_DFL)
            # Ctrl-C reaches every process of a terminal; what it means for the workers, the supervisor says.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            if lifecycle.HANGUP:  # Until the server takes it; all is read at its start anyway.
                signal.signal(lifecycle.HANGUP, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            for mine in (self._our_end, self._alarm, self._bell, news, *(hand.news for hand in self._hands.values())):
                os.close(mine)
            post = worker.Post(number, self._lifeline, telling, self._directory, self._dead.get(number, ""))
            code = worker.work(partial(self._make_hub, self._memory.settings), self._bound, post)
        finally:
            with suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _kill_all(self) -> None:
        for hand in list(self._hands.values()):
            with suppress(ProcessLookupError):
                os.kill(hand.pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(hand.pid, 0)
            os.close(hand.news)
        self._hands.clear()


def _private_directory() -> Path:
    """Where the workers meet; the address of a Unix socket is short, and some systems' own directory is not."""
    directory = Path(tempfile.mkdtemp(prefix="tidings-"))
    if len(os.fsencode(directory)) <= LONGEST:
        return directory
    directory.rmdir()
    return Path(tempfile.mkdtemp(prefix="tidings-", dir="/tmp"))


def _read(news: int) -> bytes:
    with suppress(BlockingIOError):
        return os.read(news, 4096)
    return b""
