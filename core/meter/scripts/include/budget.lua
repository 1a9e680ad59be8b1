-- A budget: what it has left, what a charge takes from it, which levels hold, when it stops.

local function is_organization(b) return string.byte(b[NAME]) == 111 end -- 'o'

-- thresholds are crossed at the newer of quota's and grant's version (rule 8)
local function version_of(ctx, b)
  if not is_organization(b) then return b[VERSION] end
  return math.max(b[VERSION], account(ctx, b[HOLDER])[GRANT_VERSION])
end

-- extra minutes not drawn yet, of all periods; only organizations hold any
local function extra_left(ctx, b)
  if not is_organization(b) then return 0 end
  local acc = account(ctx, b[HOLDER])
  return math.max(0, acc[GRANTED] - acc[DRAWN_SETTLED] - acc[OPEN])
end

-- what may still be charged; infinity when nothing limits it
local function room(ctx, b)
  if b[QUOTA] < 0 or b[MODE] == MODE_SHADOW then return math.huge end
  local left = math.max(0, b[QUOTA] - b[PLAN]) + extra_left(ctx, b)
  if b[MODE] ~= MODE_OVERAGE then return left end
  if b[CAP] < 0 then return math.huge end
  return left + math.max(0, b[CAP] - b[OVERAGE])
end

local function ended_period(ctx, b) return b[ENDS] > 0 and ctx.now >= b[ENDS] end

-- Plan first, then extra minutes, then overage (rule 5). Returns the three parts.
local function draw(ctx, b, ms)
  touch_budget(ctx, b)
  local plan = b[QUOTA] < 0 and ms or math.min(ms, math.max(0, b[QUOTA] - b[PLAN]))
  local extra = math.min(ms - plan, extra_left(ctx, b))
  b[USED] = b[USED] + ms
  b[PLAN] = b[PLAN] + plan
  b[EXTRA] = b[EXTRA] + extra
  b[OVERAGE] = b[OVERAGE] + ms - plan - extra
  if extra > 0 then
    local acc = account(ctx, b[HOLDER])
    acc[OPEN] = acc[OPEN] + extra
    touch_account(ctx, acc)
  end
  return plan, extra, ms - plan - extra
end

-- Rule 12: the split of what is not settled yet, from the settled sums.
local function derive(ctx, b, settled)
  local before = b[EXTRA] - b[SETTLED_EXTRA]
  touch_budget(ctx, b)
  if settled then
    b[SETTLED], b[SETTLED_PLAN], b[SETTLED_EXTRA], b[SETTLED_OVERAGE] = unpack(settled)
  end
  local open = math.max(0, b[USED] - b[SETTLED])
  local plan = b[QUOTA] < 0 and open or math.min(open, math.max(0, b[QUOTA] - b[SETTLED_PLAN]))
  local extra = 0
  if is_organization(b) then
    local acc = account(ctx, b[HOLDER])
    local others = acc[OPEN] - before
    extra = math.min(open - plan, math.max(0, acc[GRANTED] - acc[DRAWN_SETTLED] - others))
    acc[OPEN] = others + extra
    touch_account(ctx, acc)
  end
  b[PLAN] = b[SETTLED_PLAN] + plan
  b[EXTRA] = b[SETTLED_EXTRA] + extra
  b[OVERAGE] = b[SETTLED_OVERAGE] + open - plan - extra
end

-- Rule 9. A positive level is percent of the plan quota, a negative one what remains, in ms.
local function holds(ctx, b, level)
  if level > 0 then return b[QUOTA] >= 0 and b[PLAN] * 100 >= level * b[QUOTA] end
  local left = room(ctx, b)
  return left < math.huge and left <= -level and -level < b[USED] + left
end

local function mark_crossed(ctx, b, i)
  b[CROSSED][i] = version_of(ctx, b)
  put_alert(ctx, b, b[LEVELS][i], b[CROSSED][i])
  tell(ctx, b)
end

local function cross(ctx, b)
  for i, level in ipairs(b[LEVELS]) do
    if b[CROSSED][i] == 0 and holds(ctx, b, level) then mark_crossed(ctx, b, i) end
  end
end

-- Rule 6. Sessions on it are stopped from here on, for good: they joined at fewer stops.
local function stop(ctx, b, reason)
  b[STOPS] = b[STOPS] + 1
  b[STOPPED_AT], b[LAST_STOP] = ctx.now, ctx.now
  b[STOP_REASON] = reason
  if reason == 'limitReached' then
    for i, level in ipairs(b[LEVELS]) do
      if level > 0 and b[CROSSED][i] == 0 then mark_crossed(ctx, b, i) end
    end
  end
  b[UNPROVEN_N], b[UNPROVEN_S] = b[UNPROVEN_N] + b[N], b[UNPROVEN_S] + b[S]
  b[N], b[S] = 0, 0
  later(ctx, 'DEL', recording_key(ctx, b[NAME]))
  tell(ctx, b)
end

-- The stops a session joins at; one that comes to a stopped budget is stopped with it.
local function stops_to_join(b) return b[STOPPED_AT] > 0 and b[STOPS] - 1 or b[STOPS] end

-- after a charge, and after a change of limit: nothing left means stop at once
local function check(ctx, b)
  cross(ctx, b)
  if room(ctx, b) <= 0 and b[STOPPED_AT] == 0 and not ended_period(ctx, b) then
    stop(ctx, b, 'limitReached')
  end
end

-- Rule 8: after a change of limit or grant, what no longer holds is withdrawn.
local function relimit(ctx, b)
  for i, level in ipairs(b[LEVELS]) do
    if b[CROSSED][i] > 0 and not holds(ctx, b, level) then b[CROSSED][i] = 0 end
  end
  if b[STOP_REASON] == 'limitReached' and room(ctx, b) > 0 then
    b[STOPPED_AT], b[STOP_REASON] = 0, ''
  end
  check(ctx, b)
  tell(ctx, b)
end

-- T: when it runs out if its sessions go on as they do; nil when it does not
local function runs_out_at(ctx, b)
  local left = room(ctx, b)
  if b[N] == 0 or left == math.huge then return nil end
  return b[STARTS] + (left + b[S]) / b[N]
end

-- an organization's other live budgets: a draw on lots moves their limits too (rule 7)
local function check_neighbours(ctx, b)
  for _, period in ipairs(account(ctx, b[HOLDER])[PERIODS]) do
    if period ~= b[STARTS] then
      local other = budget(ctx, 'o|' .. b[HOLDER] .. '|' .. string.format('%.0f', period))
      if other and not ended_period(ctx, other) then
        check(ctx, other)
        tell(ctx, other)
      end
    end
  end
end
