#!lua
-- Says a wish to those who listen, and leaves it for those who begin to. KEYS: wish. ARGV: offset, milliseconds to live.
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('PUBLISH', KEYS[1], ARGV[1])
return 1
