-- What the scripts about leases share. It is put before each of them.
--
-- A sorted set says until when (milliseconds, by this server's clock) each member holds its lease. Beside it a hash may
-- say what is shown of each.

local function now_ms()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Forgets whoever's lease has run out.
local function sweep(leases, shown, now)
    local gone = redis.call('ZRANGEBYSCORE', leases, '-inf', now)
    for first = 1, #gone, 1000 do
        local some = { unpack(gone, first, math.min(first + 999, #gone)) }
        redis.call('ZREM', leases, unpack(some))
        if shown then
            redis.call('HDEL', shown, unpack(some))
        end
    end
end

-- Keys live as long as the longest lease in them.
local function keep(key, lease)
    if redis.call('PTTL', key) < lease then
        redis.call('PEXPIRE', key, lease)
    end
end
