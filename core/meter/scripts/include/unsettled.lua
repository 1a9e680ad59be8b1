-- The unsettled set: state and work item change in the same script (rule 10).

local MINUTE_MS = 60000

-- rec: the session the field belongs to, nil for an alert
local function put(ctx, rec, field, value)
  ctx.put = ctx.put or {}
  local known = ctx.put[field] or redis.call('HEXISTS', unsettled_key(ctx), field) == 1
  if rec and not known then
    rec[UNSETTLED] = rec[UNSETTLED] + 1
    touch_session(ctx, rec)
  end
  if not ctx.put[field] then ctx.minutes[#ctx.minutes + 1] = field end
  ctx.put[field] = true
  later(ctx, 'HSET', unsettled_key(ctx), field, value)
end

-- The minute records of the charged time up to now: the finished ones, and with `open` the partial
-- one too. What of a minute lies before the present period's mark belongs to the period before.
local function put_minutes(ctx, rec, open)
  local charged = rec[CHARGED]
  if charged <= rec[WRITTEN] then return end
  if not open and floor(charged / MINUTE_MS) == floor(rec[WRITTEN] / MINUTE_MS) then return end
  for minute = floor(rec[WRITTEN] / MINUTE_MS), floor(charged / MINUTE_MS) do
    local from = max(minute * MINUTE_MS, rec[MARK])
    local to = min((minute + 1) * MINUTE_MS, charged)
    local finished = to == (minute + 1) * MINUTE_MS
    if to > from and (finished or open) then
      put(ctx, rec, format('m|%s|%d|%d', rec[ID], minute, rec[PERIOD]),
        format('%d:%d', ctx.generation, to - from))
      rec[WRITTEN] = to
      touch_session(ctx, rec)
    end
  end
end

-- the session's own row in the ledger has something new: its start, its end, its overshoot
local function put_session(ctx, rec)
  rec[REVISION] = rec[REVISION] + 1
  touch_session(ctx, rec)
  put(ctx, rec, 's|' .. rec[ID], format('%d:%d', ctx.generation, rec[REVISION]))
end

local function put_alert(ctx, b, level, version)
  put(ctx, nil, format('a|%s|%d|%d', b[NAME], level, version),
    format('%d:%d', ctx.generation, ctx.now))
end

-- Lua passes no more than some thousand arguments
local MOST_AT_ONCE = 1000

-- the present values of these fields, false where there is none; one call for many
local function present_values(ctx, fields)
  local values = {}
  for from = 1, #fields, MOST_AT_ONCE do
    local to = math.min(from + MOST_AT_ONCE - 1, #fields)
    local some = redis.call('HMGET', unsettled_key(ctx), unpack(fields, from, to))
    for i = 1, to - from + 1 do values[from + i - 1] = some[i] end
  end
  return values
end
