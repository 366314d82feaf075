-- Managed consumers in Redis. All of them lie in one slot, so that a change is one step in a
-- cluster too.
--
--   KEYS[1]  quota:{consumers}:by_id   hash of id -> record, a JSON object
--   KEYS[2]  quota:{consumers}:by_key  hash of SHA-256 of an API key, in hex -> id
--
--   ARGV: "find_by_key", digest
--     -> the record of the consumer who has the key, or nil
--   ARGV: "put", channel, id, record, expected, digest…
--     -> "ok", or "changed" when the record in the store is not the `expected` one ("": none), or
--        {"taken", digest, owner} when a key is somebody else's
--   ARGV: "remove", channel, id
--     -> "ok", or nil when there is no such consumer
--
-- Every change is published as "<id> <digest> <digest>…" with the keys that the consumer had or
-- has, so that nobody goes on believing what he knew about one of them.

local by_id, by_key = KEYS[1], KEYS[2]
local what = ARGV[1]

-- None of a record that cannot be read: its keys then lead to nobody, and may be given away.
local function keys_of(id)
  local keys = {}
  local record = redis.call('HGET', by_id, id)
  if not record then return keys end
  local readable, fields = pcall(cjson.decode, record)
  if not readable or type(fields) ~= 'table' or type(fields.api_keys) ~= 'table' then return keys end
  for _, key in ipairs(fields.api_keys) do
    if type(key) == 'string' then keys[#keys + 1] = key end
  end
  return keys
end

local function has_key(id, key)
  for _, each in ipairs(keys_of(id)) do
    if each == key then return true end
  end
  return false
end

-- Takes the consumer's keys out of the index, and returns them.
local function release_keys(id)
  local keys = keys_of(id)
  for _, key in ipairs(keys) do
    if redis.call('HGET', by_key, key) == id then redis.call('HDEL', by_key, key) end
  end
  return keys
end

if what == 'find_by_key' then
  local id = redis.call('HGET', by_key, ARGV[2])
  return id and redis.call('HGET', by_id, id)
end

local channel, id = ARGV[2], ARGV[3]

if what == 'put' then
  local record, expected = ARGV[4], ARGV[5]
  if (redis.call('HGET', by_id, id) or '') ~= expected then return 'changed' end
  for i = 6, #ARGV do
    local owner = redis.call('HGET', by_key, ARGV[i])
    if owner and owner ~= id and has_key(owner, ARGV[i]) then return {'taken', ARGV[i], owner} end
  end
  local touched = release_keys(id)
  redis.call('HSET', by_id, id, record)
  for i = 6, #ARGV do
    redis.call('HSET', by_key, ARGV[i], id)
    touched[#touched + 1] = ARGV[i]
  end
  redis.call('PUBLISH', channel, table.concat({id, unpack(touched)}, ' '))
  return 'ok'
end

if what == 'remove' then
  if redis.call('HEXISTS', by_id, id) == 0 then return false end
  local touched = release_keys(id)
  redis.call('HDEL', by_id, id)
  redis.call('PUBLISH', channel, table.concat({id, unpack(touched)}, ' '))
  return 'ok'
end

return redis.error_reply('consumers.lua knows no "' .. tostring(what) .. '"')
