"""A client as brokers send it: part of what travels over a network, in an order that must not change."""

from __future__ import annotations

from msgspec import Struct

from tidings.model import ClientInfo


class Who(Struct, frozen=True, array_like=True):
    """A `ClientInfo` as an array: shorter, and independent of what its fields are called here."""

    user: str
    client: str
    conn_info: bytes = b""
    chan_info: bytes = b""

    @classmethod
    def of(cls, info: ClientInfo) -> Who:
        return cls(info.user, info.client, info.conn_info, info.chan_info)

    def info(self) -> ClientInfo:
        return ClientInfo(self.user, self.client, self.conn_info, self.chan_info)
