--[[
After a recovery a gateway re-asserts what it remembers of a session (rule 22 e). It owns it if its
epoch is not below the record's.
KEYS[1] head of the shard
ARGV[1] run id  ARGV[2] the gateway's wall clock, real ms  ARGV[3] AssertCommand as JSON
Returns { status, now [, session row, {budget rows}, {fields}] }: recover, unknown, ok, superseded,
  ended; or { 'unseeded', now, {budget names} }
]]
-- include: head keys records unsettled budget rows save charge admission witness

local command = cjson.decode(ARGV[3])
local function given(value) if value ~= cjson.null then return value end end

local ctx = enter(KEYS[1], ARGV[1], read_time(), ARGV[2])
if not ctx then return { 'recover' } end
local id = command.org .. '|' .. command.session
local rec, base, witness = session(ctx, id), given(command.base), command.witness
if not rec and not base then return { 'unknown', ctx.now } end
local adopted = not rec
if adopted then rec = adopt_session(ctx, id, command.org, command.user, base) end
local missing = missing_for(ctx, rec, witness)
if #missing > 0 then return { 'unseeded', ctx.now, missing } end
own_budget(ctx, rec, given(command.sessionLimitMs), command.sessionLevels)

local known = rec[TOTAL]
raise(ctx, rec, witness)
local epoch = witness.epoch
local owns = compare_epochs(epoch.generation, epoch.counter, rec) >= 0
local status = 'superseded'
if rec[STATE] == STATES.ended then
  status = 'ended'
  if owns then rec[GEN], rec[CTR] = epoch.generation, epoch.counter end
  touch_session(ctx, rec)
  put_minutes(ctx, rec, true)
elseif owns then
  status = 'ok'
  rec[GEN], rec[CTR] = epoch.generation, epoch.counter
  if witness.totalMs >= known then set_upto(ctx, rec, witness.at) end
  settle_state(ctx, rec, STATES[witness.state])
else
  put_minutes(ctx, rec, rec[COUNTED] == 0)
end
local rows = budget_rows(ctx, budgets_of(ctx, rec))
-- what the ledger has all of is not kept: nothing would ever retire it
if adopted and status == 'ended' and rec[UNSETTLED] == 0 then
  return { status, ctx.now, session_row(rec), rows, {} }
end
save(ctx)
return { status, ctx.now, session_row(rec), rows, ctx.minutes }
