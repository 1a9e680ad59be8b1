-- A budget: what it has left, what a charge takes from it, which levels hold, when it stops.

local function is_organization(b) return byte(b[NAME]) == 111 end -- 'o'

-- thresholds are crossed at the newer of quota's and grant's version (rule 8)
local function version_of(ctx, b)
  if not is_organization(b) then return b[VERSION] end
  return math.max(b[VERSION], account(ctx, b[HOLDER])[GRANT_VERSION])
end

-- extra minutes not drawn yet, of all periods; only organizations hold any
local function extra_left(ctx, b)
  if not is_organization(b) then return 0 end
  local acc = account(ctx, b[HOLDER])
  return max(0, acc[GRANTED] - acc[DRAWN_SETTLED] - acc[OPEN])
end

-- what may still be charged; infinity when nothing limits it
local function room(ctx, b)
  if b[QUOTA] < 0 or b[MODE] == MODE_SHADOW then return huge end
  local left = max(0, b[QUOTA] - b[PLAN]) + extra_left(ctx, b)
  if b[MODE] ~= MODE_OVERAGE then return left end
  if b[CAP] < 0 then return huge end
  return left + max(0, b[CAP] - b[OVERAGE])
end

local function ended_period(ctx, b) return b[ENDS] > 0 and ctx.now >= b[ENDS] end

-- Plan first, then extra minutes, then overage (rule 5). Returns the three parts.
local function draw(ctx, b, ms)
  touch_budget(ctx, b)
  local plan = b[QUOTA] < 0 and ms or min(ms, max(0, b[QUOTA] - b[PLAN]))
  local extra = plan < ms and min(ms - plan, extra_left(ctx, b)) or 0
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

-- where the next millisecond comes from
local function source(ctx, b)
  if b[QUOTA] < 0 or b[PLAN] < b[QUOTA] then return 'plan' end
  return extra_left(ctx, b) > 0 and 'extra' or 'overage'
end

-- Rule 12: the split of what is not settled yet, from the settled sums; `most` of it may be extra.
-- Returns how much is.
local function derive(ctx, b, most)
  local open = math.max(0, b[USED] - b[SETTLED])
  local plan = b[QUOTA] < 0 and open or math.min(open, math.max(0, b[QUOTA] - b[SETTLED_PLAN]))
  local extra = math.min(open - plan, math.max(0, most))
  local overage = open - plan - extra
  touch_budget(ctx, b)
  b[PLAN] = b[SETTLED_PLAN] + plan
  b[EXTRA] = b[SETTLED_EXTRA] + extra
  b[OVERAGE] = b[SETTLED_OVERAGE] + overage
  return extra
end

