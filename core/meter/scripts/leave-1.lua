--[[
Who waited for a place waits no longer (rule 18).
KEYS[1] head of the shard
ARGV[1] run id  ARGV[2] the organization  ARGV[3] user|session
Returns { status }: recover, ok
]]
-- include: head keys records admission

local ctx = enter(KEYS[1], ARGV[1], read_time(), 0)
if not ctx then return { 'recover' } end
admission.leave_queue(ctx, ARGV[2], ARGV[3])
return { 'ok' }
