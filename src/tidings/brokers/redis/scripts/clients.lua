-- Which connections a user has.
--
-- KEYS  1 leases

sweep(KEYS[1], nil, now_ms())
return redis.call('ZRANGE', KEYS[1], 0, -1)
