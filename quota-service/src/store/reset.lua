-- A subject starts anew: what is spent is forgotten, what is leased out stays out.
-- KEYS 1 minute bucket  2 month
local time = redis.call('TIME')
local clock = tonumber(time[1]) * 1000000 + tonumber(time[2])

-- A lease of the minute ends; what ended before counts as spent.
local function out(key, ends)
  local sum = 0
  local raw = redis.call('HGETALL', key)
  for i = 1, #raw, 2 do
    if string.sub(raw[i], 1, 2) == 'h:' then
      local balance, expiry = string.match(raw[i + 1], '^%d+|(-?%d+)|(-?%d+)')
      if not ends or tonumber(expiry) > clock then sum = sum + tonumber(balance) end
    end
  end
  return sum
end
local function int(value) return string.format('%.0f', value) end

for i, key in ipairs(KEYS) do
  local f = redis.call('HMGET', key, 'lvl', 'lim', 'ts')
  if f[1] then
    local fresh = tonumber(f[2]) - out(key, i == 1)
    if i == 1 then
      fresh = math.max(fresh, tonumber(f[1]))
      redis.call('HSET', key, 'ts', int(math.max(tonumber(f[3]), clock)), 'rem', 0)
    end
    redis.call('HSET', key, 'lvl', int(fresh))
  end
end
return 1
