-- Who may start: places for sessions at once, sessions a day, the queue for a place (rule 18).
-- One table: a script has 200 local names at most.

local admission = {}

-- how a session stands in the sorted sets: user|session
function admission.live_member(rec) return rec[USER] .. string.sub(rec[ID], #rec[ORG] + 1) end

-- Rule 18: where an organization's starts are counted, one that comes back is one of them.
function admission.note_start(ctx, rec)
  local key = places_key(ctx, 'starts', rec[ORG])
  if redis.call('EXISTS', key) == 0 then return end
  later(ctx, 'ZADD', key, 'NX', rec[STARTED], admission.live_member(rec))
end

-- ids have no '|', and '}' is the byte after it
function admission.live_counts(ctx, org, user, of_member)
  local key = live_key(ctx, org)
  local own = of_member and redis.call('ZLEXCOUNT', key, '[' .. user .. '|', '(' .. user .. '}') or 0
  return redis.call('ZCARD', key), own
end

function admission.live_ids(ctx, org)
  local ids = {}
  for i, member in ipairs(redis.call('ZRANGE', live_key(ctx, org), 0, -1)) do
    ids[i] = org .. string.match(member, '|.*$')
  end
  return ids
end

-- Among the starts, '' says from when on all are there (its score is that instant, negative), and '?'
-- that they are noted from here on, and the earlier ones still to come from the ledger.
admission.KEPT_MS = 3 * 86400000

function admission.is_counted(ctx, org, day)
  local since = redis.call('ZSCORE', places_key(ctx, 'starts', org), '')
  return since and -tonumber(since) <= day.startsAt
end

function admission.begin_count(ctx, org)
  local key = places_key(ctx, 'starts', org)
  redis.call('ZADD', key, -1, '?')
  for _, id in ipairs(admission.live_ids(ctx, org)) do
    local rec = session(ctx, id)
    if rec then redis.call('ZADD', key, 'NX', rec[STARTED], admission.live_member(rec)) end
  end
end

-- of the organization, and of one member, which is walked only where it has a limit of its own
function admission.starts_of(ctx, org, user, day, of_all_only)
  local key, to = places_key(ctx, 'starts', org), '(' .. format('%.0f', day.endsAt)
  local all = redis.call('ZCOUNT', key, day.startsAt, to)
  if of_all_only then return all, 0 end
  local own, prefix = 0, user .. '|'
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', key, day.startsAt, to)) do
    if string.sub(member, 1, #prefix) == prefix then own = own + 1 end
  end
  return all, own
end

-- those whose gateway has not spoken for them in time are gone
function admission.drop_lapsed(ctx, org)
  for _, waiter in ipairs(redis.call('ZRANGEBYSCORE', places_key(ctx, 'waits', org), '-inf', ctx.now)) do
    redis.call('ZREM', places_key(ctx, 'queue', org), waiter)
    redis.call('ZREM', places_key(ctx, 'waits', org), waiter)
  end
end

-- how many wait before it, and whether it waits itself
function admission.turn_of(ctx, org, waiter)
  local rank = redis.call('ZRANK', places_key(ctx, 'queue', org), waiter)
  if rank then return rank, true end
  return redis.call('ZCARD', places_key(ctx, 'queue', org)), false
end

-- Takes its turn, or keeps it; returns its turn. Who comes back after a loss brings the one it had.
function admission.wait_turn(ctx, org, waiter, queue)
  local key = places_key(ctx, 'queue', org)
  local turn = redis.call('ZSCORE', key, waiter)
  if not turn then
    local last = redis.call('ZREVRANGE', key, 0, 0, 'WITHSCORES')[2]
    turn = queue.turn or max(ctx.now, last and tonumber(last) + 1 or 0)
    redis.call('ZADD', key, turn, waiter)
  end
  redis.call('ZADD', places_key(ctx, 'waits', org), ctx.now + queue.leaseMs, waiter)
  return tonumber(turn)
end

function admission.leave_queue(ctx, org, waiter)
  redis.call('ZREM', places_key(ctx, 'queue', org), waiter)
  redis.call('ZREM', places_key(ctx, 'waits', org), waiter)
end

-- A new session's start. Returns 'admitted' and what a plan that enforces would have refused it for,
-- or why it is refused, with how many there are (or wait before it), and by whom (or its turn);
-- 'uncounted' with the generation. Shadow mode decides, and refuses nothing.
function admission.judge(ctx, rec, command)
  local function given(value) if value ~= cjson.null then return value end end
  local org, user, waiter, shadowed = rec[ORG], rec[USER], admission.live_member(rec), ''
  local day = given(command.day)
  if day then
    if ctx.now < day.startsAt or ctx.now >= day.endsAt or not admission.is_counted(ctx, org, day) then
      admission.begin_count(ctx, org)
      return 'uncounted', ctx.generation
    end
    local most, own_most = given(day.sessions), given(day.memberSessions)
    local begun, own_begun = admission.starts_of(ctx, org, user, day, not own_most)
    local by = own_most and own_begun >= own_most and 'member'
      or most and begun >= most and 'organization'
    if by and not command.isShadow then
      admission.leave_queue(ctx, org, waiter)
      return 'dayLimit', by == 'member' and own_begun or begun, by
    end
    if by then shadowed = 'dayLimit' end
  end
  local most, own_most = given(command.concurrentSessions), given(command.memberConcurrentSessions)
  local live, own_live = admission.live_counts(ctx, org, user, own_most)
  local queue = not command.isShadow and most and given(command.queue)
  local ahead, waits = 0, false
  if queue then
    queue.turn = given(queue.turn)
    admission.drop_lapsed(ctx, org)
    ahead, waits = admission.turn_of(ctx, org, waiter)
  end
  local by = own_most and own_live >= own_most and 'member'
    or most and live + ahead >= most and 'organization'
  if by and not command.isShadow then
    if by == 'organization' and queue and (waits or ahead < queue.max) then
      local turn = admission.wait_turn(ctx, org, waiter, queue)
      return 'queued', admission.turn_of(ctx, org, waiter), turn
    end
    if queue then admission.leave_queue(ctx, org, waiter) end
    return 'concurrencyLimit', by == 'member' and own_live or live, by
  end
  if queue and waits then admission.leave_queue(ctx, org, waiter) end
  return 'admitted', shadowed == '' and by and 'concurrencyLimit' or shadowed
end
