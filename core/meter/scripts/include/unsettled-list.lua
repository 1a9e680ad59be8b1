-- Reading the unsettled set, each field with the row of the session it belongs to: with its first
-- field here, and '=' with the others, since a row costs more to write and to read than all else.

local function add_unsettled(ctx, found, field, value)
  local kind, id = string.match(field, '^([ms])|([^|]*|[^|]*)')
  local rec = kind and session(ctx, id)
  local row = ''
  if rec then
    ctx.listed = ctx.listed or {}
    row = ctx.listed[id] and '=' or session_row(rec)
    ctx.listed[id] = true
  end
  found[#found + 1] = field
  found[#found + 1] = value
  found[#found + 1] = row
end

-- HSCAN may give a field twice, and more than asked for
local function list_unsettled(ctx, most)
  local found, seen, count, cursor = {}, {}, 0, '0'
  repeat
    local reply = redis.call('HSCAN', unsettled_key(ctx), cursor, 'COUNT', most)
    cursor = reply[1]
    for i = 1, #reply[2], 2 do
      local field = reply[2][i]
      if count < most and not seen[field] then
        seen[field], count = true, count + 1
        add_unsettled(ctx, found, field, reply[2][i + 1])
      end
    end
  until cursor == '0' or count >= most
  return found
end
