//! HTTP/2: a head becomes what HTTP/1.1 would have brought, or has two meanings; frames are counted the same in any pieces.

use http::header::{CONTENT_LENGTH, COOKIE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Request};

use crate::listen::http2::frames::{Frames, Passed};
use crate::listen::http2::head::level;

/// Whatever the head (its address and its lines, one a line of `data`) and the frames (all of `data`).
pub fn http2(data: &[u8]) {
    head(data);
    frames(data);
}

fn head(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let (secure, uri) = match lines.next() {
        Some([first, uri @ ..]) => (first % 2 == 1, uri),
        _ => return,
    };
    let mut headers = HeaderMap::new();
    for line in lines.take(32) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    let Ok(request) = Request::builder().uri(uri).body(()) else { return };
    let (mut head, ()) = request.into_parts();
    head.headers = headers.clone();
    let (scheme, asked) = (head.uri.scheme_str().map(str::to_ascii_lowercase), head.uri.clone());
    level(&mut head, secure);

    let all = |headers: &HeaderMap, name| -> Vec<Vec<u8>> {
        headers.get_all(name).iter().map(|value| value.as_bytes().to_vec()).collect()
    };
    // What was said of cookies is said in one line, and nothing else.
    let crumbs = all(&headers, COOKIE);
    let line = crumbs[crumbs.iter().take_while(|crumb| crumb.is_empty()).count()..].join(&b"; "[..]);
    assert_eq!(all(&head.headers, COOKIE), if crumbs.is_empty() { vec![] } else { vec![line] });
    // One host is what the authority says; whoever says two things has two lines, or none.
    let (said, hosts) = (all(&headers, HOST), all(&head.headers, HOST));
    match asked.authority() {
        None => assert!(hosts.is_empty(), "{hosts:?}"),
        Some(authority) => {
            let authority = authority.as_str().as_bytes();
            let same = said.iter().all(|host| host.eq_ignore_ascii_case(authority));
            assert_eq!(hosts.len(), if same { 1 } else { said.len() + 1 });
            assert_eq!(hosts.last().unwrap(), authority);
        }
    }
    // A path to decide on only under a scheme that the connection may speak, and then the same one.
    let fits = match scheme.as_deref() {
        None | Some("https") => true,
        Some("http") => !secure,
        Some(_) => false,
    };
    assert_eq!(head.uri.scheme_str(), None);
    match head.uri.path_and_query() {
        Some(path) => assert!(fits && Some(path) == asked.path_and_query(), "{asked} → {path}"),
        None => assert!(!fits || asked.path_and_query().is_none(), "{asked}"),
    }
    let lengths = all(&headers, CONTENT_LENGTH);
    let odd = lengths.first().is_some_and(|length| length.len() > 1 && length[0] == b'0');
    assert_eq!(all(&head.headers, CONTENT_LENGTH).len(), lengths.len() + usize::from(odd));
    // Nothing else is touched.
    for name in headers.keys().filter(|name| ![HOST, COOKIE, CONTENT_LENGTH].contains(name)) {
        assert_eq!(all(&headers, name.clone()), all(&head.headers, name.clone()));
    }
}

fn frames(data: &[u8]) {
    let mut whole = Frames::outbound();
    let passed = whole.pass(data);
    let (bodies, ended) = told(data);
    assert_eq!(passed, Passed { data: bodies, ended });
    for size in [1, 7, 10] {
        let mut pieces = Frames::outbound();
        let passed: Vec<_> = data.chunks(size).map(|piece| pieces.pass(piece)).collect();
        assert_eq!(passed.iter().map(|passed| passed.data).sum::<usize>(), bodies, "{size}");
        assert_eq!(passed.iter().any(|passed| passed.ended), ended, "{size}");
        assert_eq!(pieces.is_in_head(), whole.is_in_head(), "{size}");
    }
}

/// Bytes of bodies, and whether a frame ended outside of a head, by walking over whole frames (RFC 9113 §4.1).
fn told(mut data: &[u8]) -> (usize, bool) {
    let (mut bodies, mut ended, mut open) = (0, false, false);
    while let Some((header, rest)) = data.split_at_checked(9) {
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
        if matches!(header[3], 1 | 9) {
            open = header[4] & 4 == 0;
        }
        let here = rest.len().min(length);
        bodies += if header[3] == 0 { here } else { 0 };
        ended |= here == length && !open;
        data = &rest[here..];
    }
    (bodies, ended)
}
