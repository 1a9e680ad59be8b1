--[[
Many sessions' words in one call: each raises its session to its total (rules 1, 5, 10, 15, 19).
KEYS head of each shard spoken of (one on a cluster)
ARGV[1] run id  ARGV[2] the gateway's wall clock, real ms
ARGV[3] the words, each as WORD: number of its key, state, generation, counter, total, age, org|session
Returns { now, answers, each as ANSWER: status, doubted, total, charged, overshoot, missing period or -1,
    period; { of each budget that was charged its name, its record, and version, room or -1, extra
    left }, { key number, field, ... } }
  status: 0 ok, 1 stopped, 2 ended, 3 superseded, 4 unknown, 5 recover. Only the shards that are
  recovering answer 5. packed.ts is the other side.
]]
-- include: head keys records unsettled budget rows save charge

local OK, STOPPED, ENDED_ALREADY, SUPERSEDED, UNKNOWN, RECOVER = 0, 1, 2, 3, 4, 5
local WORD = '>BBdddds'
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

local ANSWER = '>BBddddd'
local answers = {}
local function report(status, rec, missing, doubted)
  local known = rec or {}
  answers[#answers + 1] = struct.pack(ANSWER, status, doubted and 1 or 0, known[TOTAL] or 0,
    known[CHARGED] or 0, known[OVERSHOOT] or 0, missing or -1, known[PERIOD] or 0)
end

local words, at = ARGV[3], 1
while at <= #words do
  local place, state, generation, counter, total, age, id
  place, state, generation, counter, total, age, id, at = struct.unpack(WORD, words, at)
  local ctx = views[place]
  if ctx then report(hear(ctx, id, generation, counter, total, age, state)) else report(RECOVER) end
end

local rows, minutes, now = {}, {}, 0
for i, ctx in ipairs(views) do
  if ctx then
    now = ctx.now
    for _, b in ipairs(ctx.changed_budgets) do
      local left = room(ctx, b)
      ctx.packed[b] = pack_budget(b)
      local n = #rows
      rows[n + 1], rows[n + 2] = b[NAME], ctx.packed[b]
      rows[n + 3] = struct.pack('>ddd', version_of(ctx, b), left == huge and -1 or left,
        extra_left(ctx, b))
    end
    for _, field in ipairs(ctx.minutes) do
      minutes[#minutes + 1] = i
      minutes[#minutes + 1] = field
    end
    save(ctx)
  end
end
return { now, table.concat(answers), rows, minutes }
