-- Counts a connection of a user in, unless there are too many; counting it in again renews its lease.
--
-- KEYS  1 leases
-- ARGV  1 lease (ms)   2 member   3 how many there may be, 0 for any number
-- Returns 1, or 0 when there are too many.

local lease, limit = tonumber(ARGV[1]), tonumber(ARGV[3])
local now = now_ms()
sweep(KEYS[1], nil, now)
if limit > 0 and redis.call('ZCARD', KEYS[1]) >= limit and not redis.call('ZSCORE', KEYS[1], ARGV[2]) then
    return 0
end
redis.call('ZADD', KEYS[1], now + lease, ARGV[2])
keep(KEYS[1], lease)
return 1
