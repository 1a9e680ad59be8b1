--[[
Has a budget run out? Sessions that gave no sign for 2 s leave first; then it stops if T still
stands (rule 6).
KEYS[1] head of the shard
ARGV[1] run id  ARGV[2] name of the budget
Returns { status [, now, budget row] }: recover, unknown, again, stopped
]]
-- include: head keys records unsettled budget rows save charge

local ctx = enter(KEYS[1], ARGV[1], read_time(), 0)
if not ctx then return { 'recover' } end
local b = budget(ctx, ARGV[2])
if not b then return { 'unknown' } end

local function is_due()
  local at = runs_out_at(ctx, b)
  return at ~= nil and b[STOPPED_AT] == 0 and not ended_period(ctx, b) and at <= ctx.now
end

if is_due() then
  for _, id in ipairs(redis.call('SMEMBERS', recording_key(ctx, b[NAME]))) do
    local rec = session(ctx, id)
    if rec and rec[COUNTED] == 1 and rec[UPTO] < ctx.now - ctx.tolerance then
      set_counted(ctx, rec, false)
      rec[STATE] = STATES.stalled
    end
  end
end
local status = 'again'
if is_due() then
  status = 'stopped'
  stop(ctx, b, 'limitReached')
end
local row = budget_row(ctx, b)
save(ctx)
return { status, ctx.now, row }
