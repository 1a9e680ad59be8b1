-- Charging a session: its total against every budget it draws on, split at period boundaries.

local function organization_name(rec, period) return format('o|%s|%d', rec[ORG], period) end
local function member_name(rec, period)
  return format('m|%s|%s|%d', rec[ORG], rec[USER], period)
end

-- Rule 15: -1 older than the record's epoch, 0 the same, 1 newer. A newer one has no record of its
-- own here: the record is what a recovery brought back, and its owner has to assert what it knows.
local function compare_epochs(generation, counter, rec)
  if generation ~= rec[GEN] then return generation < rec[GEN] and -1 or 1 end
  if counter ~= rec[CTR] then return counter < rec[CTR] and -1 or 1 end
  return 0
end

-- The budgets a session draws on now: organization, member, its own if it has one.
-- nil and the missing names where one is not in the meter. Looked up once: `forget_budgets` when the
-- session draws on others.
local function budgets_of(ctx, rec)
  local known = ctx.drawn_on[rec]
  if known then return known end
  local names = { organization_name(rec, rec[PERIOD]), member_name(rec, rec[PERIOD]) }
  if rec[JOINED + 3] >= 0 then names[3] = 's|' .. rec[ID] end
  local found, missing = {}, nil
  for i = 1, #names do
    found[i] = budget(ctx, names[i])
    if not found[i] then
      missing = missing or {}
      missing[#missing + 1] = names[i]
    end
  end
  if missing then return nil, missing end
  ctx.drawn_on[rec] = found
  return found
end

local function forget_budgets(ctx, rec) ctx.drawn_on[rec] = nil end

-- the first budget that has stopped it, organization first; kept in the record, for it is final.
-- What has ended is not stopped any more: what stops later is not why it ended.
local function stopped_by(ctx, rec)
  if rec[STOPPED_BY] ~= '' or rec[STATE] == STATES.ended then return rec[STOPPED_BY] end
  local budgets = budgets_of(ctx, rec) or {}
  for i = 1, #budgets do
    if rec[JOINED + i] < budgets[i][STOPS] then
      rec[STOPPED_BY] = budgets[i][NAME]
      touch_session(ctx, rec)
      return budgets[i][NAME]
    end
  end
  return ''
end

-- A session is in n and s of a budget, or, from a stop to its answer, in the unproven pair.
local function enter_frontier(ctx, rec, b, i)
  if rec[JOINED + i] < b[STOPS] then
    b[UNPROVEN_N] = b[UNPROVEN_N] + 1
    b[UNPROVEN_S] = b[UNPROVEN_S] + rec[UPTO] - b[STARTS]
    touch_budget(ctx, b)
  else
    b[N] = b[N] + 1
    b[S] = b[S] + rec[UPTO] - b[STARTS]
    later(ctx, 'SADD', recording_key(ctx, b[NAME]), rec[ID])
    tell(ctx, b)
  end
end

local function leave_frontier(ctx, rec, b, i)
  if rec[JOINED + i] < b[STOPS] then
    b[UNPROVEN_N] = b[UNPROVEN_N] - 1
    b[UNPROVEN_S] = b[UNPROVEN_S] - (rec[UPTO] - b[STARTS])
    touch_budget(ctx, b)
  else
    b[N] = b[N] - 1
    b[S] = b[S] - (rec[UPTO] - b[STARTS])
    later(ctx, 'SREM', recording_key(ctx, b[NAME]), rec[ID])
    tell(ctx, b)
  end
end

local function set_counted(ctx, rec, counted)
  if (rec[COUNTED] == 1) == counted then return end
  rec[COUNTED] = counted and 1 or 0
  touch_session(ctx, rec)
  for i, b in ipairs(budgets_of(ctx, rec)) do
    if counted then enter_frontier(ctx, rec, b, i) else leave_frontier(ctx, rec, b, i) end
  end
end

local function set_upto(ctx, rec, at)
  if rec[COUNTED] == 1 then
    local budgets = budgets_of(ctx, rec)
    for i = 1, #budgets do
      local b = budgets[i]
      touch_budget(ctx, b)
      local sum = rec[JOINED + i] < b[STOPS] and UNPROVEN_S or S
      b[sum] = b[sum] + at - rec[UPTO]
    end
  end
  rec[UPTO] = at
  touch_session(ctx, rec)
end

-- Rule 5: at most the room of every budget is charged; the rest is overshoot.
local function take(ctx, rec, ms)
  if ms <= 0 then return end
  local budgets, charge, lefts = budgets_of(ctx, rec), ms, {}
  for i = 1, #budgets do
    lefts[i] = room(ctx, budgets[i])
    if lefts[i] < charge then charge = lefts[i] end
  end
  local neighbours = false
  for i = 1, #budgets do
    local b = budgets[i]
    local within = b[PLAN] < b[QUOTA]
    local plan, extra, overage = draw(ctx, b, charge)
    if i == 1 then
      rec[BY_PLAN] = rec[BY_PLAN] + plan
      rec[BY_EXTRA] = rec[BY_EXTRA] + extra
      rec[BY_OVERAGE] = rec[BY_OVERAGE] + overage
      neighbours = extra > 0
    end
    if (within and b[PLAN] >= b[QUOTA]) or (extra > 0 and extra_left(ctx, b) == 0) then
      tell(ctx, b)
    end
  end
  rec[TOTAL] = rec[TOTAL] + ms
  rec[CHARGED] = rec[CHARGED] + charge
  touch_session(ctx, rec)
  if charge < ms then
    rec[OVERSHOOT] = rec[OVERSHOOT] + ms - charge
    put_session(ctx, rec)
  end
  put_minutes(ctx, rec, false)
  -- what was charged is what every room has less
  for i = 1, #budgets do check(ctx, budgets[i], lefts[i] - charge) end
  if neighbours then check_neighbours(ctx, budgets[1]) end
end

-- Rule 19: on to the next period; F stands at its start.
local function move(ctx, rec, period)
  put_minutes(ctx, rec, true)
  local stopped = stopped_by(ctx, rec) ~= ''
  local old = budgets_of(ctx, rec)
  local counted = rec[COUNTED] == 1
  if counted then for i = 1, 2 do leave_frontier(ctx, rec, old[i], i) end end
  rec[PERIOD] = period
  rec[MARKS] = format('%s,%d:%d', rec[MARKS], period, rec[CHARGED])
  rec[MARK] = rec[CHARGED]
  rec[WRITTEN] = rec[CHARGED]
  touch_session(ctx, rec)
  forget_budgets(ctx, rec)
  local new = budgets_of(ctx, rec)
  for i = 1, 2 do
    rec[JOINED + i] = stops_to_join(new[i])
    if counted and not stopped then enter_frontier(ctx, rec, new[i], i) end
  end
  if counted and stopped then
    if new[3] then leave_frontier(ctx, rec, new[3], 3) end
    rec[COUNTED] = 0
  end
end

-- Raises a session to `total`, measured at instant `at`. Returns the start of a period that is
-- missing, and whether a boundary was doubted: then charging waits at the boundary.
local function charge(ctx, rec, total, at)
  local growth = total - rec[TOTAL]
  while true do
    local ends = budgets_of(ctx, rec)[1][ENDS]
    if ends == 0 or at < ends then
      take(ctx, rec, growth)
      set_upto(ctx, rec, at)
      return nil, false
    end
    local before = min(growth, max(0, ends - rec[UPTO]))
    take(ctx, rec, before)
    growth = growth - before
    set_upto(ctx, rec, max(ends, rec[UPTO]))
    if not ctx.believed then return nil, true end
    if not (budget(ctx, organization_name(rec, ends)) and budget(ctx, member_name(rec, ends))) then
      return ends, false
    end
    move(ctx, rec, ends)
  end
end

-- What follows a session's word: in or out of n and s, its open minute written when out.
local function settle_state(ctx, rec, state)
  local stopped = stopped_by(ctx, rec) ~= ''
  if state == STATES.detached and rec[STATE] ~= STATES.detached then
    rec[RAN] = rec[STATE] == STATES.paused and 0 or 1
  end
  rec[STATE] = state
  rec[ANSWERED] = ctx.now
  touch_session(ctx, rec)
  local counted = state == STATES.recording and not stopped
  set_counted(ctx, rec, counted)
  if not counted then put_minutes(ctx, rec, true) end
  return stopped
end
