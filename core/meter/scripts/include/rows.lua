-- Rows: how a budget or a session is told. One string each, fields parted by spaces: a reply is
-- parsed per element, not per byte, and Lua's `..` would keep 14 digits only. decode.ts reads them.

local BUDGET_ROW = '%s %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f %s %s %s'

local function list(numbers)
  local out = {}
  for i = 1, #numbers do out[i] = string.format('%.0f', numbers[i]) end
  return #out > 0 and table.concat(out, ',') or '-'
end

local function word_or_dash(text) return text == '' and '-' or text end

local function budget_row(ctx, b)
  local left = room(ctx, b)
  return string.format(BUDGET_ROW, b[NAME], b[SEQ], b[QUOTA], version_of(ctx, b), b[MODE], b[STARTS],
    b[ENDS], b[USED], b[PLAN], b[EXTRA], b[OVERAGE], left == math.huge and -1 or left,
    extra_left(ctx, b), b[N], b[S], b[STOPS], b[STOPPED_AT], word_or_dash(b[STOP_REASON]),
    list(b[LEVELS]), list(b[CROSSED]))
end

local SESSION_ROW = '%s %s %s %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f %s %s %.0f %s %.0f %.0f %.0f %.0f'

local function session_row(rec)
  local marks = {}
  for i, mark in ipairs(rec[MARKS]) do marks[i] = string.format('%.0f:%.0f', mark[1], mark[2]) end
  return string.format(SESSION_ROW, rec[ID], rec[ORG], rec[USER], rec[GEN], rec[CTR], rec[STATE],
    rec[TOTAL], rec[CHARGED], rec[OVERSHOOT], rec[UPTO], rec[ANSWERED], rec[STARTED], rec[ENDED],
    word_or_dash(rec[REASON]), word_or_dash(rec[STOPPED_BY]), rec[PERIOD], table.concat(marks, ','),
    rec[BY_PLAN], rec[BY_EXTRA], rec[BY_OVERAGE], rec[UNSETTLED])
end

-- the budgets this script changed, in the order in which it did
local function touched_budgets(ctx)
  local touched = {}
  for _, change in ipairs(ctx.changed) do
    local record = change[2]
    if ctx.budgets[record[NAME]] == record then touched[#touched + 1] = record end
  end
  return touched
end

local function budget_rows(ctx, budgets)
  local rows = {}
  for i, b in ipairs(budgets) do rows[i] = budget_row(ctx, b) end
  return rows
end
