-- Sessions, budgets and accounts as packed arrays: the place of a field in its array is its name here.

-- a session. ID: `org|session`, for ids are unique within an organization. COUNTED: it is in n and s. RAN: it was recording (1)
-- or paused (0) when it detached, or nobody knows (2). JOINED: the stops of
-- its organization's, member's and own budget when it joined them (own: -1, it has none). WRITTEN: the
-- charged time up to which minute records have been put.
local ID, ORG, USER, GEN, CTR, STATE, TOTAL, CHARGED, OVERSHOOT, UPTO, ANSWERED, STARTED, ENDED,
  REASON, STOPPED_BY, PERIOD, MARKS, JOINED, BY_PLAN, BY_EXTRA, BY_OVERAGE, WRITTEN, UNSETTLED,
  REVISION, COUNTED, RAN =
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26

-- a budget. LAST_STOP outlives STOPPED_AT, which is cleared when the budget serves again.
local NAME, HOLDER, QUOTA, VERSION, MODE, CAP, STARTS, ENDS, USED, PLAN, EXTRA, OVERAGE, SETTLED,
  SETTLED_PLAN, SETTLED_EXTRA, SETTLED_OVERAGE, SEQUENCE, N, S, UNPROVEN_N, UNPROVEN_S, STOPS,
  STOPPED_AT, STOP_REASON, SEQ, LEVELS, CROSSED, LAST_STOP =
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28

-- an account: what an organization holds across periods. OPEN is extra drawn but not settled.
local GRANTED, GRANT_VERSION, SUSPENDED, OPEN, DRAWN_SETTLED, DRAWN_SEQUENCE, PERIODS, ACCOUNT_ORG =
  1, 2, 3, 4, 5, 6, 7, 8

local STATES = { recording = 0, paused = 1, detached = 2, stalled = 3, ended = 4 }
local MODE_STOP, MODE_OVERAGE, MODE_SHADOW = 0, 1, 2

local function load(cache, key, id)
  local record = cache[id]
  if record == nil then
    local raw = redis.call('GET', key)
    record = raw and cmsgpack.unpack(raw) or false
    cache[id] = record
  end
  return record
end

local function session(ctx, id) return load(ctx.sessions, session_key(ctx, id), id) end
local function budget(ctx, name) return load(ctx.budgets, budget_key(ctx, name), name) end
local function account(ctx, org) return load(ctx.accounts, account_key(ctx, org), org) end

local function touch(ctx, key, record)
  if not ctx.dirty[record] then
    ctx.dirty[record] = true
    ctx.changed[#ctx.changed + 1] = { key, record }
  end
end

local function touch_session(ctx, rec) touch(ctx, session_key(ctx, rec[ID]), rec) end
local function touch_account(ctx, acc) touch(ctx, account_key(ctx, acc[ACCOUNT_ORG]), acc) end

-- every write of a budget raises its seq, by which readers order its rows
local function touch_budget(ctx, b)
  if not ctx.dirty[b] then b[SEQ] = b[SEQ] + 1 end
  touch(ctx, budget_key(ctx, b[NAME]), b)
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
