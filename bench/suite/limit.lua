-- A minute's limit by API key as Kong's rate-limiting plugin keeps it in Redis: one INCRBY and one
-- EXPIRE in a pipeline, over a connection that is kept, and five headers.
local redis = require "nginx.redis" -- Debian's name of lua-resty-redis
local LIMIT = 900000000

return function(socket)
    local client = redis:new()
    client:set_timeout(1000)
    local ok, err = client:connect(socket)
    if not ok then
        ngx.log(ngx.ERR, "no connection to Redis: ", err)
        return ngx.exit(503)
    end
    local now = ngx.time()
    local window = now - now % 60
    local name = "ratelimit:" .. (ngx.var.http_x_api_key or ngx.var.remote_addr) .. ":" .. window
    client:init_pipeline(2)
    client:incrby(name, 1)
    client:expire(name, 60)
    local answers, failed = client:commit_pipeline()
    if not answers then
        ngx.log(ngx.ERR, "Redis did not count: ", failed)
        return ngx.exit(503)
    end
    client:set_keepalive(10000, 512)
    local remaining = math.max(0, LIMIT - answers[1])
    local header = ngx.header
    header["X-RateLimit-Limit-Minute"] = LIMIT
    header["X-RateLimit-Remaining-Minute"] = remaining
    header["RateLimit-Limit"] = LIMIT
    header["RateLimit-Remaining"] = remaining
    header["RateLimit-Reset"] = window + 60 - now
    if answers[1] > LIMIT then
        return ngx.exit(429)
    end
end
