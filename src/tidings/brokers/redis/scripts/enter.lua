-- Gives a lease, or renews it; and shows something of who holds it.
--
-- KEYS  1 leases   2 shown
-- ARGV  1 lease (ms)   2 member   3 what is shown   4, 5 another member …

local leases, shown, lease = KEYS[1], KEYS[2], tonumber(ARGV[1])
local now = now_ms()
sweep(leases, shown, now)
for index = 2, #ARGV, 2 do
    redis.call('ZADD', leases, now + lease, ARGV[index])
    redis.call('HSET', shown, ARGV[index], ARGV[index + 1])
end
keep(leases, lease)
keep(shown, lease)
