"""Faults of a line, which is a `FaultProxy`: cut, dropped, or with a toxic on it."""

from __future__ import annotations

from tidings.testing.faults.applied import Applied
from tidings.testing.faults.errors import FaultError
from tidings.testing.faults.fault import Fault, counted
from tidings.testing.faults.proxy import FaultProxy
from tidings.testing.faults.toxics import Direction, Toxic


class Cut(Fault):
    """All connections end and new ones are refused; mended afterwards. It has an effect if a connection ended."""

    blocks = False

    def __init__(self, proxy: FaultProxy) -> None:
        self._proxy = proxy
        self._ended = 0

    @property
    def name(self) -> str:
        return f"cut {self._proxy.upstream}"

    def begin(self) -> None:
        if not self._proxy.is_up:
            raise FaultError(f"The proxy to {self._proxy.upstream} is down already, so that nothing can be cut.")
        self._ended = self._proxy.cut()

    def end(self) -> None:
        if self._proxy.is_running:
            self._proxy.mend()

    def effect(self) -> str:
        return f"ended {counted(self._ended, 'connection')}" if self._ended else ""


class Drop(Fault):
    """All connections end at once; whoever comes back is welcome."""

    blocks = False

    def __init__(self, proxy: FaultProxy) -> None:
        self._proxy = proxy
        self._ended = 0

    @property
    def name(self) -> str:
        return f"drop connections to {self._proxy.upstream}"

    def begin(self) -> None:
        self._ended = self._proxy.drop()

    def effect(self) -> str:
        return f"ended {counted(self._ended, 'connection')}" if self._ended else ""


class Inject(Fault):
    """A toxic on a proxy, as `FaultProxy.add` has it. It has an effect if it has touched bytes or ends."""

    blocks = False

    def __init__(
        self,
        proxy: FaultProxy,
        toxic: Toxic,
        *,
        direction: Direction | str = Direction.DOWNSTREAM,
        toxicity: float = 1.0,
    ) -> None:
        self._proxy = proxy
        self._toxic = toxic
        self._direction = Direction(direction)
        self._toxicity = toxicity
        self._applied: Applied | None = None

    @property
    def name(self) -> str:
        return f"{self._toxic.kind()} {self._direction.value} at {self._proxy.upstream}"

    def begin(self) -> None:
        self._applied = self._proxy.add(self._toxic, direction=self._direction, toxicity=self._toxicity)

    def end(self) -> None:
        if self._applied is not None:
            self._applied.remove()

    def effect(self) -> str:
        if self._applied is None or not self._applied.touched:
            return ""
        touched = self._applied.touched
        what = [counted(touched.data_bytes, "byte")] if touched.data_bytes else []
        what += [counted(touched.ends, "end")] if touched.ends else []
        return f"touched {' and '.join(what)} on {counted(touched.connections, 'connection')}"
