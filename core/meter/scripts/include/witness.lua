-- What is known of a session beyond Redis: the ledger's base, a checkpoint, a gateway's memory.

-- A record for a session that Redis does not have (rule 16). Its time in the ledger counts as
-- written; nothing of it is in n and s.
local function new_session(ctx, id, org, user, started, marks, charged, overshoot)
  local texts = {}
  for i, mark in ipairs(marks) do texts[i] = format('%d:%d', mark[1], mark[2]) end
  local last = marks[#marks]
  local rec = { 0, 0, STATES.detached, charged + overshoot, charged, overshoot, started, ctx.now,
    started, 0, last[1], 0, 0, 0, charged, 0, 0, 0, 2, 0, 0, -1, last[2], org, user, '', '',
    table.concat(texts, ','), id }
  ctx.sessions[id] = rec
  touch_session(ctx, rec)
  later(ctx, 'SADD', index_key(ctx, 'sessions'), id)
  return rec
end

-- base: { startedAt, ended, reason, overshootMs, marks = {{period, charged}, ...}, chargedMs,
--   bySource = { planMs, extraMs, overageMs } where anything was charged }
local function adopt_session(ctx, id, org, user, base)
  local rec = new_session(ctx, id, org, user, base.startedAt, base.marks, base.chargedMs, base.overshootMs)
  local by = base.bySource
  if by then rec[BY_PLAN], rec[BY_EXTRA], rec[BY_OVERAGE] = by.planMs, by.extraMs, by.overageMs end
  for i, name in ipairs({ organization_name(rec, rec[PERIOD]), member_name(rec, rec[PERIOD]) }) do
    local b = budget(ctx, name)
    if b then rec[JOINED + i] = stops_to_join(b) end
  end
  if base.ended then
    rec[STATE], rec[ENDED], rec[REASON] = STATES.ended, ctx.now, base.reason
  else
    later(ctx, 'ZADD', live_key(ctx, org), 0, admission.live_member(rec))
    admission.note_start(ctx, rec)
  end
  return rec
end

-- A session's own budget, where the plan names a longest session. It counts from what it has; one
-- that is recording stands in its n and s from here on.
local function own_budget(ctx, rec, limit, levels)
  if not limit or rec[JOINED + 3] >= 0 then return end
  local name = 's|' .. rec[ID]
  local crossed = {}
  for i = 1, #levels do crossed[i] = 0 end
  local b = { limit, 1, MODE_STOP, -1, rec[STARTED], 0, rec[CHARGED], min(rec[CHARGED], limit), 0,
    max(0, rec[CHARGED] - limit), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, rec[ORG], '',
    list_text(levels), list_text(crossed), name }
  ctx.budgets[name] = b
  rec[JOINED + 3] = 0
  forget_budgets(ctx, rec)
  touch_session(ctx, rec)
  tell(ctx, b)
  later(ctx, 'SADD', index_key(ctx, 'budgets'), name)
  if rec[COUNTED] == 1 then enter_frontier(ctx, rec, b, 3) end
  check(ctx, b)
end

-- names of the budgets a witness' segments would be charged to and that the meter lacks
local function missing_for(ctx, rec, witness)
  local _, missing = budgets_of(ctx, rec)
  missing = missing or {}
  local function need(period)
    for _, name in ipairs({ organization_name(rec, period), member_name(rec, period) }) do
      if not budget(ctx, name) then missing[#missing + 1] = name end
    end
  end
  for _, mark in ipairs(witness and witness.marks or {}) do
    if mark[1] > rec[PERIOD] then need(mark[1]) end
  end
  local b = witness and witness.untold and budget(ctx, organization_name(rec, rec[PERIOD]))
  if b and b[ENDS] > 0 and witness.untold.at >= b[ENDS] then need(b[ENDS]) end
  return missing
end

-- The ledger keeps no instants: of a session that came back from it with all that a witness knows, or
-- more, the witness says when that was and whether it recorded. What it does not know came after it.
local function place(ctx, rec, witness, beyond)
  if rec[STATE] ~= STATES.detached or rec[RAN] ~= 2 or witness.state == 'detached' then return end
  rec[RAN] = witness.state == 'recording' and 1 or 0
  set_upto(ctx, rec, witness.at + beyond)
end

-- Rule 22: raises a session to what a witness says, its charged time segment by segment into the
-- periods of its marks. Overshoot stands beside it and is never charged: what a segment finds no room
-- for is not carried into the next one, and where the two disagree on overshoot, the axis of charged
-- time is entered as late as the growth allows.
local function raise(ctx, rec, witness)
  local growth = witness.totalMs - rec[TOTAL]
  if growth <= 0 then return place(ctx, rec, witness, -growth) end
  local charged = witness.totalMs - witness.overshootMs
  local known = math.max(rec[CHARGED], charged - growth)
  for i, mark in ipairs(witness.marks) do
    if mark[1] > rec[PERIOD] then move(ctx, rec, mark[1]) end
    if mark[1] == rec[PERIOD] then
      local next_mark = witness.marks[i + 1]
      take(ctx, rec, (next_mark and next_mark[2] or charged) - math.max(mark[2], known))
    end
  end
  local overshoot = math.max(rec[OVERSHOOT], witness.totalMs - rec[CHARGED])
  if overshoot > rec[OVERSHOOT] then
    rec[OVERSHOOT] = overshoot
    put_session(ctx, rec)
  end
  rec[TOTAL] = rec[CHARGED] + rec[OVERSHOOT]
  set_upto(ctx, rec, witness.at)
  -- a witness that knows more time knows the newer state, too
  if rec[STATE] == STATES.detached and witness.state ~= 'detached' then
    rec[RAN] = witness.state == 'recording' and 1 or 0
  end
  if rec[COUNTED] == 0 then put_minutes(ctx, rec, true) end
end

-- Rule 23: with a checkpoint's witness what its gateway could not tell, as a word of that instant. Who
-- knows more time, or a later proof of the same, knows the newer state, too.
local function recall(ctx, rec, witness)
  local untold, known, upto = witness.untold, rec[TOTAL], rec[UPTO]
  local told = witness.totalMs + (untold and untold.ms or 0)
  local is_later = told > known or (untold ~= nil and told == known and untold.at > upto)
  witness.isNewest = witness.isLast and witness.state ~= 'detached' and is_later
  if untold and untold.isForgiven then
    witness.totalMs, witness.at = told, untold.at
    witness.overshootMs = witness.overshootMs + untold.ms
  end
  raise(ctx, rec, witness)
  if not (untold and witness.isNewest) then return end
  charge(ctx, rec, told, max(untold.at, rec[UPTO]))
  if rec[COUNTED] == 0 then put_minutes(ctx, rec, true) end
end
