-- Reads retained publications, and where the stream ends. A read is a use: the stream begins with it, and lives on.
--
-- KEYS  1 meta   2 stream
-- ARGV  1 epoch to offer   2 meta_ttl (ms)   3 since, "" for none   4 limit, "" for none   5 "1" for newest first
-- Returns { offset, epoch, entries }.

local state = open_stream(KEYS[1], KEYS[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])

local since, limit, reverse = ARGV[3], ARGV[4], ARGV[5] == '1'
if limit == '0' or (reverse and since == '0') then
    return { state.o, state.e, {} }
end
local range
if reverse then
    range = { 'XREVRANGE', KEYS[2], since == '' and '+' or '(' .. since .. '-0', '-' }
else
    range = { 'XRANGE', KEYS[2], since == '' and '-' or '(' .. since .. '-0', '+' }
end
if limit ~= '' then
    range[5], range[6] = 'COUNT', limit
end
return { state.o, state.e, redis.call(unpack(range)) }
