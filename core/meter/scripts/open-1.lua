--[[
A recorder starts, resumes or takes over a session; raises its epoch (rules 2, 15, 16, 22, 23).
KEYS[1] head of the shard
ARGV[1] run id of this connection's server  ARGV[2] the gateway's wall clock, real ms
ARGV[3] the command as JSON (OpenCommand)
Returns { status, now, ... }:
  recover | unknown | foreign | unseeded, {budget names}
  opened, resumed, ended, checkpointInvalid: session row, {budget rows}, {unsettled fields}
    (opened: and what a shadow plan would have refused it for, or '')
  limitReached, plannedTooLong: name of the budget, {rows} | organizationSuspended: '', {rows}, {fields}
  concurrencyLimit, dayLimit: how many there are, {rows}, {}, whose limit: organization or member
  queued: how many wait before it, {rows}, {}, its turn | uncounted: generation
]]
-- include: head keys records unsettled budget rows save charge admission witness

local command = cjson.decode(ARGV[3])
local function given(value) if value ~= cjson.null then return value end end

local ctx = enter(KEYS[1], ARGV[1], read_time(), ARGV[2])
if not ctx then return { 'recover' } end
local org, user = command.org, command.user
local id = org .. '|' .. command.session
local witness, base = given(command.witness), given(command.base)

local rec = session(ctx, id)
if rec and rec[USER] ~= user then return { 'foreign', ctx.now } end
if not rec and not base and command.kind == 'resume' then return { 'unknown', ctx.now } end

-- Rule 19: what the caller thinks is the present period may have been ended meanwhile.
local function present_period(period)
  local b = ctx.believed and budget(ctx, format('o|%s|%d', org, period))
  if not b or not ended_period(ctx, b) then return period end
  return present_period(b[ENDS])
end

local is_new, adopted = not rec and not base, base and not rec
if adopted then rec = adopt_session(ctx, id, org, user, base) end
if is_new then rec = new_session(ctx, id, org, user, ctx.now, { { present_period(command.period), 0 } }, 0, 0) end

-- Rule 23: what the last owner could not tell. Of an earlier one it is fenced, as its words are.
if witness and compare_epochs(witness.epoch.generation, witness.epoch.counter, rec) >= 0 then
  witness.isLast, witness.untold = true, given(command.untold)
  -- Of a clock that has been set back since.
  if witness.untold then witness.untold.at = min(witness.untold.at, ctx.now) end
end

local missing = missing_for(ctx, rec, witness)
if #missing > 0 then return { 'unseeded', ctx.now, missing } end
local budgets = budgets_of(ctx, rec)

local function answer(status, what)
  save(ctx)
  return { status, ctx.now, what, budget_rows(ctx, budgets_of(ctx, rec)), ctx.minutes }
end
-- a refusal of a session that never was leaves nothing behind
local function refuse(status, what, more)
  return { status, ctx.now, what, budget_rows(ctx, budgets), {}, more }
end

-- Rule 6: what stopped sessions may still prove is not given to a new one.
local function free_room(b)
  return room(ctx, b) - math.max(0, b[UNPROVEN_N] * (b[LAST_STOP] - b[STARTS]) - b[UNPROVEN_S])
end

if is_new then
  if account(ctx, org)[SUSPENDED] == 1 then return refuse('organizationSuspended', '') end
  for _, b in ipairs(budgets) do
    if free_room(b) <= 0 then return refuse('limitReached', b[NAME]) end
  end
  local planned, longest = given(command.plannedMs), given(command.sessionLimitMs)
  for _, b in ipairs(budgets) do
    if planned and free_room(b) < planned then return refuse('plannedTooLong', b[NAME]) end
  end
  if planned and longest and longest < planned then return refuse('plannedTooLong', 's|' .. id) end

  local status, what, more = admission.judge(ctx, rec, command)
  if status == 'uncounted' then return { status, ctx.now, what } end
  if status ~= 'admitted' then return refuse(status, what, more) end
  for i, b in ipairs(budgets) do
    rec[JOINED + i] = b[STOPS]
    if b[STOPPED_AT] > 0 then
      b[STOPPED_AT], b[STOP_REASON] = 0, ''
      tell(ctx, b)
    end
  end
  later(ctx, 'ZADD', live_key(ctx, org), 0, admission.live_member(rec))
  admission.note_start(ctx, rec)
  later(ctx, 'ZREMRANGEBYSCORE', places_key(ctx, 'starts', org), 0, ctx.now - admission.KEPT_MS)
  own_budget(ctx, rec, given(command.sessionLimitMs), command.sessionLevels)
  rec[GEN], rec[CTR] = ctx.generation, 1
  put_session(ctx, rec)
  settle_state(ctx, rec, STATES.recording)
  local reply = answer('opened', session_row(rec))
  reply[6] = what
  return reply
end

own_budget(ctx, rec, given(command.sessionLimitMs), command.sessionLevels)
if witness then recall(ctx, rec, witness) end
if command.authenticates and witness and witness.epoch.counter < rec[CTR] then
  return answer('checkpointInvalid', session_row(rec))
end
if rec[STATE] == STATES.ended then
  -- what the ledger has all of is not kept: nothing would ever retire it
  if adopted and rec[UNSETTLED] == 0 then
    return { 'ended', ctx.now, session_row(rec), budget_rows(ctx, budgets_of(ctx, rec)), {} }
  end
  return answer('ended', session_row(rec))
end

-- Rule 2: this gateway's stopwatch knows, or the gap since the last proof counts if it is short. What
-- the stopwatch proved as the recorder came back may get here later: what passed since is a gap, too.
do
  local running = rec[STATE] == STATES.recording or rec[STATE] == STATES.stalled
    or (rec[STATE] == STATES.detached and rec[RAN] == 1)
  if witness and witness.isNewest then running = witness.state == 'recording' end
  local total, at, gap = rec[TOTAL], ctx.now, ctx.now - rec[UPTO]
  if given(command.memoryMs) then
    total = max(total, command.memoryMs)
    at = max(ctx.now - (given(command.memoryAgeMs) or 0), min(rec[UPTO], ctx.now))
  elseif running and stopped_by(ctx, rec) == '' and gap > 0 and gap <= command.countedGapMs then
    total = total + gap
  end
  -- Rule 3: of a trusted recorder no more counts than it says it captured.
  local captured = given(command.capturedMs)
  if captured then total = max(rec[TOTAL], min(total, captured)) end
  charge(ctx, rec, total, at)
end

local paused = rec[STATE] == STATES.paused or (rec[STATE] == STATES.detached and rec[RAN] == 0)
if witness and witness.isNewest then paused = witness.state == 'paused' end
rec[GEN], rec[CTR] = ctx.generation, rec[CTR] + 1
settle_state(ctx, rec, paused and STATES.paused or STATES.recording)
later(ctx, 'PUBLISH', channel_key(ctx),
  string.format('superseded %s %.0f %.0f', rec[ID], rec[GEN], rec[CTR]))
return answer('resumed', session_row(rec))
