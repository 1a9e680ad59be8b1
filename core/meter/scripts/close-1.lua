--[[
Ends a session: by its owner's last word, or by the sweep if nothing has changed since it looked
(rules 16, 17). Of one that has ended, a larger last total is still charged.
KEYS[1] head of the shard
ARGV[1] run id  ARGV[2] gateway wall clock, real ms  ARGV[3] org|session  ARGV[4] reason
ARGV[5] 'owner': ARGV[6] generation, ARGV[7] counter, ARGV[8] total, ARGV[9] age
        'sweep': ARGV[6] total, ARGV[7] last answer
Returns { status, now [, session row, {budget rows}, {fields}] }: recover, unknown, superseded,
  changed, ended
]]
-- include: head keys records unsettled budget rows save charge admission

local ctx = enter(KEYS[1], ARGV[1], read_time(), ARGV[2])
if not ctx then return { 'recover' } end
local rec = session(ctx, ARGV[3])
if not rec then return { 'unknown', ctx.now } end

local ended = rec[STATE] == STATES.ended
if ARGV[5] == 'owner' then
  local order = compare_epochs(tonumber(ARGV[6]), tonumber(ARGV[7]), rec)
  if order ~= 0 then return { order < 0 and 'superseded' or 'unknown', ctx.now } end
elseif ended or rec[TOTAL] ~= tonumber(ARGV[6]) or rec[ANSWERED] ~= tonumber(ARGV[7]) then
  return { 'changed', ctx.now }
end

-- after a recovery nobody may have seeded the budgets of a session that only has to end
local budgets = budgets_of(ctx, rec)
if ARGV[5] == 'owner' and tonumber(ARGV[8]) >= rec[TOTAL] then
  if not budgets then return { 'unknown', ctx.now } end
  charge(ctx, rec, tonumber(ARGV[8]), ctx.now - tonumber(ARGV[9]))
end
if budgets then
  stopped_by(ctx, rec)
  set_counted(ctx, rec, false)
end
put_minutes(ctx, rec, true)
if not ended then
  rec[STATE], rec[ENDED], rec[REASON] = STATES.ended, ctx.now, ARGV[4]
  later(ctx, 'ZREM', live_key(ctx, rec[ORG]), admission.live_member(rec))
  put_session(ctx, rec)
end
local rows = budget_rows(ctx, budgets_of(ctx, rec) or {})
save(ctx)
return { 'ended', ctx.now, session_row(rec), rows, ctx.minutes }
