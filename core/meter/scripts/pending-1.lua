--[[
What the ledger has yet to learn: present values, never those of a job (rule 11).
KEYS[1] head of the shard
ARGV[1] run id  ARGV[2] at most so many fields, or 0  ARGV[3..] the fields named
Returns { status [, now, generation, { field, value, session row or '' or '=', ... }] }: recover, ok
]]
-- include: head keys records unsettled budget rows unsettled-list

local ctx = enter(KEYS[1], ARGV[1], read_time(), 0)
if not ctx then return { 'recover' } end
local found = {}
if tonumber(ARGV[2]) > 0 then
  found = list_unsettled(ctx, tonumber(ARGV[2]))
else
  local fields = {}
  for i = 3, #ARGV do fields[i - 2] = ARGV[i] end
  for i, value in ipairs(present_values(ctx, fields)) do
    if value then add_unsettled(ctx, found, fields[i], value) end
  end
end
return { 'ok', ctx.now, ctx.generation, found }
