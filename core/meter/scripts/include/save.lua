-- The end of a script: all that was decided is written, then told.

local function save(ctx)
  for _, change in ipairs(ctx.changed) do
    redis.call('SET', change[1], cmsgpack.pack(change[2]))
  end
  for _, write in ipairs(ctx.writes) do redis.call(unpack(write)) end
  for _, b in ipairs(ctx.tell) do
    redis.call('PUBLISH', channel_key(ctx), 'budget ' .. budget_row(ctx, b))
  end
end
