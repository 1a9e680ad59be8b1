--[[
The ledger has committed: fields leave the unsettled set if they still say what was committed
(rule 13), and the live split follows the ledger's (rule 12).
KEYS[1] head of the shard
ARGV[1] run id  ARGV[2] generation  ARGV[3] { removed, budgets, accounts } of SettledCommand as JSON
Returns { status [, now, number removed] }: recover, staleGeneration, ok
]]
-- include: head keys records unsettled budget rows save

local ctx = enter(KEYS[1], ARGV[1], read_time(), 0)
if not ctx then return { 'recover' } end
if tonumber(ARGV[2]) ~= ctx.generation then return { 'staleGeneration' } end
local command = cjson.decode(ARGV[3])

for _, settled in ipairs(command.accounts) do
  local acc = account(ctx, settled.org)
  if acc and settled.sequence > acc[DRAWN_SEQUENCE] then
    acc[DRAWN_SETTLED], acc[DRAWN_SEQUENCE] = settled.drawnMs, settled.sequence
    touch_account(ctx, acc)
  end
end
for _, settled in ipairs(command.budgets) do
  local b = budget(ctx, settled.name)
  if b and settled.sequence > b[SEQUENCE] then
    b[SEQUENCE] = settled.sequence
    derive(ctx, b, { settled.usedMs, settled.planMs, settled.extraMs, settled.overageMs })
  end
end

local function retire(rec)
  later(ctx, 'DEL', session_key(ctx, rec[ID]), budget_key(ctx, 's|' .. rec[ID]))
  later(ctx, 'SREM', index_key(ctx, 'sessions'), rec[ID])
  later(ctx, 'SREM', index_key(ctx, 'budgets'), 's|' .. rec[ID])
  later(ctx, 'PUBLISH', channel_key(ctx), 'retired ' .. rec[ID])
end

local removed, gone = 0, {}
for _, item in ipairs(command.removed) do
  if not gone[item.field] and redis.call('HGET', unsettled_key(ctx), item.field) == item.value then
    gone[item.field], removed = true, removed + 1
    later(ctx, 'HDEL', unsettled_key(ctx), item.field)
    local kind, id = string.match(item.field, '^([ms])|([^|]*|[^|]*)')
    local rec = kind and session(ctx, id)
    if rec then
      rec[UNSETTLED] = rec[UNSETTLED] - 1
      touch_session(ctx, rec)
      if rec[UNSETTLED] == 0 and rec[STATE] == STATES.ended then retire(rec) end
    end
  end
end
save(ctx)
return { 'ok', ctx.now, removed }
