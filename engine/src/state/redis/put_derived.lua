#!lua
-- Keeps a derived value, if the value is still the one that it was made from, and the partition has a marker (a namespace that was dropped
-- stays without a key).
-- KEYS: marker, value, derived, cold. ARGV: the value's version in eight bytes ('' for no value), the derived value, milliseconds to live,
--       the name.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if redis.call('GETRANGE', KEYS[2], 0, 7) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[3])
if ARGV[1] ~= '' then return 1 end

-- The index does not name what has no value. This list does, by the end of each, and lives as long as the last of them.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lives = math.max(tonumber(ARGV[3]), redis.call('PTTL', KEYS[4]))
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now)
redis.call('ZADD', KEYS[4], now + tonumber(ARGV[3]), ARGV[4])
redis.call('PEXPIRE', KEYS[4], lives)
return 1
