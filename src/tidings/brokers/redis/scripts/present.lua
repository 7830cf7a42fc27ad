-- Who holds a lease, and what is shown of them.
--
-- KEYS  1 leases   2 shown
-- Returns what is shown, in no order.

sweep(KEYS[1], KEYS[2], now_ms())
return redis.call('HVALS', KEYS[2])
