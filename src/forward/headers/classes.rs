//! The classes of names that are taken out of a client's head, and a way to tell that a name is in none of them. ★

/// A bit for the first two letters of each of some classes: what has none is in none of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Openings([u64; 16]);

// === impl Openings ===

impl Openings {
    pub(super) fn add(&mut self, class: &[u8]) {
        if let Some((word, bit)) = Self::of(class) {
            self.0[word] |= 1 << bit;
        }
    }

    pub(super) fn has(&self, (word, bit): (usize, u32)) -> bool {
        self.0[word] & (1 << bit) != 0
    }

    /// Where the class of a (lower-case) name has its bit. Letters and digits share some: it may be one of these, and is
    /// then looked at.
    pub(super) fn of(name: &[u8]) -> Option<(usize, u32)> {
        let (first, second) = match name {
            // Most names begin so.
            [first, second, ..] if first.is_ascii_alphanumeric() && second.is_ascii_alphanumeric() => {
                (*first, *second)
            }
            _ => {
                let mut letters = name.iter().copied().filter(u8::is_ascii_alphanumeric);
                (letters.next()?, letters.next().unwrap_or(0))
            }
        };
        Some((usize::from(first & 31) / 2, u32::from(first & 1) * 32 + u32::from(second & 31)))
    }
}

/// Hop-by-hop and framing (RFC 9110 §7.6.1), and what is put in anew. `Expect` ends here: hyper answers it when
/// the body is first wanted. `Trailer` has nothing to announce, the trailers being dropped.
pub(super) const MESSAGE: &[&[u8]] = &[
    b"connection",
    b"keepalive",
    b"te",
    b"trailer",
    b"transferencoding",
    b"contentlength",
    b"upgrade",
    b"expect",
    b"http2settings",
    b"host",
    b"cookie",
];

/// What carries identity whatever is configured, folded.
pub(super) const GATES: [&[u8]; 3] = [b"xuser", b"xroles", b"xrolegateassertion"];

/// Forwarding headers, and other proxies' of identity, folded.
pub(super) const STRIPPED: &[&[u8]] = &[
    b"xrequestid",
    b"forwarded",
    b"xrealip",
    b"xclientip",
    b"xclusterclientip",
    b"trueclientip",
    b"cfconnectingip",
    b"xoriginalhost",
    b"xoriginalurl",
    b"xoriginaluri",
    b"xoriginalmethod",
    b"xrewriteurl",
    b"xenvoyoriginalpath",
    b"xenvoyexternaladdress",
    b"xauthusername",
    b"remoteuser",
    b"xremoteuser",
    b"xclientsubject",
    b"xclientverify",
    b"xclientdn",
    b"wscc",
    b"wsru",
];

/// Families of the same: `X-Forwarded-*`, `X-Auth-Request-*`, `X-WEBAUTH-*`, `X-Amzn-Oidc-*`; `Proxy` and `Proxy-*`
/// (CVE-2016-5385: a CGI reads `Proxy` as `HTTP_PROXY`); and what servers, balancers and their plug-ins say of a client's
/// certificate, of which RFC 9440 §4 wants no copy of a client's to pass.
pub(super) const PREFIXES: &[&[u8]] = &[
    b"xforwarded",
    b"xauthrequest",
    b"xwebauth",
    b"xamznoidc",
    b"proxy",
    b"clientcert",
    b"xclientcert",
    b"xssl",
    b"sslclient",
    b"xtlsclient",
    b"tlsclient",
    b"xarrclientcert",
    b"xamznmtls",
    b"cfclientcert",
    b"wlproxy",
];
