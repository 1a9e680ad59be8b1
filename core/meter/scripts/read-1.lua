--[[
Reads, changing nothing.
KEYS[1] head of the shard
ARGV[1] run id  ARGV[2] 'budgets' | 'session' | 'live' | 'shard' | 'places'
ARGV[3..] names of budgets | org|session | the organization | nothing | the organization, a member,
  a day's start and end
Returns { status, now, {rows} }: recover, ok; budgets that are not there are left out, a session that
  is not there is no row. Of 'places' { status, now, live, the member's, waiting, 1 if the day is counted,
  begun that day, by the member }
]]
-- include: head keys records unsettled budget rows admission

local ctx = enter(KEYS[1], ARGV[1], read_time(), 0)
if not ctx then return { 'recover' } end
local rows = {}

if ARGV[2] == 'places' then
  local org, user, day = ARGV[3], ARGV[4], { startsAt = tonumber(ARGV[5]), endsAt = tonumber(ARGV[6]) }
  local live, own_live = admission.live_counts(ctx, org, user, true)
  local begun, own_begun = admission.starts_of(ctx, org, user, day)
  local waiting = redis.call('ZCOUNT', places_key(ctx, 'waits', org), '(' .. format('%.0f', ctx.now), '+inf')
  return { 'ok', ctx.now, live, own_live, waiting,
    admission.is_counted(ctx, org, day) and 1 or 0, begun, own_begun }
end

local function add_sessions(ids)
  for _, id in ipairs(ids) do
    local rec = session(ctx, id)
    if rec then rows[#rows + 1] = session_row(rec) end
  end
end

if ARGV[2] == 'budgets' then
  for i = 3, #ARGV do
    local b = budget(ctx, ARGV[i])
    if b then rows[#rows + 1] = budget_row(ctx, b) end
  end
elseif ARGV[2] == 'session' then
  add_sessions({ ARGV[3] })
elseif ARGV[2] == 'live' then
  add_sessions(admission.live_ids(ctx, ARGV[3]))
else
  for _, id in ipairs(redis.call('SMEMBERS', index_key(ctx, 'sessions'))) do
    local rec = session(ctx, id)
    if rec and rec[STATE] ~= STATES.ended then rows[#rows + 1] = session_row(rec) end
  end
end
return { 'ok', ctx.now, rows }
