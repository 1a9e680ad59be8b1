--[[
A session's own longest length, raised, lowered or lifted (rule 7: by its version).
KEYS[1] head of the shard
ARGV[1] run id  ARGV[2] ExtendCommand as JSON
Returns { status, now [, session row, {budget rows}, {fields}] }: recover, unknown, ended, stopped, ok;
  or { 'unseeded', now, {budget names} }
]]
-- include: head keys records unsettled budget rows save charge admission witness

local ctx = enter(KEYS[1], ARGV[1], read_time(), 0)
if not ctx then return { 'recover' } end
local command = cjson.decode(ARGV[2])
local id = command.org .. '|' .. command.session
local rec = session(ctx, id)
if not rec then return { 'unknown', ctx.now } end
if rec[STATE] == STATES.ended then return { 'ended', ctx.now } end
local missing = missing_for(ctx, rec)
if #missing > 0 then return { 'unseeded', ctx.now, missing } end
if stopped_by(ctx, rec) ~= '' then return { 'stopped', ctx.now } end

local limit = command.limitMs
if limit == cjson.null then limit = nil end
local b = rec[JOINED + 3] >= 0 and budget(ctx, 's|' .. id)
if b and command.version > b[VERSION] then
  b[QUOTA], b[VERSION] = limit or -1, command.version
  derive(ctx, b, 0)
  relimit(ctx, b)
elseif not b and limit then
  own_budget(ctx, rec, limit, command.levels)
  b = budget(ctx, 's|' .. id)
  b[VERSION] = command.version
end
save(ctx)
return { 'ok', ctx.now, session_row(rec), budget_rows(ctx, budgets_of(ctx, rec)), ctx.minutes }
