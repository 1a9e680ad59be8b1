-- The end of a script: all that was decided is written, then told.

-- Values in one MSET cost a third of a SET each; Lua's stack takes no more than some thousand.
local MOST_PAIRS = 1000

local function write_all(ctx)
  local pairs, n = {}, 0
  local function add(key, value)
    pairs[n + 1], pairs[n + 2] = key, value
    n = n + 2
    if n == 2 * MOST_PAIRS then
      redis.call('MSET', unpack(pairs, 1, n))
      n = 0
    end
  end
  for _, rec in ipairs(ctx.changed_sessions) do add(session_key(ctx, rec[ID]), pack_session(rec)) end
  for _, b in ipairs(ctx.changed_budgets) do
    add(budget_key(ctx, b[NAME]), ctx.packed[b] or pack_budget(b))
  end
  for _, acc in ipairs(ctx.changed_accounts) do
    add(account_key(ctx, acc[ACCOUNT_ORG]), cmsgpack.pack(acc))
  end
  if n > 0 then redis.call('MSET', unpack(pairs, 1, n)) end
end

local function save(ctx)
  write_all(ctx)
  for _, write in ipairs(ctx.writes) do redis.call(unpack(write)) end
  for _, b in ipairs(ctx.tell) do
    redis.call('PUBLISH', channel_key(ctx), 'budget ' .. budget_row(ctx, b))
  end
end
