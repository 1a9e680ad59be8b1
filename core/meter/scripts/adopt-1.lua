--[[
Recovery (d): open sessions of the ledger come back with their settled time, detached, epoch 0/0.
KEYS[1] head of the shard
ARGV[1] run id  ARGV[2] generation  ARGV[3] JSON [{ session, org, user, base }]
Returns { status }: recover, staleGeneration, ok
]]
-- include: head keys records unsettled budget rows save charge admission witness

local ctx = enter(KEYS[1], ARGV[1], read_time(), 0)
if not ctx then return { 'recover' } end
if tonumber(ARGV[2]) ~= ctx.generation then return { 'staleGeneration' } end
for _, known in ipairs(cjson.decode(ARGV[3])) do
  local id = known.org .. '|' .. known.session
  if not session(ctx, id) then
    adopt_session(ctx, id, known.org, known.user, known.base)
    -- the drop of the shard may have left an organization without an account: its live set is
    -- dropped next time by this index
    later(ctx, 'SADD', index_key(ctx, 'accounts'), known.org)
  end
end
save(ctx)
return { 'ok' }
