"""Time that passes at once: everything in a Redis is made as old as it would be then."""

from __future__ import annotations

import asyncio

from tidings.testing import RedisServer

AGE = """
for _, key in ipairs(redis.call('KEYS', '*')) do
    local left = redis.call('PTTL', key)
    if left >= 0 then
        redis.call('PEXPIRE', key, left - ARGV[1])
    end
    if redis.call('EXISTS', key) == 1 and redis.call('TYPE', key).ok == 'zset' then
        for _, member in ipairs(redis.call('ZRANGE', key, 0, -1)) do
            redis.call('ZINCRBY', key, -ARGV[1], member)
        end
    end
end
"""

REALLY = 2.0
"""Up to so many seconds are really waited for."""


async def age(redis: RedisServer, seconds: float) -> None:
    """Let seconds pass for a Redis that nobody else uses: by waiting if they are few, else by moving every expiry."""
    if seconds <= REALLY:
        await asyncio.sleep(seconds)
    else:
        redis.ask("EVAL", AGE, 0, round(seconds * 1000))
