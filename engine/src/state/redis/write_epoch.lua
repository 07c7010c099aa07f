#!lua
-- Writes an epoch, or nothing. No flags above: Redis refuses for want of memory before the first write.
-- KEYS: marker, mirrored, index, the keys of the values that are set, then those of removed values and dropped derived values.
-- ARGV: expected marker, target marker, count of values set, count of names removed, count of those set first that the index may lack,
--       the values, the names removed, then version and name of each mirrored value that changed.
-- Returns 1 (applied), or the marker that was found ('' for none).
local found = redis.call('GET', KEYS[1]) or ''
if found == ARGV[2] then return 1 end
if found ~= ARGV[1] then return found end

local set, removed, fresh = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local CHUNK = 2000 -- arguments to one call; Lua unpacks at most some 8000
local name_at = #KEYS[1] - 3 -- '{ns:p}:v:' is four bytes shorter than '{ns:p}:marker'

for first = 1, set, CHUNK do
  local pairs_, last = {}, math.min(first + CHUNK - 1, set)
  for i = first, last do
    pairs_[2 * (i - first) + 1] = KEYS[3 + i]
    pairs_[2 * (i - first) + 2] = ARGV[5 + i]
  end
  redis.call('MSET', unpack(pairs_))
end
for first = 1, fresh, CHUNK do
  local names = {}
  for i = first, math.min(first + CHUNK - 1, fresh) do
    names[i - first + 1] = string.sub(KEYS[3 + i], name_at)
  end
  redis.call('SADD', KEYS[3], unpack(names))
end
for first = 4 + set, #KEYS, CHUNK do
  redis.call('DEL', unpack(KEYS, first, math.min(first + CHUNK - 1, #KEYS)))
end
local names_end = 5 + set + removed
for first = 6 + set, names_end, CHUNK do
  redis.call('SREM', KEYS[3], unpack(ARGV, first, math.min(first + CHUNK - 1, names_end)))
end
for first = names_end + 1, #ARGV, CHUNK do
  redis.call('ZADD', KEYS[2], unpack(ARGV, first, math.min(first + CHUNK - 1, #ARGV)))
end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('PUBLISH', KEYS[1], ARGV[2])
return 1
