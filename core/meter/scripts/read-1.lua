--[[
Reads, changing nothing.
KEYS[1] head of the shard
ARGV[1] run id  ARGV[2] 'budgets' | 'session' | 'live' | 'shard'
ARGV[3..] names of budgets | org|session | the organization | nothing
Returns { status, now, {rows} }: recover, ok; budgets that are not there are left out, a session that
  is not there is no row
]]
-- include: head keys records unsettled budget rows

local ctx = enter(KEYS[1], ARGV[1], read_time(), 0)
if not ctx then return { 'recover' } end
local rows = {}

local function add_sessions(ids)
  for _, id in ipairs(ids) do
    local rec = session(ctx, id)
    if rec then rows[#rows + 1] = session_row(rec) end
  end
end

if ARGV[2] == 'budgets' then
  for i = 3, #ARGV do
    local b = budget(ctx, ARGV[i])
    if b then rows[#rows + 1] = budget_row(ctx, b) end
  end
elseif ARGV[2] == 'session' then
  add_sessions({ ARGV[3] })
elseif ARGV[2] == 'live' then
  add_sessions(redis.call('SMEMBERS', live_key(ctx, ARGV[3])))
else
  for _, id in ipairs(redis.call('SMEMBERS', index_key(ctx, 'sessions'))) do
    local rec = session(ctx, id)
    if rec and rec[STATE] ~= STATES.ended then rows[#rows + 1] = session_row(rec) end
  end
end
return { 'ok', ctx.now, rows }
