//! What must happen at once on the server: small scripts with one key each. ★
//!
//! Each may be run twice with the same arguments to the same effect and answer, so that a call whose answer was
//! lost can be asked again. Times are the server's own: replicas of the gate need not agree on theirs.

/// KEYS: value. ARGV: generation (20 digits), value, end. 1: written, or written before by this very call.
/// 0: there is none (any more), or one as new.
pub(super) const REPLACE: &str = "
local held = redis.call('GETRANGE', KEYS[1], 0, 19)
if held == '' then return 0 end
if held == ARGV[1] and redis.call('GET', KEYS[1]) == ARGV[1] .. ARGV[2] then return 1 end
if held >= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1] .. ARGV[2], 'EXAT', ARGV[3])
return 1";

/// KEYS: lock. ARGV: holder, milliseconds. 1: held by this holder now.
pub(super) const LOCK: &str = "
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1";

/// KEYS: lock. ARGV: holder, milliseconds. 1: still held, for that long from now.
pub(super) const EXTEND: &str = "
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])";

/// KEYS: lock. ARGV: holder. 1: given back.
pub(super) const UNLOCK: &str = "
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])";

/// KEYS: people. ARGV: person, end. Puts the person on the list until then at least, and drops who is past.
pub(super) const ENLIST: &str = "
local now = redis.call('TIME')[1]
redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. now)
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
if last[2] then redis.call('EXPIREAT', KEYS[1], string.format('%.0f', last[2])) end
return 1";

/// KEYS: person. ARGV: session, end (20 digits) and descriptor, end. The hash lives as long as its longest
/// entry; some others are looked at, so that of one who signs in all day the past ones do not pile up.
pub(super) const NOTE: &str = "
local now = tonumber(redis.call('TIME')[1])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
local left = redis.call('TTL', KEYS[1])
if left < 0 or now + left < tonumber(ARGV[3]) then redis.call('EXPIREAT', KEYS[1], ARGV[3]) end
local some = redis.call('HRANDFIELD', KEYS[1], 8, 'WITHVALUES')
for i = 1, #some, 2 do
  if (tonumber(string.sub(some[i + 1], 1, 20)) or 0) < now then redis.call('HDEL', KEYS[1], some[i]) end
end
return 1";

/// KEYS: person. What is noted and not past, session and descriptor by turns; the past ones are dropped.
pub(super) const NOTED: &str = "
local now = tonumber(redis.call('TIME')[1])
local all = redis.call('HGETALL', KEYS[1])
local left = {}
for i = 1, #all, 2 do
  if (tonumber(string.sub(all[i + 1], 1, 20)) or 0) < now then
    redis.call('HDEL', KEYS[1], all[i])
  else
    left[#left + 1] = all[i]
    left[#left + 1] = string.sub(all[i + 1], 21)
  end
end
return left";

/// KEYS: log. ARGV: number, entry. 1: added, or added before by this very call. 0: that number or a later one
/// is taken. Numbers are compared as digits: a script's numbers end at 2^53.
pub(super) const LOG_ADD: &str = "
local last = '0'
if redis.call('EXISTS', KEYS[1]) == 1 then
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then last = string.match(info[i + 1], '^%d+') end
  end
end
local id = ARGV[1] .. '-0'
if #last > #ARGV[1] or (#last == #ARGV[1] and last >= ARGV[1]) then
  local held = redis.call('XRANGE', KEYS[1], id, id)
  if held[1] and held[1][2][2] == ARGV[2] then return 1 end
  return 0
end
redis.call('XADD', KEYS[1], id, 'e', ARGV[2])
return 1";

/// KEYS: log. The last number ever given, as text; 0 for a log that never was.
pub(super) const LOG_LAST: &str = "
if redis.call('EXISTS', KEYS[1]) == 0 then return '0' end
local info = redis.call('XINFO', 'STREAM', KEYS[1])
for i = 1, #info, 2 do
  if info[i] == 'last-generated-id' then return string.match(info[i + 1], '^%d+') end
end
return redis.error_reply('ERR no last id')";
