--[[
An operator's stop of one session: final; its owner learns of it by event and by its next reply.
KEYS[1] head of the shard
ARGV[1] run id  ARGV[2] org|session
Returns { status }: recover, unknown, ended, ok
]]
-- include: head keys records unsettled budget rows save

local ctx = enter(KEYS[1], ARGV[1], read_time(), 0)
if not ctx then return { 'recover' } end
local rec = session(ctx, ARGV[2])
if not rec then return { 'unknown' } end
if rec[STATE] == STATES.ended then return { 'ended' } end
if rec[STOPPED_BY] == '' then
  rec[STOPPED_BY] = 'session'
  touch_session(ctx, rec)
end
later(ctx, 'PUBLISH', channel_key(ctx), 'stop ' .. rec[ID])
save(ctx)
return { 'ok' }
