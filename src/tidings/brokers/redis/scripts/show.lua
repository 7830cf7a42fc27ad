-- Says what a node's connections are; all of it is forgotten when nothing is said for a lease.
--
-- KEYS  1 connections
-- ARGV  1 lease (ms)   2 client   3 what it is, "" when it is gone   4, 5 another client …

for index = 2, #ARGV, 2 do
    if ARGV[index + 1] == '' then
        redis.call('HDEL', KEYS[1], ARGV[index])
    else
        redis.call('HSET', KEYS[1], ARGV[index], ARGV[index + 1])
    end
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
