--[[
Many sessions' words in one call: each raises its session to its total (rules 1, 5, 10, 15, 19).
KEYS head of each shard spoken of (one on a cluster)
ARGV[1] run id  ARGV[2] the gateway's wall clock, real ms
ARGV[3..] seven an item: number of its key, org|session, generation, counter, total, age, state
Returns { now, {per item: status, total, charged, overshoot, missing period or -1, doubted, period},
  {budget rows}, {key number, field, ...} }; status: 0 ok, 1 stopped, 2 ended, 3 superseded,
  4 unknown, 5 recover. Only the shards that are recovering answer 5.
]]
-- include: head keys records unsettled budget rows save charge witness

local OK, STOPPED, ENDED_ALREADY, SUPERSEDED, UNKNOWN, RECOVER = 0, 1, 2, 3, 4, 5
local real = read_time()
local views = {}
for i, head_key in ipairs(KEYS) do views[i] = enter(head_key, ARGV[1], real, ARGV[2]) or false end

-- Returns a status and, where something is in the way of charging, what.
local function hear(ctx, id, generation, counter, total, age, state)
  local rec = session(ctx, id)
  if not rec then return UNKNOWN end
  local order = compare_epochs(generation, counter, rec)
  if order < 0 then return SUPERSEDED, rec end
  if order > 0 then return UNKNOWN end
  local budgets = budgets_of(ctx, rec)
  if not budgets then return UNKNOWN end
  local ended = rec[STATE] == STATES.ended
  if total < rec[TOTAL] then
    return ended and ENDED_ALREADY or (stopped_by(ctx, rec) ~= '' and STOPPED or OK), rec
  end
  local missing, doubted = charge(ctx, rec, total, ctx.now - age)
  if ended then
    put_minutes(ctx, rec, true)
    return ENDED_ALREADY, rec, missing, doubted
  end
  local stopped = settle_state(ctx, rec, state)
  return stopped and STOPPED or OK, rec, missing, doubted
end

local items = {}
local function report(status, rec, missing, doubted)
  local n = #items
  items[n + 1] = status
  items[n + 2], items[n + 3], items[n + 4] = 0, 0, 0
  items[n + 5], items[n + 6], items[n + 7] = missing or -1, doubted and 1 or 0, 0
  if not rec then return end
  items[n + 2], items[n + 3], items[n + 4] = rec[TOTAL], rec[CHARGED], rec[OVERSHOOT]
  items[n + 7] = rec[PERIOD]
end

for i = 3, #ARGV, 7 do
  local ctx = views[tonumber(ARGV[i])]
  if ctx then
    report(hear(ctx, ARGV[i + 1], tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]),
      tonumber(ARGV[i + 4]), tonumber(ARGV[i + 5]), tonumber(ARGV[i + 6])))
  else
    report(RECOVER)
  end
end

local rows, minutes, now = {}, {}, 0
for i, ctx in ipairs(views) do
  if ctx then
    now = ctx.now
    for _, row in ipairs(budget_rows(ctx, touched_budgets(ctx))) do rows[#rows + 1] = row end
    for _, field in ipairs(ctx.minutes) do
      minutes[#minutes + 1] = i
      minutes[#minutes + 1] = field
    end
    save(ctx)
  end
end
return { now, items, rows, minutes }
