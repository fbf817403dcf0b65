//! W3C trace context: `traceparent` and `tracestate` read strictly, bounded and written; `baggage` bounded. ★
//!
//! Threat: anybody can send these. What is malformed, doubled or too long would go on to every service behind the gate,
//! whose parsers may be less careful than this one.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The place in a trace that somebody asks from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// Never all zero.
    pub trace_id: [u8; 16],
    /// The caller's span; never all zero.
    pub span_id: [u8; 8],
    /// Those of version 00: [`SAMPLED`] and [`RANDOM`].
    pub flags: u8,
}

/// What a request says of the trace that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// `traceparent`.
    pub parent: Parent,
    /// `tracestate`, all of its lines as one.
    pub state: Option<HeaderValue>,
}

/// What the gate itself says to the upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// `traceparent`.
    pub parent: HeaderValue,
    /// `tracestate`, where a trace goes on.
    pub state: Option<HeaderValue>,
}

/// The caller records this trace.
pub const SAMPLED: u8 = 0b01;
/// The trace's id is random, so that its last bytes can be sampled by (Level 2 §3.2.2.5).
pub const RANDOM: u8 = 0b10;

// === impl Parent ===

impl Parent {
    /// A `traceparent` of any version but ff; of a later one, what version 00 has of it (§4.3).
    pub fn read(text: &[u8]) -> Option<Self> {
        if text.len() > LONGEST_PARENT {
            return None;
        }
        let (known, further) = text.split_at_checked(LENGTH)?;
        let [version] = hex(&known[..2])?;
        let ends_well = match version {
            0 => further.is_empty(),
            0xff => false,
            _ => further.is_empty() || further[0] == b'-' && further.iter().all(u8::is_ascii_graphic),
        };
        if !ends_well || [2, 35, 52].iter().any(|at| known[*at] != b'-') {
            return None;
        }
        let trace_id: [u8; 16] = hex(&known[3..35])?;
        let span_id: [u8; 8] = hex(&known[36..52])?;
        let [flags] = hex(&known[53..55])?;
        if trace_id == [0; 16] || span_id == [0; 8] {
            return None;
        }
        Some(Self { trace_id, span_id, flags: flags & (SAMPLED | RANDOM) })
    }

    /// As a header's value, in version 00.
    pub fn write(&self) -> Option<HeaderValue> {
        let mut text = String::with_capacity(LENGTH);
        text.push_str("00-");
        push_hex(&mut text, &self.trace_id);
        text.push('-');
        push_hex(&mut text, &self.span_id);
        text.push('-');
        push_hex(&mut text, &[self.flags]);
        HeaderValue::try_from(text).ok()
    }

    /// Whether the caller records it.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }
}

// === impl Said ===

impl Said {
    /// What a head says, if it says one thing that can be read. Without a parent there is no state (§3.3).
    pub fn read(head: &HeaderMap) -> Option<Self> {
        let mut lines = head.get_all(&TRACEPARENT).iter();
        let line = lines.next()?;
        if lines.next().is_some() {
            return None;
        }
        let parent = Parent::read(line.as_bytes())?;
        let lines: Vec<&[u8]> = head.get_all(&TRACESTATE).iter().map(HeaderValue::as_bytes).collect();
        Some(Self { parent, state: state(&lines) })
    }
}

/// Makes of a client's trace headers in `head` what an upstream may see: the gate's `own` where it traces, else what
/// can be read of the client's.
pub fn pass_on(head: &mut HeaderMap, own: Option<&Outgoing>) {
    // Most heads say nothing of it: to pass over the names once costs less than to look each of them up.
    let says = head.keys().any(|name| [&TRACEPARENT, &TRACESTATE, &BAGGAGE].contains(&name));
    if own.is_none() && !says {
        return;
    }
    let (parent, state) = match own {
        Some(Outgoing { parent, state }) => (Some(parent.clone()), state.clone()),
        // Nobody who forwards only may change the parent (§4.2): it stays as it came.
        None => match Said::read(head) {
            Some(said) => (head.get(&TRACEPARENT).cloned(), said.state),
            None => (None, None),
        },
    };
    put(head, &TRACEPARENT, parent);
    put(head, &TRACESTATE, state);
    if !is_bearable(head) {
        head.remove(&BAGGAGE);
    }
}

