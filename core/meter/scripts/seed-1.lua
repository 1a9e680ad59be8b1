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

local org = command.org
local acc = account(ctx, org)
local limits = limits_of(ctx, organization_budgets(ctx, org))
local was_suspended = acc and acc[SUSPENDED] == 1
local touched, is_touched, is_new = {}, {}, {}

local function note(b)
  if is_touched[b] then return end
  is_touched[b] = true
  touched[#touched + 1] = b
end

-- What is drawn counts only where nothing was known: later it comes with the sums of the budgets that
-- drew it (`settled`), or it would be counted twice.
local function make_account(seed)
  acc = { 0, 0, 0, 0, seed.drawn.drawnMs, seed.drawn.sequence, {}, org }
  ctx.accounts[org] = acc
  touch_account(ctx, acc)
  later(ctx, 'SADD', index_key(ctx, 'accounts'), org)
end

-- a grant and a suspension are one versioned state, of all periods
local function move_account(seed)
  if seed.version <= acc[GRANT_VERSION] then return end
  acc[GRANTED], acc[GRANT_VERSION] = seed.grantedMs, seed.version
  acc[SUSPENDED] = seed.suspended and 1 or 0
  touch_account(ctx, acc)
  for _, b in ipairs(organization_budgets(ctx, org)) do note(b) end
end

local function make_budget(seed)
  local crossed, settled = {}, seed.settled
  for i = 1, #seed.levels do crossed[i] = seed.crossed[i] or 0 end
  local b = { given(seed.quotaMs) or -1, seed.version, seed.mode,
    given(seed.overageCapMs) or -1, seed.startsAt, given(seed.endsAt) or 0, settled.usedMs,
    settled.planMs, settled.extraMs, settled.overageMs, settled.usedMs, settled.planMs,
    settled.extraMs, settled.overageMs, settled.sequence, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, org, '',
    list_text(seed.levels), list_text(crossed), seed.name }
  ctx.budgets[seed.name] = b
  later(ctx, 'SADD', index_key(ctx, 'budgets'), seed.name)
  if is_organization(b) then
    table.insert(acc[PERIODS], b[STARTS])
    table.sort(acc[PERIODS])
    touch_account(ctx, acc)
  end
  is_new[b] = true
  note(b)
end

-- A level that the new limits still name keeps its crossing.
local function move_limit(b, seed)
  local before, crossed = {}, list_of(b[CROSSED])
  for i, level in ipairs(list_of(b[LEVELS])) do before[level] = crossed[i] end
  b[QUOTA], b[VERSION], b[MODE] = given(seed.quotaMs) or -1, seed.version, seed.mode
  b[CAP], b[LEVELS], crossed = given(seed.overageCapMs) or -1, list_text(seed.levels), {}
  for i, level in ipairs(seed.levels) do crossed[i] = before[level] or 0 end
  b[CROSSED] = list_text(crossed)
  look_again(b)
  note(b)
end

-- Whatever the versions, the earlier end holds; a member's period ends with its organization's.
local function end_as_known(seed)
  local b = budget(ctx, seed.name)
  local o = budget(ctx, string.format('o|%s|%d', org, seed.startsAt))
  local ends = math.min(given(seed.endsAt) or math.huge, o and o[ENDS] or math.huge)
  if b[ENDS] > ends then
    b[ENDS] = ends
    tell(ctx, b)
  end
end

-- All figures first: they are of one snapshot, and nothing may be decided between them.
if not acc then make_account(command.account) end
move_account(command.account)
for _, seed in ipairs(command.budgets) do
  local b = budget(ctx, seed.name)
  if not b then
    make_budget(seed)
  elseif seed.version > b[VERSION] then
    move_limit(b, seed)
  end
end
for _, seed in ipairs(command.budgets) do end_as_known(seed) end

local anew = false
for _, b in ipairs(touched) do
  if is_organization(b) then anew = true else derive(ctx, b, 0) end
end
if anew then derive_organization(ctx, org) end
for _, b in ipairs(touched) do relimit(ctx, b, is_new[b]) end
if anew then
  for _, limit in ipairs(limits) do check(ctx, limit[1]) end
  tell_moved(ctx, limits)
end

-- A suspension stops what runs and what is made meanwhile; when it is lifted, the limit decides again.
local suspended = acc[SUSPENDED] == 1
for _, b in ipairs(organization_budgets(ctx, org)) do
  if suspended and not ended_period(ctx, b) and (is_new[b] or not was_suspended) then
    stop(ctx, b, 'organizationSuspended')
  elseif was_suspended and not suspended and b[STOP_REASON] == 'organizationSuspended' then
    b[STOPPED_AT], b[STOP_REASON] = 0, ''
    check(ctx, b)
    tell(ctx, b)
  end
end
local rows = budget_rows(ctx, ctx.changed_budgets)
save(ctx)
return { 'ok', ctx.now, rows }
