-- Adds a batch of usage exactly once. The batches of a holder are numbered from 1, and here is kept
-- which one came last; so a batch that comes again changes nothing, and one that comes without its
-- predecessors shows that this Redis has forgotten them.
--
-- KEYS   1 last batches, a hash: holder -> number and time
--        then in twos, for each consumer and month in the batch: the consumers of the month, a
--        sorted set; the usage of the consumer, a hash: day and endpoint -> requests, cost, denials
-- ARGV   1 holder  2 number of the batch; 0: it is only asked for the last one  3 '1': predecessors
--        that are missing do not matter
--        then for each two keys: consumer, Unix time at which the keys may go, number of entries, and
--        for each entry: field, requests, cost, denials
-- Answers what became of it ('ok', 'dup', 'gap' or 'at') and the number of the last batch, before.

local MOST = 9007199254740991
local KEPT = 35 * 86400  -- the last number of a holder that has fallen silent, in seconds

local entry = redis.call('HGET', KEYS[1], ARGV[1])
local last = entry and tonumber(string.match(entry, '^%d+')) or 0
local number = tonumber(ARGV[2])
if number == 0 then return { 'at', last } end
if number <= last then return { 'dup', last } end
if number > last + 1 and ARGV[3] ~= '1' then return { 'gap', last } end

local function sum(old, more) return string.format('%.0f', math.min((tonumber(old) or 0) + more, MOST)) end

-- Everything is looked at before anything is changed: an error on the way would leave a half.
local parts = {}
local at = 4
for i = 2, #KEYS, 2 do
  local part = { months = KEYS[i], usage = KEYS[i + 1], consumer = ARGV[at], expiry = ARGV[at + 1] }
  part.is_known = redis.call('ZSCORE', part.months, part.consumer)
  local count = tonumber(ARGV[at + 2])
  at = at + 3
  local fields, values = {}, {}
  for n = 1, count do fields[n] = ARGV[at + 4 * (n - 1)] end
  local old = redis.call('HMGET', part.usage, unpack(fields))
  for n = 1, count do
    local requests, cost, denials = string.match(old[n] or '', '^(%d+) (%d+) (%d+)$')
    values[2 * n - 1] = fields[n]
    values[2 * n] = sum(requests, ARGV[at + 1]) .. ' ' .. sum(cost, ARGV[at + 2]) .. ' '
        .. sum(denials, ARGV[at + 3])
    at = at + 4
  end
  part.values = values
  parts[#parts + 1] = part
end

local now = tonumber(redis.call('TIME')[1])
-- The first to be written: a Redis that takes no writes says so here.
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %.0f', number, now))
redis.call('EXPIRE', KEYS[1], KEPT)
for _, part in ipairs(parts) do
  redis.call('HSET', part.usage, unpack(part.values))
  if not part.is_known then
    redis.call('ZADD', part.months, 0, part.consumer)
    redis.call('EXPIREAT', part.months, part.expiry)
    redis.call('EXPIREAT', part.usage, part.expiry)
  end
end
if last == 0 then
  -- A new holder: the time to forget those that have been silent for so long that they will give up
  -- what they have not told (see usage_channel.h).
  local all = redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    local time = tonumber(string.match(all[i + 1], ' (%d+)$') or now)
    if time < now - KEPT then redis.call('HDEL', KEYS[1], all[i]) end
  end
end
return { 'ok', last }
