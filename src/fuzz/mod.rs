//! What must hold for any bytes whatever: one function a target, panicking where it does not hold.
//!
//! The same functions run on stable in the suite and under a real fuzzer (`tests/fuzz`). What they hold the
//! gate to is worked out here a second time and in another way, never by the code that is looked at.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a finding is a panic")]

use url::Url;

use crate::config::problem::{Place, Severity};
use crate::config::settings::{Access, Origin, ReturnHost, ReturnPort, Scheme};
use crate::config::{self, Overrides};
use crate::login::return_to::{Bounds, ReturnTo};
use crate::rule::path::canonical;

mod cookies;
mod headers;
mod http2;
mod open;
mod proxy_protocol;
mod token;
mod trace;

pub use cookies::cookies;
pub use headers::headers;
pub use http2::http2;
pub use open::open;
pub use proxy_protocol::proxy_protocol;
pub use token::token;
pub use trace::trace;

/// Whatever the path: one canonical spelling or a refusal, and canonical twice is canonical once.
pub fn path(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(path) = canonical(&text) else { return };
    let found = path.as_str();
    assert!(found.starts_with('/') && found.bytes().all(|byte| matches!(byte, 0x21..=0x7e)), "{found:?}");
    assert!(!found.contains(['\\', '#', '?']) || text.contains('?'), "{found:?}");
    assert!(!found.contains("//"), "{found:?}");

    let again = canonical(found).unwrap_or_else(|refusal| panic!("{text:?} → {found:?}: {refusal}"));
    assert_eq!(again, path, "{text:?}");
    assert!(canonical(path.for_role_rules()).is_ok(), "{found:?}");

    // However often and leniently an upstream decodes, and whether or not it cuts parameters off: no other
    // place than the one that was decided on.
    for reading in [found, path.for_role_rules()] {
        let depth = reading.matches('/').count();
        let mut decoded = reading.as_bytes().to_vec();
        for times in 1..=2 {
            decoded = percent_decoded(&decoded);
            let slashes = decoded.iter().filter(|byte| matches!(byte, b'/' | b'\\')).count();
            assert_eq!(slashes, depth, "{text:?} → {reading:?}: a separator came out of an escape");
            // Twice decoded, only what would end a path counts: any other `%25` is data.
            let ends = |byte: &u8| if times == 1 { byte.is_ascii_control() } else { *byte == 0 };
            assert!(!decoded.iter().any(ends), "{text:?} → {reading:?}: a control came out");
            for segment in decoded.split(|byte| *byte == b'/') {
                let bare = segment.split(|byte| *byte == b';').next().unwrap_or_default();
                assert!(!matches!(segment, b"." | b".."), "{text:?} → {reading:?}: dots came out");
                assert!(!matches!(bare, b"." | b".."), "{text:?} → {reading:?}: dots behind a parameter");
            }
        }
    }
}

/// Whatever the return address: a browser ends on an own origin or an allowed host.
pub fn return_to(data: &[u8]) {
    let given = String::from_utf8_lossy(data);
    let origins = [origin(Scheme::Https, "app.test", 443), origin(Scheme::Https, "two.test", 8443)];
    let host = |host: &str, subdomains, port| ReturnHost { host: host.into(), subdomains, port };
    let hosts = [
        host("docs.example", false, ReturnPort::Default),
        host("apps.example", true, ReturnPort::Any),
        host("tool.example", false, ReturnPort::Exactly(8080)),
    ];
    let bounds = Bounds {
        origin: &origins[0],
        origins: &origins,
        hosts: &hosts,
        auth_prefix: "/oauth2",
        keeps_slashes: true,
    };
    let Some(to) = ReturnTo::parse(&given, &bounds) else { return };

    let home = Url::parse("https://app.test/oauth2/callback").unwrap();
    let landed = home.join(to.as_str()).unwrap();
    assert_eq!(home.join(&given).as_ref(), Ok(&landed), "a browser reads {given:?} otherwise");
    assert!(landed.username().is_empty() && landed.password().is_none(), "{given:?} → {landed}");
    let (host, port) = (landed.host_str().unwrap(), landed.port_or_known_default().unwrap());
    let bare = host.strip_suffix('.').unwrap_or(host);
    let own =
        matches!((landed.scheme(), host, port), ("https", "app.test", 443) | ("https", "two.test", 8443));
    let usual = port == if landed.scheme() == "https" { 443 } else { 80 };
    let allowed = matches!(landed.scheme(), "http" | "https")
        && ((bare == "docs.example" && usual)
            || (bare == "tool.example" && port == 8080)
            || bare == "apps.example"
            || bare.ends_with(".apps.example"));
    assert!(own || allowed, "{given:?} leads to {landed}");
    if own {
        let path = landed.path().to_ascii_lowercase();
        assert!(path != "/oauth2" && !path.starts_with("/oauth2/"), "{given:?} leads to a page of the gate");
    }
    if given.starts_with('/') && given.bytes().all(|byte| matches!(byte, 0x21..=0x7e)) {
        assert_eq!(to.as_str(), format!("https://app.test{given}"), "a deep link is kept exactly");
    }
    let short = to.relative_to(&origins[0]);
    assert_eq!(home.join(short).as_ref(), Ok(&landed), "{given:?}, kept as {short:?}, leads elsewhere");
}

/// Whatever the file and the environment: a configuration that cannot be wrong, or problems with a place.
/// What follows the first NUL is environment, `NAME=value` a line.
pub fn config(data: &[u8]) {
    let (text, environment) = match data.iter().position(|byte| *byte == 0) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &data[..0]),
    };
    let text = String::from_utf8_lossy(text);
    let environment: Vec<(String, String)> = String::from_utf8_lossy(environment)
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let lines = text.lines().count().max(1);
    let (loaded, problems) = match config::from_text("fuzz.toml", &text, &environment, &Overrides::default())
    {
        Ok(loaded) => (Some(loaded.config), loaded.warnings),
        Err(problems) => (None, problems),
    };
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    assert_eq!(errors == 0, loaded.is_some(), "{errors} errors");
    for problem in problems.iter() {
        assert!(!problem.message.is_empty() && !problem.to_string().contains('\n'), "{problem}");
        if let Place::At { line, column, .. } = problem.place {
            assert!((1..=lines + 1).contains(&line) && column >= 1, "{problem}: the file has {lines} lines");
        }
    }
    let Some(config) = loaded else { return };
    assert!(!config.origins.is_empty() && !config.session.keys.is_empty() && config.workers > 0);
    for key in &config.session.keys {
        let bytes = key.expose();
        assert!(bytes.len() == 32 && bytes.iter().any(|byte| *byte != bytes[0]), "a key that is none");
    }
    for origin in &config.origins {
        let loopback =
            ["localhost", "[::1]"].contains(&origin.host.as_str()) || origin.host.starts_with("127.");
        assert!(origin.secure() || loopback || origin.host.ends_with(".localhost"), "cleartext {origin}");
    }
    for rule in &config.rules {
        if let Access::Needs(needs) = &rule.access {
            let parts = [&needs.any_role, &needs.all_roles, &needs.any_user];
            assert!(parts.iter().any(|part| !part.is_empty()), "{} asks for nothing", rule.name);
        }
        assert!(rule.methods.as_ref().is_none_or(|methods| !methods.is_empty()), "{}", rule.name);
    }
}

fn origin(scheme: Scheme, host: &str, port: u16) -> Origin {
    Origin { scheme, host: host.into(), port }
}

/// As a lenient server does it: what is no escape stays.
fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(u8::try_from(high * 16 + low).unwrap_or_default());
                at += 3;
            }
            (byte, ..) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    decoded
}
