-- Gives a lease back.
--
-- KEYS  1 leases   2 shown
-- ARGV  1 member

redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
