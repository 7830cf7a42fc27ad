"""A service that exists outside of tests as well: one that the environment names is taken as it is, otherwise the
program is started where it is installed, otherwise a container stands in, otherwise `Missing` says how to get one.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from tidings.testing.services import ports
from tidings.testing.services.base import Service
from tidings.testing.services.block import ServiceError
from tidings.testing.services.container import Container
from tidings.testing.services.found import Found, without_password
from tidings.testing.services.patience import ask_until
from tidings.testing.services.program import Program


class SharedService(Found, Service):
    """A service that may be somebody else's.

    One that is given is neither started nor stopped here, and can be neither killed nor paused. One in a container has
    no `directory` and no `process`; what can be done to a program can be done to it.
    """

    image_port: ClassVar[int] = 0
    """The port that the container listens on."""

    def __init__(self, *, directory: Path | str | None = None) -> None:
        super().__init__(directory=directory)
        self.given = ""
        """The address from the environment, where there is one."""
        self._container: Container | None = None

    def container(self) -> Container:
        """The container that does the same, for `port`."""
        return Container(self.image, self.image_port, published=self.port)

    def start(self) -> None:
        self.require()
        self.given = self.address()
        if self.given:
            self._wait_for_given()
        elif self.is_installed():
            super().start()
        else:
            self._start_container()

    def stop(self) -> None:
        try:
            super().stop()
        finally:
            if self._container is not None:
                self._container.remove()
            self._container, self.given = None, ""

    @property
    def program(self) -> Program:
        self._refuse_given("killed, paused or restarted")
        return super().program

    def report(self) -> str:
        if self.given:
            return f"{self.name} at {without_password(self.given)} is given by {self.variable()}; its log is there."
        return super().report()

    # Private steps.

    def _refuse_given(self, done: str) -> None:
        if self.given:
            raise ServiceError(
                f"{self.name} is given by {self.variable()}, and what belongs to somebody else is not {done} here; "
                "unset the variable to have one of your own."
            )

    def _wait_for_given(self) -> None:
        if not ask_until(self._is_ready_at_last, self.patience_with_given):
            where, self.given = without_password(self.given), ""
            raise ServiceError(
                f"{self.name} at {where} does not answer: start it, or unset {self.variable()} to have one of your own."
            )

    def _start_container(self) -> None:
        self._refuse_twice()
        if self._kept is not None:
            raise ServiceError(
                f"{self.name} runs in a container here, which cannot keep its data in {self._kept}: install it "
                f"(apt-get install {self.package}), or leave the directory out."
            )
        try:
            self.port = ports.reserve()
            self._container = self.container()
            self._launch()
        except BaseException:
            self.stop()
            raise

    def _begin(self) -> Program:
        if self._container is None:
            return super()._begin()
        self._container.start()
        return self._container