fn put(head: &mut HeaderMap, name: &HeaderName, value: Option<HeaderValue>) {
    match value {
        Some(value) => drop(head.insert(name, value)),
        None => drop(head.remove(name)),
    }
}

/// Whether `baggage` is no larger than everybody must be able to carry (W3C Baggage §3.3.2), and text.
fn is_bearable(head: &HeaderMap) -> bool {
    let (mut bytes, mut members) = (0, 0);
    for line in head.get_all(&BAGGAGE) {
        let text = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~');
        if !line.as_bytes().iter().all(text) {
            return false;
        }
        bytes += line.len() + 1;
        members += line.as_bytes().split(|byte| *byte == b',').count();
    }
    bytes <= BAGGAGE_BYTES && members <= BAGGAGE_MEMBERS
}

/// The lines of a `tracestate` as one, or none of it: one member that cannot be read spoils all (§3.3.1.5).
fn state(lines: &[&[u8]]) -> Option<HeaderValue> {
    let mut members: Vec<(&[u8], &[u8])> = Vec::new();
    for member in lines.iter().flat_map(|line| line.split(|byte| *byte == b',')) {
        let member = trim(member);
        if member.is_empty() {
            continue;
        }
        let at = member.iter().position(|byte| *byte == b'=')?;
        let (key, value) = (&member[..at], &member[at + 1..]);
        let doubled = members.iter().any(|(known, _)| *known == key);
        if doubled || members.len() == MOST_MEMBERS || !is_key(key) || !is_value(value) {
            return None;
        }
        members.push((key, value));
    }
    // What does not fit goes, the longest members first and then those that were written longest ago (§3.3.1.5).
    let length = |members: &[(&[u8], &[u8])]| -> usize {
        members.iter().map(|(key, value)| key.len() + value.len() + 2).sum::<usize>().saturating_sub(1)
    };
    if length(&members) > STATE_BYTES {
        members.retain(|(key, value)| key.len() + value.len() < LONG_MEMBER);
    }
    while length(&members) > STATE_BYTES {
        members.pop();
    }
    let written: Vec<Vec<u8>> = members.iter().map(|(key, value)| [*key, *value].join(&b'=')).collect();
    let joined = written.join(&b',');
    if joined.is_empty() { None } else { HeaderValue::from_maybe_shared(bytes::Bytes::from(joined)).ok() }
}

fn is_key(key: &[u8]) -> bool {
    let all = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    matches!(key, [b'a'..=b'z' | b'0'..=b'9', ..]) && key.len() <= 256 && key.iter().all(all)
}

fn is_value(value: &[u8]) -> bool {
    let all = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'=');
    value.last().is_some_and(|last| *last != b' ') && value.len() <= 256 && value.iter().all(all)
}

fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// Lower-case digits alone (§2.3).
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? * 16 + digit(pair[1])?;
    }
    Some(bytes)
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for half in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(half.into(), 16));
        }
    }
}

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
static BAGGAGE: HeaderName = HeaderName::from_static("baggage");

/// Of a `traceparent` of version 00.
const LENGTH: usize = 55;
/// A later version may say more; not without end.
const LONGEST_PARENT: usize = 256;
/// Members of a `tracestate` (§3.3.1.1).
const MOST_MEMBERS: usize = 32;
/// What everybody should be able to pass on of it (§3.3.1.5).
const STATE_BYTES: usize = 512;
/// Members of this length go first.
const LONG_MEMBER: usize = 128;
const BAGGAGE_BYTES: usize = 8192;
const BAGGAGE_MEMBERS: usize = 64;

#[cfg(test)]
mod tests;
