#!lua flags=no-writes
-- The marker, and what mirrored values changed after a version: 0 and the names of each epoch in one piece, or 1 and all names, where the epochs
-- do not reach back so far. KEYS: marker, mirrored, changed. ARGV: the version.
local marker = redis.call('GET', KEYS[1])
local epochs = ARGV[1] == '0' and { '' } or redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. ARGV[1], '+inf')
for _, names in ipairs(epochs) do
  if names == '' then return { marker, 1, redis.call('SMEMBERS', KEYS[2]) } end
end
return { marker, 0, epochs }
