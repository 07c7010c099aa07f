#!lua
-- Says a wish to those who listen, and leaves it for those who begin to, where there is something to hurry.
-- KEYS: wish, marker. ARGV: offset, milliseconds to live.
if redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
redis.call('PUBLISH', KEYS[1], ARGV[1])
return 1
