-- Counts wrk's answers by what became of the request, in each thread, and prints the sums.
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init()
  allowed, denied, others = 0, 0, 0
end

function response(status)
  if status == 200 then
    allowed = allowed + 1
  elseif status == 429 then
    denied = denied + 1
  else
    others = others + 1
  end
end

function done(summary)
  local sums = { 0, 0, 0 }
  for _, thread in ipairs(threads) do
    for number, name in ipairs({ "allowed", "denied", "others" }) do
      sums[number] = sums[number] + thread:get(name)
    end
  end
  -- Who was not answered is in none of the three.
  local errors = summary.errors
  local unanswered = errors.connect + errors.read + errors.write + errors.timeout
  print(string.format("flood: %d %d %d %d", sums[1] + sums[2] + sums[3], sums[1], sums[2],
    sums[3] + unanswered))
end
