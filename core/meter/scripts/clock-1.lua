--[[
Changes how meter time runs in a shard.
KEYS[1] head of the shard
ARGV[1] meter base  ARGV[2] real base  ARGV[3] speed  ARGV[4] 1 if frozen
Returns 1, or 0 where the shard is empty
]]

local raw = redis.call('GET', KEYS[1])
if not raw then return 0 end
local head = cmsgpack.unpack(raw)
for i = 1, 4 do head[i + 2] = tonumber(ARGV[i]) end
redis.call('SET', KEYS[1], cmsgpack.pack(head))
return 1
