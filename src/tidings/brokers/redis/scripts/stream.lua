-- What the scripts of a channel's stream share. It is put before each of them.
--
-- The meta hash holds where the stream is:
--   e  epoch            o  offset of the last publication          t  its time, in microseconds
--   r  the reign under which it was written                        v, ve  the last version and its epoch
--
-- A reign is one life of a master: the replication id, which Redis changes when it starts and when a replica is
-- promoted. Under another reign the data may be older than what somebody has seen already, so the next offset could be
-- one that was given before. The epoch changes then; the count goes on, and what is retained stays.

local function number(n)
    return string.format('%.0f', n)
end

local function reign_now()
    return string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
end

-- The stream as a table with the keys above; a lost one begins anew, with the epoch that the caller offers (`begins`).
local function open_stream(meta, stream, offered_epoch)
    local got = redis.call('HMGET', meta, 'e', 'o', 't', 'r', 'v', 've')
    local state = { e = got[1], o = tonumber(got[2] or '0'), t = got[3] or '0', r = got[4],
                    v = got[5] or '0', ve = got[6] or '' }
    local reign = reign_now()
    state.begins = not state.e
    if state.begins then
        redis.call('DEL', stream) -- whatever an earlier life left behind has that life's offsets
    end
    if not state.e or state.r ~= reign then
        state.e, state.r = offered_epoch, reign
        redis.call('HSET', meta, 'e', state.e, 'o', number(state.o), 'r', reign)
    end
    return state
end
