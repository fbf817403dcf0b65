//! Trace headers: what goes on is what can be read, and no more of it than everybody can carry.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::trace::context::{Outgoing, Parent, pass_on};

/// Whatever the trace headers (one a line of `data`; its first byte says which): of a `traceparent` goes on the only one
/// there is, and only if it is one; `tracestate` in one line, with it; `baggage` within its bounds. Where the gate says
/// its own, nothing else goes on.
pub fn trace(data: &[u8]) {
    let mut head = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(24) {
        let Some((which, value)) = line.split_first() else { continue };
        let name = match which {
            b'p' => "traceparent",
            b's' => "tracestate",
            _ => "baggage",
        };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            head.append(HeaderName::from_static(name), value);
        }
    }
    let mut passed = head.clone();
    pass_on(&mut passed, None);

    let parents = texts(&head, "traceparent");
    let good = parents.len() == 1 && is_parent(&parents[0]);
    assert_eq!(texts(&passed, "traceparent"), if good { parents } else { vec![] });
    state(&texts(&head, "tracestate"), &texts(&passed, "tracestate"), good);
    let baggage = texts(&passed, "baggage");
    let members: usize = baggage.iter().map(|line| line.split(',').count()).sum();
    assert!(baggage.join(",").len() <= 8192 && members <= 64, "{} members", members);
    assert!(baggage.is_empty() || baggage == texts(&head, "baggage"), "{baggage:?}");

    let mut again = passed.clone();
    pass_on(&mut again, None);
    assert_eq!(again, passed);
    let parent = Parent { trace_id: [7; 16], span_id: [8; 8], flags: 1 };
    let own = Outgoing { parent: parent.write().unwrap(), state: None };
    pass_on(&mut head, Some(&own));
    assert_eq!(head.get_all("traceparent").iter().collect::<Vec<_>>(), [&own.parent]);
    assert!(!head.contains_key("tracestate"));
}

/// As the grammar has it, read by its dashes.
fn is_parent(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(5, '-').collect();
    let digits = |text: &&str| text.bytes().all(|byte| b"0123456789abcdef".contains(&byte));
    let [version, trace, span, flags, further @ ..] = parts.as_slice() else { return false };
    let lengths = [version.len(), trace.len(), span.len(), flags.len()] == [2, 32, 16, 2];
    let hexadecimal = [version, trace, span, flags].into_iter().all(digits);
    let nothing = |text: &str| text.bytes().all(|byte| byte == b'0');
    let known = *version == "00" && further.is_empty();
    let later =
        !matches!(*version, "00" | "ff") && text.len() <= 256 && text.bytes().all(|b| b.is_ascii_graphic());
    lengths && hexadecimal && !nothing(trace) && !nothing(span) && (known || later)
}

fn state(before: &[String], after: &[String], has_parent: bool) {
    let [line] = after else { return assert!(after.is_empty(), "{after:?}") };
    assert!(has_parent && line.len() <= 512, "{line:?}");
    let before: Vec<&str> =
        before.iter().flat_map(|line| line.split(',')).map(|m| m.trim_matches([' ', '\t'])).collect();
    let mut keys: Vec<&str> = Vec::new();
    for member in line.split(',') {
        assert!(before.contains(&member), "{member:?} was not there: {before:?}");
        let (key, value) = member.split_once('=').unwrap();
        assert!(!key.is_empty() && !value.is_empty() && !value.contains('='), "{member:?}");
        assert!(!keys.contains(&key) && !key.bytes().any(|byte| byte.is_ascii_uppercase()), "{member:?}");
        keys.push(key);
    }
    assert!(keys.len() <= 32);
}

/// The lines of a name, latin-1.
fn texts(head: &HeaderMap, name: &str) -> Vec<String> {
    let text = |value: &HeaderValue| value.as_bytes().iter().map(|byte| char::from(*byte)).collect();
    head.get_all(name).iter().map(text).collect()
}
