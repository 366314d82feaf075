-- The override of the mode, shared by all quotads.
--
--   KEYS[1]  quota:{mode}  "<word> <Unix time in ms>"; the word is enforce, shadow, off, or policy
--
--   ARGV: channel, "put", word, time
--     -> the record, made now; later than the one before, whatever the callers' clocks say
--   ARGV: channel, "offer", word, time
--     -> the newer of what is recorded and what is offered, which is recorded if it was not; nil
--        when nothing is recorded and the time is 0: the caller knows of nothing
--
-- A new record is published. The offer makes up for a Redis that has forgotten: who knows, tells.

local key, channel, what, word = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local recorded = redis.call('GET', key)
local digits = recorded and string.match(recorded, '^%l+ (%d+)$')
-- What cannot be read is older than anything; with more digits it is no time, and no exact number.
local since = digits and #digits <= 15 and tonumber(digits) or 0
local time = tonumber(ARGV[4])

if what == 'put' then
  time = math.max(time, since + 1)
elseif time <= since then
  return recorded
end

local record = word .. ' ' .. string.format('%.0f', time)
redis.call('SET', key, record)
redis.call('PUBLISH', channel, record)
return record
