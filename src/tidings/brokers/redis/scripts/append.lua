-- Publishes and keeps, in one step: the next offset, the entry, its expiry, and the word to all nodes.
--
-- KEYS  1 meta   2 stream   3 result of the idempotency key
-- ARGV  1 body   2 id of this publication   3 size   4 ttl (ms)   5 meta_ttl (ms)   6 epoch to offer
--       7 command to publish with   8 pub/sub channel   9 ttl of the result (ms), 0 without a key
--       10 version, 0 for none   11 version epoch
--       12 "" the first time; in a repetition the reign that the first attempt was sent to   13 and when, microseconds
-- Returns { offset, epoch, 1 if published here, 0 if recognised }, or { "unknown" } for a repetition of which nobody
-- can tell any more whether the first attempt was carried out.

local meta, stream, result = KEYS[1], KEYS[2], KEYS[3]
local body, id, size, ttl, meta_ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local result_ttl, version, version_epoch = ARGV[9], ARGV[10], ARGV[11]
local CHUNK, EXAMINED = 100, 10000

local state = open_stream(meta, stream, ARGV[6])

-- What became of the first attempt: "found" and its offset, "new" for nothing, or "unknown". It is looked for among the
-- newest entries, back to where they are older than it; where some are missing, it may have been one of them.
local function fate_of_first_attempt()
    if state.begins or state.r ~= ARGV[12] then
        return 'unknown'
    end
    local began, expected, from = tonumber(ARGV[13]), state.o, '+'
    if tonumber(state.t) < began then
        return 'new'
    end
    for _ = 1, EXAMINED / CHUNK do
        if expected == 0 then
            return 'new'
        end
        local entries = redis.call('XREVRANGE', stream, from, '-', 'COUNT', CHUNK)
        if #entries == 0 then
            return 'unknown'
        end
        for _, entry in ipairs(entries) do
            local offset = tonumber(string.match(entry[1], '^%d+'))
            if entry[2][6] == id then
                return 'found', offset
            elseif offset ~= expected then
                return 'unknown'
            elseif tonumber(entry[2][4]) < began then
                return 'new'
            end
            expected, from = offset - 1, '(' .. entry[1]
        end
    end
    return 'unknown'
end

if result_ttl ~= '0' then
    local known = redis.call('GET', result)
    if known then
        local offset, epoch, by = string.match(known, '^(%d+):([^:]*):(.*)$')
        local mine = by == id and 1 or 0
        return { tonumber(offset), epoch, mine }
    end
end
if ARGV[12] ~= '' then
    local fate, offset = fate_of_first_attempt()
    if fate == 'unknown' then
        return { 'unknown' }
    elseif fate == 'found' then
        return { offset, state.e, 1 }
    end
end

-- Versions have up to 64 bits, and Lua's numbers 53 of them: compared as what they are, decimals.
local function is_above(one, other)
    return #one > #other or #one == #other and one > other
end

local fresh = 1
if version ~= '0' and not is_above(version, state.v) and version_epoch == state.ve then
    fresh = 0
else
    local time = redis.call('TIME')
    time = time[1] .. string.format('%06d', time[2])
    state.o = state.o + 1
    local offset = number(state.o)
    -- The count first: if anything below is refused, an offset is left out, and none is ever given twice.
    if version ~= '0' then
        redis.call('HSET', meta, 'o', offset, 't', time, 'v', version, 've', version_epoch)
    else
        redis.call('HSET', meta, 'o', offset, 't', time)
    end
    redis.call('XADD', stream, 'MAXLEN', '=', size, offset .. '-0', 'b', body, 't', time, 'i', id)
    redis.call('PEXPIRE', stream, ttl)
    redis.call(ARGV[7], ARGV[8], 'p' .. offset .. ':' .. state.e .. ':' .. time .. ':' .. body)
end
redis.call('PEXPIRE', meta, meta_ttl)
if result_ttl ~= '0' then
    redis.call('SET', result, number(state.o) .. ':' .. state.e .. ':' .. (fresh == 1 and id or ''), 'PX', result_ttl)
end
return { state.o, state.e, fresh }
