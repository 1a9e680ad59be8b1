-- Sessions, budgets and accounts: the place of a field in its array is its name here. Sessions and
-- budgets are packed by `struct`, numbers first, then strings: 0.9 µs to read and write one of 28
-- fields, where cmsgpack takes 2.7. What is behind them in the array is not kept.

local byte, format, floor, min, max, huge = string.byte, string.format, math.floor, math.min,
  math.max, math.huge

-- A session. COUNTED: it is in n and s. RAN: it was recording (1) or paused (0) when it detached, or
-- nobody knows (2). JOINED + 1, 2, 3: the stops of its organization's, member's and own budget when it
-- joined them (own: -1, it has none). WRITTEN: the charged time up to which minute records have been
-- put. MARK: what was charged when the present period began for it; MARKS is that of all its periods,
-- as text. ID is `org|session`, for ids are unique within an organization.
local GEN, CTR, STATE, TOTAL, CHARGED, OVERSHOOT, UPTO, ANSWERED, STARTED, ENDED, PERIOD, BY_PLAN,
  BY_EXTRA, BY_OVERAGE, WRITTEN, UNSETTLED, REVISION, COUNTED, RAN, JOINED, MARK, ORG, USER, REASON,
  STOPPED_BY, MARKS, ID =
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 19, 23, 24, 25, 26, 27, 28, 29
local SESSION_FIELDS, SESSION_FORMAT = 28, '>' .. string.rep('d', 23) .. 'sssss'

-- A budget. LAST_STOP outlives STOPPED_AT, which is cleared when the budget serves again. LEVELS and
-- CROSSED are lists of numbers as text. No level is crossed below NEXT_PLAN of the plan and above
-- NEXT_LEFT of what is left.
local QUOTA, VERSION, MODE, CAP, STARTS, ENDS, USED, PLAN, EXTRA, OVERAGE, SETTLED, SETTLED_PLAN,
  SETTLED_EXTRA, SETTLED_OVERAGE, SEQUENCE, N, S, UNPROVEN_N, UNPROVEN_S, STOPS, STOPPED_AT, SEQ,
  LAST_STOP, NEXT_PLAN, NEXT_LEFT, HOLDER, STOP_REASON, LEVELS, CROSSED, NAME =
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27,
  28, 29, 30
local BUDGET_FIELDS, BUDGET_FORMAT = 29, '>' .. string.rep('d', 25) .. 'ssss'

-- An account: what an organization holds across periods. OPEN is extra drawn but not settled.
local GRANTED, GRANT_VERSION, SUSPENDED, OPEN, DRAWN_SETTLED, DRAWN_SEQUENCE, PERIODS, ACCOUNT_ORG =
  1, 2, 3, 4, 5, 6, 7, 8

local STATES = { recording = 0, paused = 1, detached = 2, stalled = 3, ended = 4 }
local MODE_STOP, MODE_OVERAGE, MODE_SHADOW = 0, 1, 2

local function pack_session(rec)
  return struct.pack(SESSION_FORMAT, unpack(rec, 1, SESSION_FIELDS))
end
local function pack_budget(b) return struct.pack(BUDGET_FORMAT, unpack(b, 1, BUDGET_FIELDS)) end

-- Each of the three: false, it is not there.
local function session(ctx, id)
  local rec = ctx.sessions[id]
  if rec ~= nil then return rec end
  local raw = redis.call('GET', session_key(ctx, id))
  rec = raw and { struct.unpack(SESSION_FORMAT, raw) } or false
  if rec then rec[ID] = id end
  ctx.sessions[id] = rec
  return rec
end

local function budget(ctx, name)
  local b = ctx.budgets[name]
  if b ~= nil then return b end
  local raw = redis.call('GET', budget_key(ctx, name))
  b = raw and { struct.unpack(BUDGET_FORMAT, raw) } or false
  if b then b[NAME] = name end
  ctx.budgets[name] = b
  return b
end

local function account(ctx, org)
  local acc = ctx.accounts[org]
  if acc ~= nil then return acc end
  local raw = redis.call('GET', account_key(ctx, org))
  acc = raw and cmsgpack.unpack(raw) or false
  ctx.accounts[org] = acc
  return acc
end

local function touch_session(ctx, rec)
  if ctx.dirty[rec] then return end
  ctx.dirty[rec] = true
  ctx.changed_sessions[#ctx.changed_sessions + 1] = rec
end
local function touch_account(ctx, acc)
  if ctx.dirty[acc] then return end
  ctx.dirty[acc] = true
  ctx.changed_accounts[#ctx.changed_accounts + 1] = acc
end

-- every write of a budget raises its seq, by which readers order its rows
local function touch_budget(ctx, b)
  if ctx.dirty[b] then return end
  ctx.dirty[b] = true
  b[SEQ] = b[SEQ] + 1
  ctx.changed_budgets[#ctx.changed_budgets + 1] = b
end

-- a write that waits for save()
local function later(ctx, ...) ctx.writes[#ctx.writes + 1] = { ... } end

-- the budget's row is published by save()
local function tell(ctx, b)
  touch_budget(ctx, b)
  if not ctx.told[b] then
    ctx.told[b] = true
    ctx.tell[#ctx.tell + 1] = b
  end
end
