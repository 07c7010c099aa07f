#!lua
-- Writes an epoch, or nothing. No flags above: Redis refuses for want of memory before the first write.
-- KEYS: marker, mirrored, changed, index, the keys of the values that are set, then those of removed values and dropped derived values.
-- ARGV: expected marker, target marker, count of values set, count of names removed, count of those set first that the index may lack,
--       the epoch's end, the names of the mirrored values that it changed in one piece ('' for none), the values, the names removed, then the
--       names that the list of mirrored ones may lack.
-- Returns 1 (applied), or the marker that was found ('' for none).
local found = redis.call('GET', KEYS[1]) or ''
if found == ARGV[2] then return 1 end
if found ~= ARGV[1] then return found end

local set, removed, fresh = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local CHUNK = 2000 -- arguments to one call; Lua unpacks at most some 8000
local EPOCHS = 64 -- whose changes are told apart
local name_at = #KEYS[1] - 3 -- '{ns:p}:v:' is four bytes shorter than '{ns:p}:marker'

for first = 1, set, CHUNK do
  local pairs_, last = {}, math.min(first + CHUNK - 1, set)
  for i = first, last do
    pairs_[2 * (i - first) + 1] = KEYS[4 + i]
    pairs_[2 * (i - first) + 2] = ARGV[7 + i]
  end
  redis.call('MSET', unpack(pairs_))
end
for first = 1, fresh, CHUNK do
  local names = {}
  for i = first, math.min(first + CHUNK - 1, fresh) do
    names[i - first + 1] = string.sub(KEYS[4 + i], name_at)
  end
  redis.call('SADD', KEYS[4], unpack(names))
end
for first = 5 + set, #KEYS, CHUNK do
  redis.call('DEL', unpack(KEYS, first, math.min(first + CHUNK - 1, #KEYS)))
end
local names_end = 7 + set + removed
for first = 8 + set, names_end, CHUNK do
  redis.call('SREM', KEYS[4], unpack(ARGV, first, math.min(first + CHUNK - 1, names_end)))
end
for first = names_end + 1, #ARGV, CHUNK do
  redis.call('SADD', KEYS[2], unpack(ARGV, first, math.min(first + CHUNK - 1, #ARGV)))
end
if ARGV[7] ~= '' then
  redis.call('ZADD', KEYS[3], ARGV[6], ARGV[7])
  local over = redis.call('ZCARD', KEYS[3]) - EPOCHS
  if over > 0 then
    -- The empty entry stands for those that are let go, up to the last of them.
    local gone = redis.call('ZRANGE', KEYS[3], over, over, 'WITHSCORES')
    redis.call('ZREMRANGEBYRANK', KEYS[3], 0, over)
    redis.call('ZADD', KEYS[3], gone[2], '')
  end
end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('PUBLISH', KEYS[1], ARGV[2])
return 1
