-- Rows: how a budget or a session is told. One string each, fields parted by spaces: a reply is
-- parsed per element, not per byte, and Lua's `..` would keep 14 digits only. %d writes a long, which
-- is 64 bits wherever Redis runs, at a quarter of what %.0f costs. decode.ts reads them.

local BUDGET_ROW = '%s %d %d %d %d %d %d %d %d %d %d %d %d %d %d %d %d %s %s %s'

local function word_or_dash(text) return text == '' and '-' or text end

local function budget_row(ctx, b)
  local left = room(ctx, b)
  return format(BUDGET_ROW, b[NAME], b[SEQ], b[QUOTA], version_of(ctx, b), b[MODE], b[STARTS],
    b[ENDS], b[USED], b[PLAN], b[EXTRA], b[OVERAGE], left == huge and -1 or left,
    extra_left(ctx, b), b[N], b[S], b[STOPS], b[STOPPED_AT], word_or_dash(b[STOP_REASON]),
    word_or_dash(b[LEVELS]), word_or_dash(b[CROSSED]))
end

local SESSION_ROW = '%s %s %s %d %d %d %d %d %d %d %d %d %d %s %s %d %s %d %d %d %d'

local function session_row(rec)
  return format(SESSION_ROW, rec[ID], rec[ORG], rec[USER], rec[GEN], rec[CTR], rec[STATE],
    rec[TOTAL], rec[CHARGED], rec[OVERSHOOT], rec[UPTO], rec[ANSWERED], rec[STARTED], rec[ENDED],
    word_or_dash(rec[REASON]), word_or_dash(rec[STOPPED_BY]), rec[PERIOD], rec[MARKS],
    rec[BY_PLAN], rec[BY_EXTRA], rec[BY_OVERAGE], rec[UNSETTLED])
end

local function budget_rows(ctx, budgets)
  local rows = {}
  for i, b in ipairs(budgets) do rows[i] = budget_row(ctx, b) end
  return rows
end
