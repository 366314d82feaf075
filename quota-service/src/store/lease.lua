-- One call of one holder for one subject: reports what was spent of its leases and takes new ones,
-- out of the minute bucket and the month at once. All amounts are whole milli-tokens, all times
-- whole microseconds, and every product stays below 2^53, so doubles are exact here.
--
-- KEYS   1 minute bucket   2 month   3 marker (not in a cluster, where it lies in another slot)
-- ARGV   1 holder  2 seq, rising with each call of the holder for this subject
--        3 ttl of a lease  4 buckets last touched before this time are void; 0: none
--        5 how long an idle bucket is kept, in milliseconds
--   minute: 6 limit (-1: there is none, -2: as it is)  7 capacity
--        8 all that the holder ever spent of leases  9 given back  10 spent without a lease
--       11 wanted and 12 needed balance after this call
--   month: 13 limit (-1, -2 as above)  14 all that the holder ever spent of it, -1: it has forgotten
--       15 1: give the balance back  16 wanted and 17 needed balance  18 end of life, unix milliseconds
--
-- Answers holders, pause, minute {balance, level, retry, burned}, month {balance, level, spent, limit}.
-- While pause > 0 nothing is granted.

local MINUTE = 60000000
local LONGEST_STEP = 100000000
local TEN_DAYS_MS = 864000000
local PART = '^(%d+)|(-?%d+)|(-?%d+)|(-?%d+)|?(-?%d*)$'

local function int(value) return string.format('%.0f', value) end

local holder = 'h:' .. ARGV[1]
local seq = tonumber(ARGV[2])
local ttl = tonumber(ARGV[3])
local void_before = tonumber(ARGV[4])
local time = redis.call('TIME')
local clock = tonumber(time[1]) * 1000000 + tonumber(time[2])

if KEYS[3] then
  local reset = tonumber(redis.call('HGET', KEYS[3], 'reset') or -1)
  -- Without its marker this Redis was emptied, and nobody has said so yet.
  if reset < 0 then return redis.error_reply('NOMARKER the marker is missing') end
  -- Somebody else may have said so since this call was sent.
  if reset > 0 then void_before = math.max(void_before, reset + ttl) end
end
local pause = math.max(0, void_before - clock)

-- Adds what `elapsed` brings at `limit` a minute, but never goes beyond `top` by it.
local function refill(level, rem, elapsed, limit, top)
  if level >= top then return level, rem end
  if limit <= 0 then return level, rem end
  -- More time than it takes to fill is only a larger number.
  elapsed = math.min(elapsed, math.ceil((top - level) / limit * MINUTE) + MINUTE)
  local part = math.fmod(limit, MINUTE)
  local whole = (limit - part) / MINUTE
  while elapsed > 0 and level < top do
    local step = math.min(elapsed, LONGEST_STEP)
    elapsed = elapsed - step
    local product = part * step + rem
    rem = math.fmod(product, MINUTE)
    level = level + whole * step + (product - rem) / MINUTE
  end
  if level >= top then return top, 0 end
  return level, rem
end

-- The balance after a grant out of `level`: enough for `need`, up to `want`, and beyond the need
-- no more than its part of what there is. Less than `need` is not worth having.
local function grant(level, balance, want, need, divisor)
  local available = level + balance
  if need > available then return level, balance end
  local target = math.max(need, math.min(want, math.floor(available / divisor)))
  local taken = math.max(0, math.min(target - balance, level))
  return level - taken, balance + taken
end

-- The minute bucket ------------------------------------------------------------------------------

local minute = { limit = tonumber(ARGV[6]), balance = 0, level = 0, retry = 0, burned = 0 }
local holders = 1
local mine, others_out, burnt = nil, 0, {}

