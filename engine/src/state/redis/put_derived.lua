#!lua
-- Keeps a derived value, if the value is still the one that it was made from.
-- KEYS: value, derived. ARGV: the value's version in eight bytes ('' for no value), the derived value, milliseconds to live.
if redis.call('GETRANGE', KEYS[1], 0, 7) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 1
