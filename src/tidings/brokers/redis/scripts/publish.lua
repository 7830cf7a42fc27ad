-- Publishes once, without keeping anything but the word that it was done.
--
-- KEYS  1 result of the idempotency key
-- ARGV  1 message   2 id of this publication   3 command to publish with   4 pub/sub channel   5 ttl of the result (ms)
--       6 "" the first time; in a repetition the reign that the first attempt was sent to
-- Returns { offset, epoch, 1 if published here, 0 if recognised }, or { "unknown" }: see append.lua.

local known = redis.call('GET', KEYS[1])
if known then
    local offset, epoch, by = string.match(known, '^(%d+):([^:]*):(.*)$')
    local mine = by == ARGV[2] and 1 or 0
    return { tonumber(offset), epoch, mine }
end
if ARGV[6] ~= '' then
    local reign = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
    if reign ~= ARGV[6] then
        return { 'unknown' }
    end
end
redis.call('SET', KEYS[1], '0::' .. ARGV[2], 'PX', ARGV[5])
redis.call(ARGV[3], ARGV[4], ARGV[1])
return { 0, '', 1 }
