"""Which tests can be had here."""

from __future__ import annotations

from tests.testing.services.containers import engine, has_image

from tidings.testing.services import RedisServer

collect_ignore = [] if engine() is None and has_image(RedisServer) else ["test_websocket_redis_container_l3.py"]
