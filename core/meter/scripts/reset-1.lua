--[[
Recovery (d): drops the shard's counters and sets its head to this server life and generation.
What they held is in the ledger, in the gateways' memory and in the clients' checkpoints.
KEYS[1] head of the shard
ARGV[1] run id  ARGV[2] generation  ARGV[3] meter base  ARGV[4] real base  ARGV[5] speed
ARGV[6] 1 if frozen
Returns 'ok'
]]
-- include: keys

local ctx = { prefix = string.sub(KEYS[1], 1, -5) }
for _, id in ipairs(redis.call('SMEMBERS', index_key(ctx, 'sessions'))) do
  redis.call('DEL', session_key(ctx, id))
end
for _, name in ipairs(redis.call('SMEMBERS', index_key(ctx, 'budgets'))) do
  redis.call('DEL', budget_key(ctx, name), recording_key(ctx, name))
end
for _, org in ipairs(redis.call('SMEMBERS', index_key(ctx, 'accounts'))) do
  redis.call('DEL', account_key(ctx, org), live_key(ctx, org), places_key(ctx, 'starts', org),
    places_key(ctx, 'queue', org), places_key(ctx, 'waits', org))
end
redis.call('DEL', unsettled_key(ctx), index_key(ctx, 'sessions'), index_key(ctx, 'budgets'),
  index_key(ctx, 'accounts'))
redis.call('SET', KEYS[1], cmsgpack.pack({ ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]),
  tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]) }))
return 'ok'
