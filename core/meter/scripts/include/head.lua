-- A shard's head: of which server life and generation it is, and how meter time runs in it.

local RUN, GENERATION, METER_BASE, REAL_BASE, SPEED, FROZEN = 1, 2, 3, 4, 5, 6

-- rules 6 and 20: real milliseconds
local TOLERANCE_MS = 2000

-- TIME is not frozen within a script: it is read once, here.
local function read_time()
  local time = redis.call('TIME')
  return time[1] * 1000 + time[2] / 1000
end

-- One script's view of a shard. Records are loaded into it, changed there, and written by save()
-- at the very end: Lua has no rollback.
local function view(head_key, head, real, gateway_wall)
  local now
  if head[FROZEN] == 1 then
    real, now = head[REAL_BASE], head[METER_BASE]
  else
    now = math.floor(head[METER_BASE] + (real - head[REAL_BASE]) * head[SPEED])
  end
  return {
    prefix = string.sub(head_key, 1, -5),
    generation = head[GENERATION],
    now = now,
    tolerance = TOLERANCE_MS * head[SPEED],
    believed = math.abs(real - gateway_wall) <= TOLERANCE_MS,
    sessions = {}, budgets = {}, accounts = {}, drawn_on = {},
    dirty = {}, changed_sessions = {}, changed_budgets = {}, changed_accounts = {}, told = {},
    tell = {}, packed = {}, writes = {}, minutes = {},
  }
end

-- nil: empty, or of another server life; the caller answers 'recover' and changes nothing (rule 21)
local function enter(head_key, run_id, real, gateway_wall)
  local raw = redis.call('GET', head_key)
  if not raw then return nil end
  local head = cmsgpack.unpack(raw)
  if head[RUN] ~= run_id then return nil end
  return view(head_key, head, real, tonumber(gateway_wall) or 0)
end
