-- How many hold a lease, and how many different users they are. What is shown begins with the user: "<bytes>:<user>".
--
-- KEYS  1 leases   2 shown
-- Returns { members, users }.

sweep(KEYS[1], KEYS[2], now_ms())
local users, different = {}, 0
local shown = redis.call('HVALS', KEYS[2])
for _, value in ipairs(shown) do
    local length, start = string.match(value, '^(%d+):()')
    local user = string.sub(value, start, start + length - 1)
    if not users[user] then
        users[user] = true
        different = different + 1
    end
end
return { #shown, different }