-- an organization's budgets, the older period first
local function organization_budgets(ctx, org)
  local found, acc = {}, account(ctx, org)
  for _, period in ipairs(acc and acc[PERIODS] or {}) do
    found[#found + 1] = budget(ctx, 'o|' .. org .. '|' .. format('%d', period)) or nil
  end
  return found
end

-- what readers reckon with, to tell afterwards whether it moved
local function limits_of(ctx, budgets)
  local limits = {}
  for i, b in ipairs(budgets) do limits[i] = { b, room(ctx, b), source(ctx, b) } end
  return limits
end

local function tell_moved(ctx, limits)
  for _, limit in ipairs(limits) do
    local b = limit[1]
    if room(ctx, b) ~= limit[2] or source(ctx, b) ~= limit[3] then tell(ctx, b) end
  end
end

-- All of an organization's budgets share its extra minutes: the older period draws first.
local function derive_organization(ctx, org)
  local acc, open = account(ctx, org), 0
  for _, b in ipairs(organization_budgets(ctx, org)) do
    open = open + derive(ctx, b, acc[GRANTED] - acc[DRAWN_SETTLED] - open)
  end
  acc[OPEN] = open
  touch_account(ctx, acc)
end

-- Rule 9. A positive level is percent of the plan quota, a negative one what remains, in ms.
-- left: the budget's room
local function holds(b, level, left)
  if level > 0 then return b[QUOTA] >= 0 and b[PLAN] * 100 >= level * b[QUOTA] end
  return left < huge and left <= -level
end

-- ten minutes left of five is no news; a level that was crossed before stays so, if it holds
local function armed(b, level, left) return level > 0 or -level < b[USED] + left end

-- a list of numbers, as text and back; levels and versions have far fewer than Lua's 14 digits
local function list_text(numbers) return table.concat(numbers, ',') end
local function list_of(text)
  local numbers = {}
  for number in string.gmatch(text, '[^,]+') do numbers[#numbers + 1] = tonumber(number) end
  return numbers
end

local function mark_crossed(ctx, b, level)
  local version = version_of(ctx, b)
  put_alert(ctx, b, level, version)
  tell(ctx, b)
  return version
end

-- where the next level that is not crossed can be
local function aim(b, levels, crossed)
  b[NEXT_PLAN], b[NEXT_LEFT] = huge, -1
  for i, level in ipairs(levels) do
    if crossed[i] == 0 and level < 0 then b[NEXT_LEFT] = max(b[NEXT_LEFT], -level) end
    if crossed[i] == 0 and level > 0 and b[QUOTA] >= 0 then
      b[NEXT_PLAN] = min(b[NEXT_PLAN], level * b[QUOTA] / 100)
    end
  end
end

-- Limit or levels have changed: the next check looks at all of them.
local function look_again(b) b[NEXT_PLAN] = 0 end

local function cross(ctx, b, left)
  if b[PLAN] < b[NEXT_PLAN] and left > b[NEXT_LEFT] then return end
  local levels, crossed = list_of(b[LEVELS]), list_of(b[CROSSED])
  for i, level in ipairs(levels) do
    if crossed[i] == 0 and holds(b, level, left) and armed(b, level, left) then
      crossed[i] = mark_crossed(ctx, b, level)
    end
  end
  b[CROSSED] = list_text(crossed)
  aim(b, levels, crossed)
end

-- Rule 6. Sessions on it are stopped from here on, for good: they joined at fewer stops.
local function stop(ctx, b, reason)
  b[STOPS] = b[STOPS] + 1
  b[STOPPED_AT], b[LAST_STOP] = ctx.now, ctx.now
  b[STOP_REASON] = reason
  if reason == 'limitReached' then
    local crossed = list_of(b[CROSSED])
    for i, level in ipairs(list_of(b[LEVELS])) do
      if level > 0 and crossed[i] == 0 then crossed[i] = mark_crossed(ctx, b, level) end
    end
    b[CROSSED] = list_text(crossed)
  end
  b[UNPROVEN_N], b[UNPROVEN_S] = b[UNPROVEN_N] + b[N], b[UNPROVEN_S] + b[S]
  b[N], b[S] = 0, 0
  later(ctx, 'DEL', recording_key(ctx, b[NAME]))
  tell(ctx, b)
end

-- The stops a session joins at; one that comes to a stopped budget is stopped with it.
local function stops_to_join(b) return b[STOPPED_AT] > 0 and b[STOPS] - 1 or b[STOPS] end

-- After a charge, and after a change of limit: nothing left means stop at once. known: its room,
-- where the caller has it.
local function check(ctx, b, known)
  local left = known or room(ctx, b)
  cross(ctx, b, left)
  if left <= 0 and b[STOPPED_AT] == 0 and not ended_period(ctx, b) then
    stop(ctx, b, 'limitReached')
  end
end

-- Rule 8: after a change of limit or grant, what no longer holds is withdrawn. A budget that is new
-- here brings its crossings from the ledger: one of the present version held when it was crossed, and
-- is kept even where what is settled does not show it yet, or it would be told twice.
local function relimit(ctx, b, is_new)
  local version, crossed, left = version_of(ctx, b), list_of(b[CROSSED]), room(ctx, b)
  for i, level in ipairs(list_of(b[LEVELS])) do
    local kept = is_new and crossed[i] == version
    if crossed[i] > 0 and not kept and not holds(b, level, left) then crossed[i] = 0 end
  end
  b[CROSSED] = list_text(crossed)
  look_again(b)
  if b[STOP_REASON] == 'limitReached' and left > 0 then
    b[STOPPED_AT], b[STOP_REASON] = 0, ''
  end
  check(ctx, b)
  tell(ctx, b)
end

-- T: when it runs out if its sessions go on as they do; nil when it does not
local function runs_out_at(ctx, b)
  local left = room(ctx, b)
  if b[N] == 0 or left == huge then return nil end
  return b[STARTS] + (left + b[S]) / b[N]
end

-- an organization's other live budgets: a draw on lots moves their limits too (rule 7)
local function check_neighbours(ctx, b)
  for _, other in ipairs(organization_budgets(ctx, b[HOLDER])) do
    if other ~= b and not ended_period(ctx, other) then
      check(ctx, other)
      tell(ctx, other)
    end
  end
end