local function read_minute()
  local b = minute
  local raw = redis.call('HGETALL', KEYS[1])
  local f = {}
  for i = 1, #raw, 2 do f[raw[i]] = raw[i + 1] end
  b.exists = f.lvl ~= nil
  local old_limit = tonumber(f.lim or 0)
  local old_capacity = tonumber(f.cap or 0)
  if b.limit == -2 then
    b.limit, b.capacity = old_limit, old_capacity
  else
    b.capacity = tonumber(ARGV[7])
  end
  local leases, out = {}, 0
  for name, value in pairs(f) do
    if string.sub(name, 1, 2) == 'h:' then
      local s, balance, expiry, last, spent = string.match(value, PART)
      local lease = { name = name, seq = tonumber(s), balance = tonumber(balance),
                      expiry = tonumber(expiry), last = tonumber(last), spent = tonumber(spent) }
      leases[#leases + 1] = lease
      out = out + lease.balance
    end
  end
  local rem = tonumber(f.rem or 0)
  local level, ts
  if not b.exists then
    old_limit, old_capacity = b.limit, b.capacity
    if void_before > 0 then
      -- What this bucket held was lost; it may hold what has come since.
      level, ts = 0, void_before
      level, rem = refill(level, rem, math.max(0, clock - ts), b.limit, b.limit)
      ts = math.max(ts, clock)
    else
      level, ts = b.limit, clock
    end
  else
    level, ts = tonumber(f.lvl), tonumber(f.ts)
    if ts < void_before then
      level, rem, ts = 0, 0, void_before
      old_limit, old_capacity = b.limit, b.capacity
      for _, lease in ipairs(leases) do burnt[#burnt + 1] = lease.name end
      leases, out = {}, 0
    end
  end
  b.now = math.max(ts, clock)

  -- Burn what has expired, in the order of expiry: until then a lease took room in the bucket.
  table.sort(leases, function(x, y) return x.expiry < y.expiry end)
  local rate = math.min(old_limit, b.limit)
  for _, lease in ipairs(leases) do
    if lease.expiry <= b.now then
      if lease.expiry > ts then
        level, rem = refill(level, rem, lease.expiry - ts, rate, old_capacity - out)
        ts = lease.expiry
      end
      out = out - lease.balance
      burnt[#burnt + 1] = lease.name
    elseif lease.name == holder then
      mine = lease
    else
      holders = holders + 1
    end
  end
  level, rem = refill(level, rem, b.now - ts, rate, old_capacity - out)
  -- What has been used stays used when the limit changes.
  level = level + b.limit - old_limit
  b.level = math.min(level, b.capacity - out)
  b.rem = b.level == level and rem or 0
end

local function use_minute()
  local b = minute
  local lease = mine
  if not lease then
    b.burned = 1
    lease = { balance = 0, spent = tonumber(ARGV[8]), last = 0 }
  else
    local spent = math.max(0, tonumber(ARGV[8]) - lease.spent)
    lease.spent = lease.spent + spent
    lease.balance = math.max(0, lease.balance - spent)
    local returned = math.min(tonumber(ARGV[9]), lease.balance)
    lease.balance = lease.balance - returned
    b.level = b.level + returned
  end
  -- A balance that the holder has not heard of is still there.
  local debt = tonumber(ARGV[10])
  local covered = math.min(debt, lease.balance)
  lease.balance, debt = lease.balance - covered, debt - covered
  if debt > 0 then b.level = math.max(b.level - debt, math.min(b.level, 0)) end
  local want, need = tonumber(ARGV[11]), tonumber(ARGV[12])
  local before = lease.balance
  if pause == 0 then
    b.level, lease.balance = grant(b.level, lease.balance, want, need, 2 * holders)
    if lease.balance < need and b.limit > 0 then
      b.retry = math.ceil((need * holders - b.level - lease.balance) / b.limit * MINUTE)
    end
  end
  b.balance = lease.balance

  if #burnt > 0 then redis.call('HDEL', KEYS[1], unpack(burnt)) end
  redis.call('HSET', KEYS[1], 'lvl', int(b.level), 'ts', int(b.now), 'rem', int(b.rem),
    'lim', int(b.limit), 'cap', int(b.capacity), holder,
    int(seq) .. '|' .. int(lease.balance) .. '|' .. int(b.now + ttl) .. '|' ..
    int(lease.balance - before) .. '|' .. int(lease.spent))
  local fill_ms = b.limit > 0 and math.ceil(b.capacity / b.limit * 60000) or 0
  redis.call('PEXPIRE', KEYS[1],
    int(math.ceil(ttl / 1000) + math.max(fill_ms, tonumber(ARGV[5]))))
end

-- The month --------------------------------------------------------------------------------------

local month = { limit = tonumber(ARGV[13]), balance = 0, level = 0, spent = 0 }
local entry

local function read_month()
  local m = month
  local f = redis.call('HMGET', KEYS[2], 'lvl', 'lim', holder)
  local old_limit = tonumber(f[2] or 0)
  if m.limit == -2 then m.limit = old_limit end
  m.level = tonumber(f[1] or 0) + m.limit - old_limit
  if f[3] then
    local s, balance, spent, last = string.match(f[3], PART)
    entry = { seq = tonumber(s), balance = tonumber(balance), spent = tonumber(spent),
              last = tonumber(last) }
  end
end

local function use_month()
  local m = month
  local e = entry or { balance = 0, spent = 0 }
  local reported = tonumber(ARGV[14])
  if reported < 0 then
    -- Nobody knows how much of the balance is spent: all of it.
    e.spent = e.spent + e.balance
    e.balance = 0
  elseif reported > e.spent then
    -- More than was granted, as far as this Redis knows: it has lost the grant, or none was asked.
    local more = reported - e.spent
    local covered = math.min(more, e.balance)
    e.balance = e.balance - covered
    m.level = m.level - (more - covered)
    e.spent = reported
  end
  -- Given back by the holder, or taken back because the limit was lowered below what is out.
  local back = ARGV[15] == '1' and e.balance or math.max(0, math.min(e.balance, -m.level))
  m.level = m.level + back
  e.balance = e.balance - back
  local before = e.balance
  if pause == 0 then
    -- A crash costs what is out: at most a sixteenth of what remains.
    m.level, e.balance = grant(m.level, e.balance, tonumber(ARGV[16]), tonumber(ARGV[17]),
      math.max(16, 2 * holders))
  end
  m.balance, m.spent = e.balance, e.spent
  redis.call('HSET', KEYS[2], 'lvl', int(m.level), 'lim', int(m.limit), holder,
    int(seq) .. '|' .. int(e.balance) .. '|' .. int(e.spent) .. '|' .. int(e.balance - before))
  -- Some days at least, whatever the two clocks think of each other.
  redis.call('PEXPIRE', KEYS[2], int(math.max(tonumber(ARGV[18]) - clock / 1000, TEN_DAYS_MS)))
end

-- The call ---------------------------------------------------------------------------------------

local has_minute, has_month = minute.limit ~= -1, month.limit ~= -1
if has_minute then read_minute() end
if has_month then read_month() end
-- Nothing is as it was in a bucket that has gone: there is nothing to give back to.
if minute.limit == 0 and not minute.exists and ARGV[6] == '-2' then has_minute = false end

local last = math.max(mine and mine.seq or -1, entry and entry.seq or -1)
if seq < last then return redis.error_reply('STALE a later call has been answered') end

if has_minute then
  if mine and mine.seq == seq then minute.balance = mine.balance else use_minute() end
end
if has_month then
  if entry and entry.seq == seq then
    month.balance, month.spent = entry.balance, entry.spent
  else
    use_month()
  end
end
return { holders, pause, minute.balance, minute.level, minute.retry, minute.burned,
         month.balance, month.level, month.spent, month.limit }
