--[[
Ends an organization's running period at this very instant (rule 19): nobody has been charged in it
for later time, so a session that runs across is split there exactly. Repeats find it ended.
KEYS[1] head of the shard
ARGV[1] run id  ARGV[2] the organization  ARGV[3] start of the period
Returns { status, now, at | {budget names} }: recover; unseeded: names; cut: it ends at `at` = now;
  over: it had ended at `at` already; fresh: it has not begun before now
]]
-- include: head keys records unsettled budget rows save admission

local ctx = enter(KEYS[1], ARGV[1], read_time(), 0)
if not ctx then return { 'recover' } end
local org, period = ARGV[2], ARGV[3]
local name = 'o|' .. org .. '|' .. period
local b = budget(ctx, name)
if not b then return { 'unseeded', ctx.now, { name } } end
if ended_period(ctx, b) then return { 'over', ctx.now, b[ENDS] } end
if ctx.now <= b[STARTS] then return { 'fresh', ctx.now, b[STARTS] } end

-- Members of running sessions: nobody else's budget could still stop anybody.
local function cut(one)
  one[ENDS] = ctx.now
  tell(ctx, one)
end
cut(b)
for _, id in ipairs(admission.live_ids(ctx, org)) do
  local rec = session(ctx, id)
  local member = rec and budget(ctx, 'm|' .. org .. '|' .. rec[USER] .. '|' .. period)
  if member and member[ENDS] > ctx.now then cut(member) end
end
save(ctx)
return { 'cut', ctx.now, ctx.now }
