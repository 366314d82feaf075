-- What Kong's access phase does to a request, as far as quotas can tell: routes that jump to a
-- named location, plugins that authenticate, refuse, answer or write headers. The test's own, in
-- the shape of Kong's.
local stand_in = {}

-- The first path that matches. `auth`: key-auth, with or without an anonymous consumer.
local routes = {
  {prefix = "/open"},
  {prefix = "/guests", auth = "anonymous"},
  {prefix = "/unbuffered", auth = "required", location = "@unbuffered"},
  {prefix = "/buffered", auth = "required", buffered = true},
  {prefix = "/", auth = "required"},
}

local consumers = {
  ["acme-key"] = {id = "11111111-aaaa", username = "acme", tier = "pro"},
  ["small-key"] = {id = "22222222-bbbb", username = "small"},
  ["odd-key"] = {id = "33333333-cccc", custom_id = "42"},
}

local function route_of(path)
  for _, route in ipairs(routes) do
    if path:sub(1, #route.prefix) == route.prefix then return route end
  end
end

local function write(name, value)
  if value then ngx.req.set_header(name, value) else ngx.req.clear_header(name) end
end

local function answer(status, text)
  ngx.status = status
  ngx.header["Content-Type"] = "application/json"
  ngx.say('{"message":"' .. text .. '"}')
  return ngx.exit(status)
end

-- As key-auth does it: only these names, and in this spelling.
local function set_consumer(consumer, is_stranger)
  write("X-Consumer-ID", consumer.id)
  write("X-Consumer-Custom-ID", consumer.custom_id)
  write("X-Consumer-Username", consumer.username)
  write("X-Credential-Identifier", not is_stranger and "credential" or nil)
  write("X-Anonymous-Consumer", is_stranger and "true" or nil)
end

local function key_auth(route)
  local consumer = consumers[ngx.req.get_headers()["apikey"]]
  ngx.req.clear_header("apikey")
  if consumer then
    set_consumer(consumer)
    return consumer
  end
  if route.auth == "required" then return nil, answer(401, "Unauthorized") end
  set_consumer({id = "00000000-0000", username = "anonymous"}, true)
end

-- As request-transformer's `add` does it: what is there stays.
local function request_transformer(consumer)
  if consumer and consumer.tier and not ngx.req.get_headers()["X-Quota-Tier"] then
    ngx.req.set_header("X-Quota-Tier", consumer.tier)
  end
end

function stand_in.rewrite()
  -- A plugin that looks at headers before they are final.
  local _ = ngx.var.http_x_consumer_username, ngx.var.http_x_anonymous_consumer
end

function stand_in.access()
  local route = route_of(ngx.var.uri)
  -- Kong's router comes before its plugins, and the jump with it.
  if route.location and ngx.var.kong_proxy_mode == "http" then return ngx.exec(route.location) end
  if ngx.req.get_method() == "OPTIONS" then return answer(200, "preflight") end
  local consumer
  if route.auth then consumer = key_auth(route) end
  request_transformer(consumer)
  if route.buffered then
    local got = ngx.location.capture("/kong_buffered_http")
    ngx.status = got.status
    ngx.print(got.body)
    return ngx.exit(got.status)
  end
end

function stand_in.header_filter() ngx.header["X-Kong-Response-Latency"] = "1" end

function stand_in.handle_error() answer(ngx.status, "Kong's own words") end

return stand_in
