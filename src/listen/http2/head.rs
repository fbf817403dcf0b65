//! An HTTP/2 request's head as HTTP/1.1 writes it, so that nothing behind this can tell them apart. ★
//!
//! Threat: two names for one host, and a reader for each. What has two meanings is left in a form that is refused where
//! HTTP/1.1's own is: two Host lines, none, two lengths, or a target without a path.

use bytes::{BufMut, BytesMut};
use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING,
    UPGRADE,
};
use http::request::Parts;
use http::uri::{Authority, Scheme, Uri};

/// Rewrites it. `secure`: the connection speaks TLS.
pub(crate) fn level(head: &mut Parts, secure: bool) {
    one_cookie_line(&mut head.headers);
    plain_length(&mut head.headers);
    let target = std::mem::take(&mut head.uri).into_parts();
    let fits = target.scheme.as_ref().is_none_or(|scheme| fits(scheme, secure));
    match &target.authority {
        Some(authority) => one_host(&mut head.headers, authority),
        // Only what was translated may do without (RFC 9113 §8.3.1), and from what is not known.
        None => drop(head.headers.remove(HOST)),
    }
    head.uri = match (target.path_and_query, target.authority) {
        (Some(path), _) if fits => Uri::from(path),
        (_, Some(authority)) => Uri::from(authority),
        (_, None) => Uri::default(),
    };
}

/// Takes from an answer what HTTP/2 has frames for (RFC 9113 §8.2.2).
pub(super) fn strip(answer: &mut HeaderMap) {
    for name in [&CONNECTION, &TRANSFER_ENCODING, &UPGRADE, &TE, &KEEP_ALIVE, &PROXY_CONNECTION] {
        answer.remove(name);
    }
}

/// It decides nothing, and says what the client wants to speak: with TLS that alone. In cleartext a proxy in front may
/// have spoken TLS with its own client, and passes on what that said.
fn fits(scheme: &Scheme, secure: bool) -> bool {
    let is = |name: &str| scheme.as_str().eq_ignore_ascii_case(name);
    is("https") || (!secure && is("http"))
}

/// The authority is the Host. A Host beside it must say the same; else there are two (RFC 9113 §8.3.1).
fn one_host(headers: &mut HeaderMap, authority: &Authority) {
    let said = |line: &HeaderValue| line.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes());
    let agree = headers.get_all(HOST).iter().all(said);
    // An authority has no byte that a header value may not have.
    let host = HeaderValue::try_from(authority.as_str()).unwrap_or_else(|_| HeaderValue::from_static(""));
    if agree {
        headers.insert(HOST, host);
    } else {
        headers.append(HOST, host);
    }
}

/// A length in another spelling than anybody writes is twice there: the parser lets `05` pass.
fn plain_length(headers: &mut HeaderMap) {
    let spelled = |line: &HeaderValue| matches!(line.as_bytes(), [b'0', _, ..]);
    if let Some(odd) = headers.get(CONTENT_LENGTH).filter(|line| spelled(line)).cloned() {
        headers.append(CONTENT_LENGTH, odd);
    }
}

/// Browsers send each cookie in a line of its own, for the compression's sake (RFC 9113 §8.2.3).
fn one_cookie_line(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(COOKIE).iter();
    if lines.next().is_none() || lines.next().is_none() {
        return;
    }
    let size = headers.get_all(COOKIE).iter().map(|line| line.len() + 2).sum();
    let mut joined = BytesMut::with_capacity(size);
    for line in headers.get_all(COOKIE) {
        if !joined.is_empty() {
            joined.put_slice(b"; ");
        }
        joined.put_slice(line.as_bytes());
    }
    match HeaderValue::from_maybe_shared(joined.freeze()) {
        Ok(line) => drop(headers.insert(COOKIE, line)),
        // Made of bytes that were header values before; were they not, dropping them is the safe end.
        Err(_) => drop(headers.remove(COOKIE)),
    }
}

static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
static PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn leveled(uri: &str, secure: bool, lines: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri(uri);
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        level(&mut head, secure);
        head
    }

    fn all(head: &Parts, name: HeaderName) -> Vec<String> {
        head.headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_authority_becomes_the_only_host_or_there_are_two_or_none() {
        for (lines, hosts) in [
            (&[][..], &["app.test"][..]),
            (&[("host", "app.test")], &["app.test"]),
            (&[("host", "APP.test")], &["app.test"]),
            (&[("host", "app.test"), ("host", "app.test")], &["app.test"]),
            (&[("host", "evil.test")], &["evil.test", "app.test"]),
            (&[("host", "app.test"), ("host", "evil.test")], &["app.test", "evil.test", "app.test"]),
            (&[("host", "app.test:443")], &["app.test:443", "app.test"]),
        ] {
            let head = leveled("https://app.test/x?y=%2f", true, lines);
            assert_eq!(all(&head, HOST), hosts, "{lines:?}");
            assert_eq!(head.uri, "/x?y=%2f");
        }
        assert_eq!(all(&leveled("/x", true, &[("host", "app.test")]), HOST), [""; 0]);
    }

    #[test]
    fn a_scheme_that_is_not_the_connections_leaves_no_path_to_decide_on() {
        for (uri, secure, target) in [
            ("https://app.test/x", true, Some("/x")),
            ("HTTPS://app.test/x", true, Some("/x")),
            ("http://app.test/x", true, None),
            ("ftp://app.test/x", true, None),
            ("http://app.test/x", false, Some("/x")),
            ("https://app.test/x", false, Some("/x")),
            ("javascript://app.test/x", false, None),
        ] {
            let head = leveled(uri, secure, &[]);
            assert_eq!(head.uri.scheme_str(), None);
            assert_eq!(head.uri.path_and_query().map(|path| path.as_str()), target, "{uri}");
            assert_eq!(head.uri.authority().is_some(), target.is_none(), "{uri}");
        }
    }

    #[test]
    fn crumbs_are_one_cookie_line_and_never_joined_without_a_semicolon() {
        for (crumbs, line) in [
            (&[][..], &[][..]),
            (&["a=1"][..], &["a=1"][..]),
            (&["a=1", "b=2; c=3", "d=4"], &["a=1; b=2; c=3; d=4"]),
            (&["a=on", "e"], &["a=on; e"]),
        ] {
            let lines: Vec<_> = crumbs.iter().map(|crumb| ("cookie", *crumb)).collect();
            assert_eq!(all(&leveled("https://app.test/", true, &lines), COOKIE), line);
        }
    }
}
