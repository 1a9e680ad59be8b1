--[[
Recovery (b): writes every open minute of the shard to the unsettled set and returns the set, whatever
server life and generation the shard is of: it is what an older or emptied Redis still has.
KEYS[1] head of the shard
Returns { field, value, session row or '' or '=', ... }
]]
-- include: head keys records unsettled budget rows save unsettled-list

local raw = redis.call('GET', KEYS[1])
local head = raw and cmsgpack.unpack(raw) or { '', 0, 0, 0, 1, 0 }
local ctx = view(KEYS[1], head, read_time(), 0)
for _, id in ipairs(redis.call('SMEMBERS', index_key(ctx, 'sessions'))) do
  local rec = session(ctx, id)
  if rec then put_minutes(ctx, rec, true) end
end
save(ctx)
return list_unsettled(ctx, math.max(1, redis.call('HLEN', unsettled_key(ctx))))
