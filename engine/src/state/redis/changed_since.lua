#!lua flags=no-writes
-- The marker, and the names of mirrored values that changed after a version. KEYS: marker, mirrored. ARGV: the version.
return { redis.call('GET', KEYS[1]), redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], '+inf') }
