-- A subject starts anew: what is spent is forgotten, what is leased out stays out.
-- KEYS 1 minute bucket  2 month
local function out(key)
  local sum = 0
  local raw = redis.call('HGETALL', key)
  for i = 1, #raw, 2 do
    if string.sub(raw[i], 1, 2) == 'h:' then
      sum = sum + tonumber(string.match(raw[i + 1], '^%d+|(-?%d+)'))
    end
  end
  return sum
end
local function int(value) return string.format('%.0f', value) end

for i, key in ipairs(KEYS) do
  local f = redis.call('HMGET', key, 'lvl', 'lim')
  if f[1] then
    local fresh = tonumber(f[2]) - out(key)
    if i == 1 then fresh = math.max(fresh, tonumber(f[1])) end
    redis.call('HSET', key, 'lvl', int(fresh))
  end
end
return 1
