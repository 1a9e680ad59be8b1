--[[
The ledger has committed: fields leave the unsettled set if they still say what was committed
(rule 13), and the live split follows the ledger's (rule 12).
KEYS[1] head of the shard
ARGV[1] run id  ARGV[2] generation  ARGV[3] { budgets, accounts } of SettledCommand as JSON, and
`removed`: field, value, field, value, ...
Returns { status [, now, number removed] }: recover, staleGeneration, ok
]]
-- include: head keys records unsettled budget rows save

local ctx = enter(KEYS[1], ARGV[1], read_time(), 0)
if not ctx then return { 'recover' } end
if tonumber(ARGV[2]) ~= ctx.generation then return { 'staleGeneration' } end
local command = cjson.decode(ARGV[3])

-- All figures first: they are of one snapshot, and nothing may be decided between them.
local orgs, is_known, limits = {}, {}, {}
local function note(org)
  if is_known[org] then return end
  is_known[org] = true
  orgs[#orgs + 1] = org
  limits[org] = limits_of(ctx, organization_budgets(ctx, org))
end
for _, settled in ipairs(command.accounts) do
  local acc = account(ctx, settled.org)
  if acc and settled.sequence > acc[DRAWN_SEQUENCE] then
    note(settled.org)
    acc[DRAWN_SETTLED], acc[DRAWN_SEQUENCE] = settled.drawnMs, settled.sequence
    touch_account(ctx, acc)
  end
end
for _, settled in ipairs(command.budgets) do
  local b = budget(ctx, settled.name)
  if b and settled.sequence > b[SEQUENCE] then
    local limit = limits_of(ctx, { b })
    if is_organization(b) then note(b[HOLDER]) end
    touch_budget(ctx, b)
    b[SEQUENCE], b[SETTLED] = settled.sequence, settled.usedMs
    b[SETTLED_PLAN], b[SETTLED_EXTRA] = settled.planMs, settled.extraMs
    b[SETTLED_OVERAGE] = settled.overageMs
    if not is_organization(b) then
      derive(ctx, b, 0)
      check(ctx, b)
      tell_moved(ctx, limit)
    end
  end
end
for _, org in ipairs(orgs) do
  derive_organization(ctx, org)
  for _, limit in ipairs(limits[org]) do check(ctx, limit[1]) end
  tell_moved(ctx, limits[org])
end

local function retire(rec)
  later(ctx, 'DEL', session_key(ctx, rec[ID]), budget_key(ctx, 's|' .. rec[ID]))
  later(ctx, 'SREM', index_key(ctx, 'sessions'), rec[ID])
  later(ctx, 'SREM', index_key(ctx, 'budgets'), 's|' .. rec[ID])
  later(ctx, 'PUBLISH', channel_key(ctx), 'retired ' .. rec[ID])
end

local fields, gone, removed = {}, {}, {}
for i = 1, #command.removed, 2 do fields[#fields + 1] = command.removed[i] end
for i, value in ipairs(present_values(ctx, fields)) do
  local field = fields[i]
  if value == command.removed[2 * i] and not gone[field] then
    gone[field] = true
    removed[#removed + 1] = field
    local kind, id = string.match(field, '^([ms])|([^|]*|[^|]*)')
    local rec = kind and session(ctx, id)
    if rec then
      rec[UNSETTLED] = rec[UNSETTLED] - 1
      touch_session(ctx, rec)
      if rec[UNSETTLED] == 0 and rec[STATE] == STATES.ended then retire(rec) end
    end
  end
end
for from = 1, #removed, MOST_AT_ONCE do
  local to = math.min(from + MOST_AT_ONCE - 1, #removed)
  later(ctx, 'HDEL', unsettled_key(ctx), unpack(removed, from, to))
end
save(ctx)
return { 'ok', ctx.now, #removed }
