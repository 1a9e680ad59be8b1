--[[
What the ledger has of an organization's starts since an instant (rule 18): from here on that day can
be counted. The open that answered `uncounted` has begun to note those that come meanwhile.
KEYS[1] head of the shard
ARGV[1] run id  ARGV[2] CountCommand as JSON
Returns { status [, now] }: recover, staleGeneration, ok
]]
-- include: head keys records

local ctx = enter(KEYS[1], ARGV[1], read_time(), 0)
if not ctx then return { 'recover' } end
local command = cjson.decode(ARGV[2])
if command.generation ~= ctx.generation then return { 'staleGeneration' } end
local key = places_key(ctx, 'starts', command.org)
if redis.call('EXISTS', key) == 0 then return { 'staleGeneration' } end
for _, start in ipairs(command.starts) do
  redis.call('ZADD', key, 'NX', start.startedAt, start.user .. '|' .. start.session)
end
local since = redis.call('ZSCORE', key, '')
if not since or -tonumber(since) > command.since then redis.call('ZADD', key, -command.since, '') end
return { 'ok', ctx.now }
