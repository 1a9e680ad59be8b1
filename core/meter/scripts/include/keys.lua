-- Every key of a shard, from its prefix (`tm:{12}:`). keys.ts names the head and the channel.

local function session_key(ctx, id) return ctx.prefix .. 's|' .. id end

local function budget_key(ctx, name) return ctx.prefix .. 'b|' .. name end

local function account_key(ctx, org) return ctx.prefix .. 'a|' .. org end

-- sorted set, all of one score: `user|session` of an organization's sessions that have not ended
local function live_key(ctx, org) return ctx.prefix .. 'live|' .. org end

-- sorted sets of `user|session` (rule 18): 'starts', the organization's sessions of the last days by
-- when they began; 'queue', who waits for a place by its turn; 'waits', the same by when its wait lapses
local function places_key(ctx, kind, org) return ctx.prefix .. kind .. '|' .. org end

-- set: sessions in n and s of a budget; walked only by the stop decision
local function recording_key(ctx, name) return ctx.prefix .. 'rec|' .. name end

-- hash: what the ledger has yet to learn
local function unsettled_key(ctx) return ctx.prefix .. 'unsettled' end

-- sets: all records of the shard, for the sweep and for recovery
local function index_key(ctx, kind) return ctx.prefix .. 'all|' .. kind end

local function channel_key(ctx) return ctx.prefix .. 'events' end
