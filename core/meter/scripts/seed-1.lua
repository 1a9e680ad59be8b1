--[[
Limits and grants from Postgres: makes what is not in the meter, moves what is, if the version is
higher (rules 7, 8, 12). Absolute figures, so that repeats and reorderings are harmless.
KEYS[1] head of the shard
ARGV[1] run id  ARGV[2] SeedCommand as JSON
Returns { status [, now, {budget rows}] }: recover, staleGeneration, ok
]]
-- include: head keys records unsettled budget rows save

local ctx = enter(KEYS[1], ARGV[1], read_time(), 0)
if not ctx then return { 'recover' } end
local command = cjson.decode(ARGV[2])
if command.generation ~= ctx.generation then return { 'staleGeneration' } end
local function given(value) if value ~= cjson.null then return value end end

local function make_account(seed)
  local acc = { 0, 0, 0, 0, 0, 0, {}, command.org }
  ctx.accounts[command.org] = acc
  touch_account(ctx, acc)
  later(ctx, 'SADD', index_key(ctx, 'accounts'), command.org)
  return acc
end

local function budgets_of_account(acc)
  local found = {}
  for _, period in ipairs(acc[PERIODS]) do
    local b = budget(ctx, 'o|' .. command.org .. '|' .. string.format('%.0f', period))
    if b then found[#found + 1] = b end
  end
  return found
end

-- a grant moves every period's split and limit; a suspension stops what runs
local function apply_account(acc, seed)
  if seed.drawn.sequence > acc[DRAWN_SEQUENCE] then
    acc[DRAWN_SETTLED], acc[DRAWN_SEQUENCE] = seed.drawn.drawnMs, seed.drawn.sequence
    touch_account(ctx, acc)
  end
  if seed.version <= acc[GRANT_VERSION] then return end
  local was = acc[SUSPENDED] == 1
  acc[GRANTED], acc[GRANT_VERSION] = seed.grantedMs, seed.version
  acc[SUSPENDED] = seed.suspended and 1 or 0
  touch_account(ctx, acc)
  for _, b in ipairs(budgets_of_account(acc)) do
    derive(ctx, b)
    if was and not seed.suspended and b[STOP_REASON] == 'organizationSuspended' then
      b[STOPPED_AT], b[STOP_REASON] = 0, ''
    end
    relimit(ctx, b)
    if seed.suspended and not was and not ended_period(ctx, b) then
      stop(ctx, b, 'organizationSuspended')
    end
  end
end

local function settled_of(seed)
  return { seed.usedMs, seed.planMs, seed.extraMs, seed.overageMs }
end

local function make_budget(acc, seed)
  local crossed = {}
  for i = 1, #seed.levels do crossed[i] = seed.crossed[i] or 0 end
  local b = { seed.name, command.org, given(seed.quotaMs) or -1, seed.version, seed.mode,
    given(seed.overageCapMs) or -1, seed.startsAt, given(seed.endsAt) or 0, seed.settled.usedMs,
    0, 0, 0, 0, 0, 0, 0, seed.settled.sequence, 0, 0, 0, 0, 0, 0, '', 0, seed.levels, crossed, 0 }
  b[SETTLED], b[SETTLED_PLAN], b[SETTLED_EXTRA], b[SETTLED_OVERAGE] = unpack(settled_of(seed.settled))
  b[EXTRA] = b[SETTLED_EXTRA]
  ctx.budgets[seed.name] = b
  touch_budget(ctx, b)
  later(ctx, 'SADD', index_key(ctx, 'budgets'), seed.name)
  if is_organization(b) then
    table.insert(acc[PERIODS], b[STARTS])
    table.sort(acc[PERIODS])
    touch_account(ctx, acc)
  end
  derive(ctx, b)
  relimit(ctx, b)
  if is_organization(b) and acc[SUSPENDED] == 1 and not ended_period(ctx, b) then
    stop(ctx, b, 'organizationSuspended')
  end
end

-- A level that the new limits still name keeps its crossing.
local function move_limit(b, seed)
  local before = {}
  for i, level in ipairs(b[LEVELS]) do before[level] = b[CROSSED][i] end
  b[QUOTA], b[VERSION], b[MODE] = given(seed.quotaMs) or -1, seed.version, seed.mode
  b[CAP], b[LEVELS], b[CROSSED] = given(seed.overageCapMs) or -1, seed.levels, {}
  for i, level in ipairs(seed.levels) do b[CROSSED][i] = before[level] or 0 end
  derive(ctx, b)
  relimit(ctx, b)
end

local acc = account(ctx, command.org) or make_account()
apply_account(acc, command.account)
for _, seed in ipairs(command.budgets) do
  local b = budget(ctx, seed.name)
  if not b then
    make_budget(acc, seed)
  elseif seed.version > b[VERSION] then
    move_limit(b, seed)
  end
end
local rows = budget_rows(ctx, touched_budgets(ctx))
save(ctx)
return { 'ok', ctx.now, rows }
