-- Says whether the data of this Redis can be trusted, and who else uses it. The marker belongs to one
-- life of one server process: when the process is another one (a restart, a failover) the newest
-- writes may be missing; when the marker is missing, everything is. Either way buckets start anew
-- from the time that is written down here.
--
-- KEYS   1 marker
-- ARGV   1 holder  2 run id of the server  3 the birth of the marker that the holder knows, or ''
--        4 birth of a new marker  5 for how long the holder counts as alive, in microseconds;
--        0: it leaves  6 in a cluster, when the marker's slot has come from or gone to another node
--        while the server stayed what it is: the time of its last reset; otherwise ''
-- Answers birth, time of the last reset (0: never), time, holders alive.

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local function int(value) return string.format('%.0f', value) end

local raw = redis.call('HGETALL', KEYS[1])
local f = {}
for i = 1, #raw, 2 do f[raw[i]] = raw[i + 1] end
local born, reset, clean = f.born, tonumber(f.reset or 0), f.clean

local moved = (ARGV[6] or '') ~= ''
if moved then
  if not born then born = ARGV[4] end
  reset, clean = tonumber(ARGV[6]), '0'
elseif not born then
  -- Whoever knows a marker knows that there was data here. Whoever knows none may be the first.
  born, clean = ARGV[4], ARGV[3] == '' and '1' or '0'
  if ARGV[3] ~= '' then reset = now end
elseif f.run ~= ARGV[2] then
  reset, clean = now, '0'
elseif ARGV[3] ~= '' and ARGV[3] ~= born and clean == '1' then
  -- Made by a newcomer in a Redis that had been emptied.
  reset, clean = now, '0'
end

local alive = 0
for name, value in pairs(f) do
  if string.sub(name, 1, 2) == 'q:' and name ~= 'q:' .. ARGV[1] then
    if tonumber(value) > now then alive = alive + 1 else redis.call('HDEL', KEYS[1], name) end
  end
end
redis.call('HSET', KEYS[1], 'born', born, 'run', ARGV[2], 'reset', int(reset), 'clean', clean)
if ARGV[5] == '0' then
  redis.call('HDEL', KEYS[1], 'q:' .. ARGV[1])
else
  alive = alive + 1
  redis.call('HSET', KEYS[1], 'q:' .. ARGV[1], int(now + tonumber(ARGV[5])))
end
return { born, reset, now, alive }
